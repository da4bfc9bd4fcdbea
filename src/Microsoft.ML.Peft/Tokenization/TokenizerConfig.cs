namespace Microsoft.ML.Peft.Tokenization;

/// <summary>What tokenizer_config.json, special_tokens_map.json, added_tokens.json and chat_template.jinja say; any may be missing.</summary>
internal sealed class TokenizerConfig
{
    public const string FileName = "tokenizer_config.json";

    private const string TemplateName = "chat_template.jinja", AddedTokensName = "added_tokens.json";

    private static readonly string[] FileNames = [FileName, "special_tokens_map.json", AddedTokensName, TemplateName];

    private readonly List<JsonValue> _roots = [];
    private readonly JsonValue _addedTokens;

    public TokenizerConfig(IReadOnlyList<TokenizerFile> files)
    {
        Files = files;
        ChatTemplate = files.FirstOrDefault(file => file.Name == TemplateName);
        foreach (TokenizerFile file in files.Where(file => file != ChatTemplate))
        {
            JsonValue root = JsonValue.Read(file);
            if (!root.IsObject)
            {
                throw root.Invalid("expected an object");
            }
            if (file.Name == AddedTokensName)
            {
                _addedTokens = root;
            }
            else
            {
                _roots.Add(root);
            }
        }
    }

    public IReadOnlyList<TokenizerFile> Files { get; }

    /// <summary>The chat template, where it is a file of its own.</summary>
    public TokenizerFile? ChatTemplate { get; }

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

    /// <summary>Whether a file says anything about a setting, be it null.</summary>
    public bool Says(string name) => _roots.Exists(root => root.Has(name));

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
    public string? Token(string role) => this[role] is { IsNull: false } value ? Special(value).Content : null;

    /// <summary>
    /// Tokens that the configuration adds to those of the vocabulary: those of tokenizer_config.json, or of added_tokens.json where
    /// that has none.
    /// </summary>
    public IEnumerable<AddedToken> AddedTokens()
    {
        JsonValue tokens = this["added_tokens_decoder"];
        if (!tokens.IsNull)
        {
            return tokens.Properties().Select(entry => AddedTokenReader.Read(entry.Value, ParseId(entry)));
        }
        HashSet<string> special = [.. SpecialTokens().Select(token => token.Content)];
        return _addedTokens.IsNull ? [] : _addedTokens.Properties().Select(entry => new AddedToken(entry.Value.Id(), entry.Name)
        {
            Special = special.Contains(entry.Name),
            Normalized = !special.Contains(entry.Name),
        });
    }

    /// <summary>The tokens that the configuration names as special, without ids: those of roles, and others.</summary>
    public IEnumerable<AddedToken> SpecialTokens()
    {
        IEnumerable<JsonValue> roles = TextTokenizer.RoleNames.Select(role => this[role]).Where(value => !value.IsNull);
        return roles.Concat(Others("additional_special_tokens")).Concat(Others("extra_special_tokens")).Select(Special);
    }

    // A list of tokens, or an object with their names.
    private IEnumerable<JsonValue> Others(string key) => this[key] switch
    {
        { IsNull: true } => [],
        { IsObject: true } named => named.Properties().Select(entry => entry.Value),
        var list => list.Items(),
    };

    private static AddedToken Special(JsonValue token) =>
        (token.IsObject ? AddedTokenReader.Read(token, -1) : new AddedToken(-1, token.Text())) with { Special = true };

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
