using System.Text;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>A step that cuts the normalised text into the pieces the model sees.</summary>
internal interface IPreTokenizer
{
    void Apply(Pieces pieces);
}

internal sealed class PreTokenizerSequence(IReadOnlyList<IPreTokenizer> steps) : IPreTokenizer
{
    public void Apply(Pieces pieces)
    {
        foreach (IPreTokenizer step in steps)
        {
            step.Apply(pieces);
        }
    }
}

internal sealed class PatternPreTokenizer(IPattern pattern, SplitBehavior behavior, bool invert) : IPreTokenizer
{
    public void Apply(Pieces pieces) => pieces.Split(pattern.Matches, behavior, invert);
}

/// <summary>Cuts at single code points: white space, punctuation, digits.</summary>
internal sealed class RunePreTokenizer(Func<Rune, bool> separates, SplitBehavior behavior) : IPreTokenizer
{
    public void Apply(Pieces pieces) => pieces.SplitAt(separates, behavior);
}

/// <summary>Words and punctuation as BERT has them, in one pass because it runs over every text.</summary>
internal sealed class BertPreTokenizer : IPreTokenizer
{
    public void Apply(Pieces pieces)
    {
        pieces.Split(static text => Find(text), SplitBehavior.Isolated);
        pieces.Ranges.RemoveAll(range => Rune.IsWhiteSpace(Characters.At(pieces.Text.Text, range.Start.Value)));
    }

    private static List<Range> Find(string text)
    {
        List<Range> matches = new(text.Length / 4);
        for (int i = 0; i < text.Length;)
        {
            Rune rune = Characters.At(text, i);
            int next = i + rune.Utf16SequenceLength;
            if (Rune.IsWhiteSpace(rune) || Characters.IsPunctuation(rune))
            {
                matches.Add(i..next);
            }
            i = next;
        }
        return matches;
    }
}

/// <summary><c>\w+|[^\w\s]+</c>.</summary>
internal sealed class WhitespacePreTokenizer : IPreTokenizer
{
    public void Apply(Pieces pieces)
    {
        pieces.SplitAt(Rune.IsWhiteSpace, SplitBehavior.Removed);
        pieces.SplitAt(Characters.IsWord, SplitBehavior.Contiguous);
    }
}

/// <summary>SentencePiece's spaces: marked, one in front, and the text cut before each.</summary>
internal sealed class MetaspacePreTokenizer(char mark, bool always, bool first, bool split) : IPreTokenizer
{
    public void Apply(Pieces pieces)
    {
        AlignedText whole = pieces.Text;
        pieces.Rewrite((builder, text, range) => Mark(
            builder, text, range, range.Start.Value == 0 ? !whole.Continues && (always || first && whole.AtTextStart) : always));
        if (split)
        {
            pieces.SplitAt(rune => rune.Value == mark, SplitBehavior.MergedWithNext);
        }
    }

    private void Mark(AlignedBuilder builder, string text, Range range, bool prepend)
    {
        int start = range.Start.Value;
        if (prepend && start < range.End.Value && text[start] != ' ' && text[start] != mark)
        {
            builder.Add(mark, start, start);
        }
        for (int i = start; i < range.End.Value; i++)
        {
            if (text[i] == ' ')
            {
                builder.Add(mark, i, i + 1);
            }
            else
            {
                builder.Keep(i);
            }
        }
    }
}
