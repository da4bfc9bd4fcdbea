namespace Microsoft.ML.Peft.Tokenization;

/// <summary>What tokenizer_config.json and special_tokens_map.json say; either may be missing.</summary>
internal sealed class TokenizerConfig
{
    public const string FileName = "tokenizer_config.json";

    private static readonly string[] FileNames = [FileName, "special_tokens_map.json"];

    private readonly List<JsonValue> _roots = [];

    public TokenizerConfig(IReadOnlyList<TokenizerFile> files)
    {
        Files = files;
        foreach (TokenizerFile file in files)
        {
            JsonValue root = JsonValue.Read(file);
            _roots.Add(root.IsObject ? root : throw root.Invalid("expected an object"));
        }
    }

    public IReadOnlyList<TokenizerFile> Files { get; }

    public static TokenizerConfig In(string folder) =>
        new([.. FileNames.Select(name => Path.Combine(folder, name)).Where(File.Exists).Select(TokenizerFile.OnDisk)]);

    /// <summary>The class without the suffix of the fast variant, empty if unknown.</summary>
    public string TokenizerClass
    {
        get
        {
            string name = this["tokenizer_class"].Text("");
            return name.EndsWith("Fast", StringComparison.Ordinal) ? name[..^4] : name;
        }
    }

    /// <summary>The setting from the first file that has it.</summary>
    public JsonValue this[string name] =>
        _roots.Select(root => root[name]).FirstOrDefault(value => !value.IsNull);

    public int ModelMaxLength
    {
        get
        {
            JsonValue value = this["model_max_length"];
            double length = value.IsNull ? int.MaxValue : value.Real();
            return length is >= 1 and < int.MaxValue ? (int)length : int.MaxValue;
        }
    }

    /// <summary>The special token of a role such as "pad_token": a string, or an object with its content.</summary>
    public string? Token(string role)
    {
        JsonValue value = this[role];
        return value.IsNull ? null : value.IsObject ? value["content"].Text() : value.Text();
    }

    /// <summary>Tokens that the configuration adds to those of the vocabulary.</summary>
    public IEnumerable<AddedToken> AddedTokens()
    {
        JsonValue tokens = this["added_tokens_decoder"];
        return tokens.IsNull ? [] : tokens.Properties().Select(entry => AddedTokenReader.Read(entry.Value, ParseId(entry)));
    }

    private static int ParseId((string Name, JsonValue Value) entry) =>
        int.TryParse(entry.Name, out int id) && id >= 0 ? id : throw entry.Value.Invalid($"'{entry.Name}' is no token id");
}

internal static class AddedTokenReader
{
    public static AddedToken Read(JsonValue token, int id) => new(id, token["content"].Text())
    {
        Special = token["special"].Flag(false),
        SingleWord = token["single_word"].Flag(false),
        StripLeft = token["lstrip"].Flag(false),
        StripRight = token["rstrip"].Flag(false),
        Normalized = token["normalized"].Flag(false),
    };
}
