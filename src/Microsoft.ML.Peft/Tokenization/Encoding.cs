namespace Microsoft.ML.Peft.Tokenization;

/// <summary>The tokens of a text, or of a pair of texts, as arrays of equal length.</summary>
internal sealed class Encoding
{
    /// <summary>The entry of <see cref="Sequence"/> for tokens that come from no text.</summary>
    public const byte NoSequence = byte.MaxValue;

    public required int[] Ids { get; init; }

    public required byte[] TypeIds { get; init; }

    /// <summary>Offsets into the text (or word) the token came from, without white space around it; -1 for special tokens.</summary>
    public required int[] Starts { get; init; }

    public required int[] Ends { get; init; }

    /// <summary>The index of the word the token belongs to, -1 for special tokens.</summary>
    public required int[] Words { get; init; }

    /// <summary>0 or 1 for the first and second text of a pair; null where there is one text.</summary>
    public byte[]? Sequence { get; init; }

    public bool Truncated { get; init; }

    public int Length => Ids.Length;
}

/// <summary>A pair of texts in windows over the second.</summary>
/// <param name="First">Tokens of the first text.</param>
/// <param name="Room">Tokens of the second that a window has room for.</param>
/// <param name="Windows">The windows in their order; none where the room is too small for the shared tokens and one more.</param>
internal readonly record struct PairWindows(int First, int Room, IReadOnlyList<Encoding> Windows);

/// <summary>The tokens of a text that is written behind another.</summary>
/// <param name="Ids">The tokens.</param>
/// <param name="Starts">Where each begins in the text.</param>
/// <param name="Splits">
/// Whether the two, had they come as one text, would have other tokens where they meet: such a model has seldom seen the tokens that it
/// meets here.
/// </param>
internal readonly record struct Continuation(int[] Ids, int[] Starts, bool Splits);
