namespace Microsoft.ML.Peft.Tokenization;

/// <summary>A part of what a tokenizer makes of its texts: the tokens of one of them, or a special token.</summary>
internal readonly record struct TemplatePart(int Id, byte Sequence, byte TypeId)
{
    public bool IsText => Sequence != Encoding.NoSequence;

    public static TemplatePart Text(byte sequence, byte typeId) => new(-1, sequence, typeId);

    public static TemplatePart Special(int id, byte typeId) => new(id, Encoding.NoSequence, typeId);
}

/// <summary>Puts special tokens around one text or a pair, and cuts what is too long.</summary>
internal sealed record Template(IReadOnlyList<TemplatePart> Single, IReadOnlyList<TemplatePart> Pair)
{
    public static Template Plain { get; } = new(
        [TemplatePart.Text(0, 0)],
        [TemplatePart.Text(0, 0), TemplatePart.Text(1, 1)]);

    /// <summary>Start, text, end; and between two texts one or two separators.</summary>
    public static Template Around(int start, int end, int separators, byte secondType) => new(
        [TemplatePart.Special(start, 0), TemplatePart.Text(0, 0), TemplatePart.Special(end, 0)],
        [
            TemplatePart.Special(start, 0), TemplatePart.Text(0, 0),
            .. Enumerable.Repeat(TemplatePart.Special(end, 0), separators),
            TemplatePart.Text(1, secondType), TemplatePart.Special(end, secondType),
        ]);

    /// <summary>Each text with its own start and end, where the model has them; all of one type.</summary>
    public static Template Each(int? start, int? end)
    {
        List<TemplatePart> single = [.. Side(start, end, 0)];
        return new Template(single, [.. single, .. Side(start, end, 1)]);
    }

    /// <summary>What stands before a text that is not at its end yet, and the text.</summary>
    public Template Opening => this with { Single = [.. Single.TakeWhile(part => !part.IsText), Single.First(part => part.IsText)] };

    public Encoding Apply(List<PlacedToken> first, List<PlacedToken>? second, int maxLength)
    {
        IReadOnlyList<TemplatePart> parts = second is null ? Single : Pair;
        int budget = Math.Max(0, maxLength - parts.Count(part => !part.IsText));
        (int firstLength, int secondLength) = second is null
            ? (Math.Min(first.Count, budget), 0)
            : LongestFirst(first.Count, second.Count, budget);
        EncodingWriter writer = new(parts.Count + firstLength + secondLength, second is not null);
        foreach (TemplatePart part in parts)
        {
            List<PlacedToken> tokens = part.Sequence == 1 ? second! : first;
            writer.Add(part, tokens, part.Sequence == 1 ? secondLength : firstLength);
        }
        return writer.Finish(firstLength < first.Count || second is not null && secondLength < second.Count);
    }

    // As Hugging Face: the shorter text is kept while it fits; where both are cut, the longer gets the odd token, on a tie the second.
    private static (int First, int Second) LongestFirst(int first, int second, int budget)
    {
        if ((long)first + second <= budget)
        {
            return (first, second);
        }
        bool swap = first > second;
        int shorter = swap ? second : first;
        int longer = shorter > budget ? shorter : Math.Max(shorter, budget - shorter);
        if ((long)shorter + longer > budget)
        {
            shorter = budget / 2;
            longer = budget - shorter;
        }
        return swap ? (longer, shorter) : (shorter, longer);
    }

    private static IEnumerable<TemplatePart> Side(int? start, int? end, byte sequence)
    {
        if (start is { } startId)
        {
            yield return TemplatePart.Special(startId, 0);
        }
        yield return TemplatePart.Text(sequence, 0);
        if (end is { } endId)
        {
            yield return TemplatePart.Special(endId, 0);
        }
    }

    private sealed class EncodingWriter(int capacity, bool pair)
    {
        private readonly List<int> _ids = new(capacity);
        private readonly List<int> _starts = new(capacity);
        private readonly List<int> _ends = new(capacity);
        private readonly List<int> _words = new(capacity);
        private readonly List<byte> _types = new(capacity);
        private readonly List<byte> _sequences = new(capacity);

        public void Add(TemplatePart part, List<PlacedToken> tokens, int count)
        {
            if (!part.IsText)
            {
                Add(part, new PlacedToken(part.Id, -1, -1, -1));
                return;
            }
            for (int i = 0; i < count; i++)
            {
                Add(part, tokens[i]);
            }
        }

        public Encoding Finish(bool truncated) => new()
        {
            Ids = [.. _ids],
            TypeIds = [.. _types],
            Starts = [.. _starts],
            Ends = [.. _ends],
            Words = [.. _words],
            Sequence = pair ? [.. _sequences] : null,
            Truncated = truncated,
        };

        private void Add(TemplatePart part, PlacedToken token)
        {
            _ids.Add(token.Id);
            _starts.Add(token.Start);
            _ends.Add(token.End);
            _words.Add(token.Word);
            _types.Add(part.TypeId);
            _sequences.Add(part.Sequence);
        }
    }
}
