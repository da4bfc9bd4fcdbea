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
