using System.Collections;
using Microsoft.ML.Peft.Data;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>
/// Texts joined into rows of the full length, so that no padding is computed: none sees another, and each counts its positions
/// from 0. Longer texts are cut into several. Rows are put together when they are read; the texts are held once.
/// </summary>
internal sealed class PackedExamples : IReadOnlyList<Example>
{
    private readonly IReadOnlyList<Example> _texts;
    private readonly Func<Example, Example> _finish;
    private readonly List<List<Part>> _rows = [];

    /// <param name="texts">The texts.</param>
    /// <param name="length">Tokens in a row at most.</param>
    /// <param name="finish">Makes of a row's tokens, and of where its texts begin, what is read and learnt.</param>
    public PackedExamples(IReadOnlyList<Example> texts, int length, Func<Example, Example> finish)
    {
        (_texts, _finish) = (texts, finish);
        // Best fit, longest first: a part goes into the row that it fills best.
        var open = new SortedDictionary<int, Stack<List<Part>>>();
        foreach (Part part in Parts(texts, length).OrderByDescending(part => part.Length))
            Place(part, length, open);
    }

    public int Count => _rows.Count;

    public Example this[int index] => Join(_rows[index]);

    /// <summary>Each token is to say the next of its text. A part's last has its successor in the next part, if anywhere: only what the row holds is asked for.</summary>
    public static Example NextTokens(Example row)
    {
        int[] starts = row.Starts, reads = [.. Enumerable.Range(0, Math.Max(0, row.Length - 1)).Except(starts.Select(start => start - 1))];
        return row.With(Fields.ReadPositions, reads).With(Fields.Labels, Array.ConvertAll(reads, at => row.Ids[at + 1]));
    }

    public IEnumerator<Example> GetEnumerator() => _rows.Select(Join).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    private static IEnumerable<Part> Parts(IReadOnlyList<Example> texts, int length)
    {
        for (int text = 0; text < texts.Count; text++)
        {
            int tokens = texts[text].Length;
            // A single token has no successor to learn.
            for (int start = 0; start < tokens - 1; start += length)
                yield return new Part(text, start, Math.Min(length, tokens - start));
        }
    }

    private void Place(Part part, int length, SortedDictionary<int, Stack<List<Part>>> open)
    {
        int room = open.Keys.FirstOrDefault(left => left >= part.Length);
        List<Part> row = room > 0 ? Take(open, room) : NewRow();
        row.Add(part);
        int left = (room > 0 ? room : length) - part.Length;
        if (left <= 1)
            return;
        if (!open.TryGetValue(left, out var rows))
            open.Add(left, rows = new Stack<List<Part>>());
        rows.Push(row);
    }

    private List<Part> NewRow()
    {
        var row = new List<Part>();
        _rows.Add(row);
        return row;
    }

    private static List<Part> Take(SortedDictionary<int, Stack<List<Part>>> open, int room)
    {
        Stack<List<Part>> rows = open[room];
        List<Part> row = rows.Pop();
        if (rows.Count == 0)
            open.Remove(room);
        return row;
    }

    private Example Join(List<Part> parts)
    {
        var (ids, starts) = (new List<int>(), new List<int>());
        foreach (Part part in parts)
        {
            starts.Add(ids.Count);
            ids.AddRange(_texts[part.Text].Ids.AsSpan(part.Start, part.Length));
        }
        return _finish(new Example { Ids = [.. ids], Starts = [.. starts] });
    }

    private readonly record struct Part(int Text, int Start, int Length);
}
