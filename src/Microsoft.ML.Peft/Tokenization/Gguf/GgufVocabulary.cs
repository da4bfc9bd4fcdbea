using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints.Gguf;

namespace Microsoft.ML.Peft.Tokenization.Gguf;

/// <summary>The tokens of a GGUF file, with what it says of each.</summary>
internal sealed class GgufVocabulary
{
    private const string Prefix = "tokenizer.ggml.", TokensKey = Prefix + "tokens", TypesKey = Prefix + "token_type", ScoresKey = Prefix + "scores";

    private readonly GgufFile _file;

    public GgufVocabulary(GgufFile file)
    {
        _file = file;
        Tokens = Required(file.Metadata.Texts(TokensKey), TokensKey);
        // GGML numbers the types as SentencePiece does.
        Types = PerToken(file.Metadata.Int32s(TypesKey), TypesKey)?.Select(type => (PieceType)type).ToArray() ?? [.. Enumerable.Repeat(PieceType.Normal, Tokens.Length)];
        // Some files name a token that the vocabulary lacks; llama.cpp passes over these too.
        Roles = GgufTokens.Roles(file.Metadata).Where(role => role.Id < Tokens.Length).ToDictionary(role => role.Role, role => (int)role.Id);
    }

    public string Description => _file.Description;

    public string[] Tokens { get; }

    public PieceType[] Types { get; }

    /// <summary>Ids by Hugging Face's names of their roles.</summary>
    public IReadOnlyDictionary<string, int> Roles { get; }

    public float[] Scores() => Required(PerToken(_file.Metadata.Singles(ScoresKey), ScoresKey), ScoresKey);

    public string[] Merges() => Required(_file.Metadata.Texts(Prefix + "merges"), Prefix + "merges");

    public string? Text(string name) => _file.Metadata.Text(Prefix + name);

    public bool Flag(string name, bool missing) => _file.Metadata.Flag(Prefix + name) ?? missing;

    /// <summary>Tokens that are found in text before anything else is done to it.</summary>
    public IEnumerable<int> Added() =>
        Enumerable.Range(0, Tokens.Length).Where(id => Types[id] is PieceType.Control or PieceType.UserDefined or PieceType.Unknown && Tokens[id].Length > 0);

    /// <summary>One of <see cref="Added"/> as tokenizer.json and tokenizer_config.json have it.</summary>
    public JsonObject AddedToken(int id) => new()
    {
        ["content"] = Tokens[id], ["single_word"] = false, ["lstrip"] = false, ["rstrip"] = false, ["normalized"] = false,
        ["special"] = Types[id] != PieceType.UserDefined,
    };

    /// <summary>The id of a role that a setting asks for.</summary>
    public int Role(string role, string setting) => Roles.TryGetValue(role, out int id) ? id
        : throw new InvalidDataException($"{Description}: '{Prefix}{setting}' is set, but the file names no token for '{role}' that its vocabulary has.");

    private T[] Required<T>(T[]? list, string key) =>
        list ?? throw new InvalidDataException($"{Description}: expected a list under '{key}', found nothing.");

    private T[]? PerToken<T>(T[]? list, string key) => list is null || list.Length == Tokens.Length ? list
        : throw new InvalidDataException($"{Description}: expected {Tokens.Length} values under '{key}', one for each token, found {list.Length}.");
}
