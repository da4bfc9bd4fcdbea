using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Data;

/// <summary>One row after tokenization: what an epoch needs of it, in compact arrays.</summary>
internal sealed class Example
{
    /// <summary>Token ids, special tokens included.</summary>
    public required int[] Ids { get; init; }

    /// <summary>Segment of each token (0 or 1), as long as <see cref="Ids"/>.</summary>
    public required byte[] TypeIds { get; init; }

    /// <summary>
    /// Label indices from 0: one for a classified text; one for each entry of <see cref="Positions"/> otherwise.
    /// Empty where no labels were asked for.
    /// </summary>
    public int[] Labels { get; init; } = [];

    /// <summary>Token positions that the head reads (the first piece of each word); empty where the head decides alone.</summary>
    public int[] Positions { get; init; } = [];

    /// <summary>Where each text begins of several that are packed into this row; empty for one text.</summary>
    public int[] Starts { get; init; } = [];

    /// <summary>What the task needs to write its outputs (words, offsets); null where ids suffice.</summary>
    public object? Source { get; init; }

    /// <summary>Tokens were cut off.</summary>
    public bool Truncated { get; init; }

    /// <summary>What is learnt begins within what would be one token, had it come as one text with what stands before it.</summary>
    public bool SplitsToken { get; init; }

    /// <summary>Stands for a row of which the longest length left nothing to learn.</summary>
    public static Example CutOff { get; } = new() { Ids = [], TypeIds = [], Truncated = true };

    public int Length => Ids.Length;

    public static Example From(Encoding encoding, int[] labels, int[]? positions = null, object? source = null) => new()
    {
        Ids = encoding.Ids,
        TypeIds = encoding.TypeIds,
        Labels = labels,
        Positions = positions ?? [],
        Source = source,
        Truncated = encoding.Truncated,
    };
}
