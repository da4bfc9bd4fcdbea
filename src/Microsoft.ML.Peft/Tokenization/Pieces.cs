using System.Text;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>What happens to the parts of a text that match a pattern.</summary>
internal enum SplitBehavior
{
    Removed,
    Isolated,
    MergedWithPrevious,
    MergedWithNext,
    Contiguous,
}

/// <summary>A text and the stretches of it that go to the model one by one.</summary>
internal sealed class Pieces(AlignedText text)
{
    public AlignedText Text { get; private set; } = text;

    public List<Range> Ranges { get; private set; } = text.Text.Length == 0 ? [] : [0..text.Text.Length];

    /// <summary>Cuts each piece by <paramref name="matches"/>, which finds ordered matches in a piece.</summary>
    public void Split(Func<string, List<Range>> matches, SplitBehavior behavior, bool invert = false)
    {
        List<Range> cut = new(Ranges.Count);
        foreach (Range range in Ranges)
        {
            string piece = range.End.Value - range.Start.Value == Text.Text.Length ? Text.Text : Text.Text[range];
            PieceSplitter splitter = new(cut, range.Start.Value, behavior);
            splitter.Cut(matches(piece), piece.Length, invert);
        }
        Ranges = cut;
    }

    /// <summary>Cuts at the code points that <paramref name="separates"/> names.</summary>
    public void SplitAt(Func<Rune, bool> separates, SplitBehavior behavior) => Split(text => Find(text, separates), behavior);

    /// <summary>Changes the text; <paramref name="rewrite"/> copies one piece into the builder.</summary>
    public void Rewrite(Action<AlignedBuilder, string, Range> rewrite)
    {
        AlignedBuilder builder = new(Text);
        List<Range> moved = new(Ranges.Count);
        foreach (Range range in Ranges)
        {
            int start = builder.Count;
            rewrite(builder, Text.Text, range);
            moved.Add(start..builder.Count);
        }
        Text = builder.Build();
        Ranges = moved;
    }

    private static List<Range> Find(string text, Func<Rune, bool> separates)
    {
        List<Range> matches = [];
        for (int i = 0; i < text.Length;)
        {
            Rune rune = Characters.At(text, i);
            int next = i + rune.Utf16SequenceLength;
            if (separates(rune))
            {
                matches.Add(i..next);
            }
            i = next;
        }
        return matches;
    }
}

/// <summary>Cuts one piece along matches and the gaps between them.</summary>
internal sealed class PieceSplitter(List<Range> output, int offset, SplitBehavior behavior)
{
    private int _pending = -1;
    private int _previousEnd;
    private bool _previousMatched;

    public void Cut(List<Range> matches, int length, bool invert)
    {
        int done = 0;
        foreach (Range match in matches)
        {
            Next(done, match.Start.Value, invert);
            Next(match.Start.Value, match.End.Value, !invert);
            done = match.End.Value;
        }
        Next(done, length, invert);
        Flush();
    }

    private void Next(int start, int end, bool matched)
    {
        if (start == end)
        {
            return;
        }
        if (_pending >= 0 && !Joins(matched))
        {
            Flush();
        }
        if (!matched || behavior != SplitBehavior.Removed)
        {
            _pending = _pending < 0 ? start : _pending;
        }
        _previousEnd = end;
        _previousMatched = matched;
    }

    private bool Joins(bool matched) => behavior switch
    {
        SplitBehavior.MergedWithPrevious => matched && !_previousMatched,
        SplitBehavior.MergedWithNext => !matched && _previousMatched,
        SplitBehavior.Contiguous => matched == _previousMatched,
        _ => false,
    };

    private void Flush()
    {
        if (_pending >= 0)
        {
            output.Add((offset + _pending)..(offset + _previousEnd));
            _pending = -1;
        }
    }
}
