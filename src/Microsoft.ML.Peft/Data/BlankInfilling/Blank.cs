namespace Microsoft.ML.Peft.Data.BlankInfilling;

/// <summary>Tokens of a text that are taken out of it.</summary>
/// <param name="Start">The first.</param>
/// <param name="End">The one behind the last.</param>
internal readonly record struct Blank(int Start, int End)
{
    public int Length => End - Start;

    /// <exception cref="ArgumentException">A blank is empty or reaches beyond its text, or two overlap.</exception>
    public static void Check(IReadOnlyList<Blank> blanks, int textLength)
    {
        int last = 0;
        foreach (Blank blank in blanks.OrderBy(blank => blank.Start))
        {
            if (blank.Length < 1 || blank.Start < 0 || blank.End > textLength)
                throw new ArgumentException($"A blank over the tokens {blank.Start} to {blank.End} does not lie in a text of {textLength} tokens.", nameof(blanks));
            if (blank.Start < last)
                throw new ArgumentException($"A blank over the tokens {blank.Start} to {blank.End} overlaps one that ends at {last}.", nameof(blanks));
            last = blank.End;
        }
    }
}

/// <summary>What stands in a blanked text beside its words.</summary>
/// <param name="Mask">Stands where tokens are missing.</param>
/// <param name="SentenceMask">Stands where a sentence is missing.</param>
/// <param name="DocumentMask">Stands where most of the text is missing.</param>
/// <param name="StartOfPiece">Stands before what is missing.</param>
/// <param name="EndOfPiece">Stands behind it.</param>
internal sealed record BlankMarks(int Mask, int SentenceMask, int DocumentMask, int StartOfPiece, int EndOfPiece);
