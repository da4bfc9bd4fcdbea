namespace Microsoft.ML.Peft.Tokenization;

/// <summary>What a tokenizer does, whatever kind of file says so.</summary>
internal sealed record Pipeline
{
    /// <summary>The ids of all tokens of the model, without added ones.</summary>
    public required IReadOnlyDictionary<string, int> Vocabulary { get; init; }

    public required ITokenModel Model { get; init; }

    public IReadOnlyList<AddedToken> AddedTokens { get; init; } = [];

    /// <summary>Whether further tokens follow on the last, whatever ids a configuration gives them.</summary>
    public bool NumbersAddedTokens { get; init; }

    public INormalizer? Normalizer { get; init; }

    public IPreTokenizer? PreTokenizer { get; init; }

    /// <summary>True if the model sees bytes, written in GPT-2's alphabet.</summary>
    public bool Bytes { get; init; }

    public Template Template { get; init; } = Template.Plain;

    public IDecoder? Decoder { get; init; }

    public string? UnknownToken { get; init; }

    /// <summary>What the unknown token is decoded to, where that is not its name.</summary>
    public string? UnknownSurface { get; init; }

    /// <summary>Ids by role ("pad_token") that the model file itself names.</summary>
    public IReadOnlyDictionary<string, int> Roles { get; init; } = new Dictionary<string, int>();
}
