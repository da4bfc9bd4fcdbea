namespace Microsoft.ML.Peft;

/// <summary>A bit of what a model writes into a text's blanks, as it comes (<see cref="PeftTransformer.FillBlanksAsync"/>).</summary>
public sealed class BlankUpdate
{
    internal BlankUpdate() { }

    /// <summary>Which blank, from 0, in the order of the text.</summary>
    public required int Blank { get; init; }

    /// <summary>The text that is new; it never changes later. It may be empty in a piece's last update.</summary>
    public required string Text { get; init; }

    /// <summary>Where it begins in the filled text, in characters.</summary>
    public required int Offset { get; init; }

    /// <summary>Whether the blank is filled with it.</summary>
    public required bool IsLast { get; init; }

    /// <summary>The new text.</summary>
    /// <returns>The text.</returns>
    public override string ToString() => Text;
}
