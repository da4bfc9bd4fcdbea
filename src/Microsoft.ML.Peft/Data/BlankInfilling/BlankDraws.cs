using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Data.BlankInfilling;

/// <summary>Blanks texts by chance: short blanks, sentences, or one blank that takes most of the text.</summary>
/// <param name="shares">How often which.</param>
/// <param name="marks">What stands in the texts beside their words. A blank takes the mark of a text's end with it only where it takes the text's end.</param>
/// <param name="sentences">Finds sentences.</param>
internal sealed class BlankDraws(BlankShares shares, BlankTokens marks, Sentences sentences)
{
    /// <summary>The share of a text that short blanks and sentences take, at least.</summary>
    public const double Ratio = 0.15;

    /// <summary>A text with blanks; none in a text without words.</summary>
    /// <param name="text">The text, with the mark of its start.</param>
    /// <param name="seed">Of the text's own draws, which depend on no other's.</param>
    public BlankedText Draw(int[] text, long seed)
    {
        var random = new SplitMix64(seed);
        double kind = random.NextDouble();
        if (EndOf(text) > 1 && kind < shares.Document)
            return Document(text, random);
        return kind < shares.Document + shares.Sentences && SentencesOf(text) is { Count: > 1 } found ? WithoutSentences(text, found, random) : WithoutTokens(text, random);
    }

    /// <summary>The sentences of a text, without the marks about it.</summary>
    public List<Blank> SentencesOf(int[] text) => sentences.In(text, 1, EndOf(text));

    private BlankedText WithoutTokens(int[] text, SplitMix64 random)
    {
        int room = EndOf(text) - 1;
        Blank[] blanks = BlankPlaces.Draw(BlankLengths.Draw(Wanted(text), room, random), 1, room, random);
        random.Permute(blanks.AsSpan());
        return BlankedText.Of(text, blanks, marks.Mask, marks);
    }

    private BlankedText WithoutSentences(int[] text, List<Blank> found, SplitMix64 random)
    {
        Blank[] all = [.. found];
        random.Permute(all.AsSpan());
        // One sentence stays, or there is nothing to tell the others from.
        int count = 0;
        for (int taken = 0; taken < Wanted(text) && count < all.Length - 1; count++)
            taken += all[count].Length;
        return BlankedText.Of(text, all[..count], marks.SentenceMask, marks);
    }

    private BlankedText Document(int[] text, SplitMix64 random)
    {
        int words = EndOf(text) - 1;
        if (random.Next(2) == 0)
        {
            int tail = text.Length - 1;
            return BlankedText.Tail(text, random.Next((tail + 1) / 2, tail + 1), marks.DocumentMask, marks);
        }
        int length = random.Next((words + 1) / 2, words + 1), start = 1 + random.Next(words - length + 1);
        return BlankedText.Of(text, [new Blank(start, start + length)], marks.DocumentMask, marks);
    }

    private int EndOf(int[] text) => text[^1] == marks.EndOfText ? text.Length - 1 : text.Length;

    private static int Wanted(int[] text) => Math.Max(1, (int)(Ratio * text.Length));
}
