using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Tokenization.Gguf;

/// <summary>
/// How byte-level tokenizers cut a text before they merge, by llama.cpp's names (<c>tokenizer.ggml.pre</c>), with the patterns of the
/// tokenizer.json files that these names stand for. Each pattern cuts what the one before it left whole.
/// </summary>
internal sealed record WordCut(string[] Names, string[] Patterns)
{
    public const string Default = "default";

    private const string Gpt2Words = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";
    private const string Contractions = "(?i:'s|'t|'re|'ve|'m|'ll|'d)";
    private const string Spaces = @"\s*[\r\n]+|\s+(?!\S)|\s+";
    private const string Punctuation = @" ?[^\s\p{L}\p{N}]+[\r\n]*";
    private const string Upper = @"[\p{Lu}\p{Lt}\p{Lm}\p{Lo}\p{M}]", Lower = @"[\p{Ll}\p{Lm}\p{Lo}\p{M}]", Lead = @"[^\r\n\p{L}\p{N}]?";

    private static readonly WordCut[] s_all =
    [
        new([Default], [@"[\p{P}\$\+<=>\^~\|]+", Gpt2Words, @"\p{N}+", "[0-9][0-9][0-9]"]),
        new(["gpt-2", "phi-2", "jina-es", "jina-de", "gigachat", "jina-v1-en", "jina-v2-es", "jina-v2-de", "roberta-bpe", "mpt", "olmo", "jais"], [Gpt2Words]),
        new(["smollm", "starcoder", "refact", "command-r", "codeshell", "exaone", "minerva-7b"], [@"\p{N}", Gpt2Words]),
        new(["llama-bpe", "llama3", "llama-v3", "falcon3", "falcon-h1", "pixtral", "midm-2.0", "lfm2"], [Llama3Words(3)]) { IgnoresMerges = true, AddsBos = true },
        new(["dbrx", "smaug-bpe", "chatglm-bpe"], [Llama3Words(3)]),
        new(["qwen2", "deepseek-r1-qwen", "megrez", "stablelm2"], [Llama3Words(1)]) { Composes = true },
        new(["falcon"], [@"[\p{P}\$\+<=>\^~\|`]+", Gpt2Words, "[0-9][0-9][0-9]"]),
        new(["deepseek-coder"], [@"[\r\n]", @"\s?\p{L}+", @"\s?\p{P}+", @"[一-龥ࠀ-一가-\uD7FF]+", @"\p{N}"]),
        new(["tekken"], [CasedWords("", @"\p{N}")]) { IgnoresMerges = true, AddsBos = true },
        new(["gpt-4o", "llama4"], [CasedWords($"{Contractions}?", @"\p{N}{1,3}")]) { IgnoresMerges = true },
    ];

    /// <summary>Whether a word that is a token is taken whole.</summary>
    public bool IgnoresMerges { get; private init; }

    /// <summary>Whether texts begin with a start token where the file does not say.</summary>
    public bool AddsBos { get; private init; }

    /// <summary>Whether characters are composed (NFC) first.</summary>
    public bool Composes { get; private init; }

    /// <exception cref="NotSupportedException">The name is not known.</exception>
    public static WordCut Named(string name, string file) => s_all.FirstOrDefault(cut => cut.Names.Contains(name)) ?? throw new NotSupportedException(
        $"{file}: 'tokenizer.ggml.pre' is '{name}'; known are {string.Join(", ", s_all.SelectMany(cut => cut.Names))}. Keep the file in a folder with the model's tokenizer.json and name the folder.");

    public JsonObject? Normalizer() => Composes ? new() { ["type"] = "NFC" } : null;

    public JsonObject PreTokenizer()
    {
        // The last step knows GPT-2's words itself, and finds them faster.
        bool words = Patterns[^1] == Gpt2Words;
        var bytes = new JsonObject { ["type"] = "ByteLevel", ["add_prefix_space"] = false, ["use_regex"] = words };
        return new() { ["type"] = "Sequence", ["pretokenizers"] = new JsonArray([.. Patterns.SkipLast(words ? 1 : 0).Select(Split), bytes]) };
    }

    private static JsonObject Split(string pattern) => new()
    {
        ["type"] = "Split", ["pattern"] = new JsonObject { ["Regex"] = pattern }, ["behavior"] = "Isolated", ["invert"] = false,
    };

    private static string Llama3Words(int digits) => $@"{Contractions}|{Lead}\p{{L}}+|\p{{N}}{(digits > 1 ? $"{{1,{digits}}}" : "")}|{Punctuation}|{Spaces}";

    private static string CasedWords(string ending, string number) =>
        $@"{Lead}{Upper}*{Lower}+{ending}|{Lead}{Upper}+{Lower}*{ending}|{number}| ?[^\s\p{{L}}\p{{N}}]+[\r\n/]*|{Spaces}";
}
