namespace Microsoft.ML.Peft.Data.BlankInfilling;

/// <summary>Where blanks of given lengths stand: any set of places with at least one token between two blanks.</summary>
internal static class BlankPlaces
{
    /// <summary>Draws places.</summary>
    /// <param name="lengths">The lengths, in the order of the text.</param>
    /// <param name="offset">The first token that may be missing.</param>
    /// <param name="total">How many tokens from there on may be.</param>
    /// <param name="random">Draws.</param>
    public static Blank[] Draw(int[] lengths, int offset, int total, Random random)
    {
        int free = total - lengths.Sum() - lengths.Length + 1;
        ArgumentOutOfRangeException.ThrowIfNegative(free, nameof(total));
        return At(lengths, offset, Array.ConvertAll(lengths, _ => random.Next(free + 1)));
    }

    /// <summary>The blanks of places among the tokens that stay, of which those between two blanks are left out of the count.</summary>
    /// <param name="lengths">The lengths, in the order of the text.</param>
    /// <param name="offset">The first token that may be missing.</param>
    /// <param name="places">The places, in any order.</param>
    public static Blank[] At(int[] lengths, int offset, int[] places)
    {
        int[] sorted = [.. places.Order()];
        var blanks = new Blank[lengths.Length];
        for (int i = 0; i < lengths.Length; i++)
        {
            int start = offset + sorted[i];
            blanks[i] = new Blank(start, start + lengths[i]);
            offset += lengths[i] + 1;
        }
        return blanks;
    }
}
