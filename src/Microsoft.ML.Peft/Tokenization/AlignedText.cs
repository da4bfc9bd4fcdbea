namespace Microsoft.ML.Peft.Tokenization;

/// <summary>Text that knows, for each of its characters, the stretch of the original text it stands for.</summary>
internal sealed class AlignedText
{
    private readonly int _origin;
    private readonly int[]? _starts;
    private readonly int[]? _ends;

    public AlignedText(string text, int origin = 0, bool continues = false)
    {
        Text = text;
        _origin = origin;
        AtTextStart = origin == 0 && !continues;
        Continues = continues;
    }

    internal AlignedText(string text, int[] starts, int[] ends, AlignedText source)
    {
        Text = text;
        _starts = starts;
        _ends = ends;
        AtTextStart = source.AtTextStart;
        Continues = source.Continues;
    }

    public string Text { get; }

    public bool AtTextStart { get; private init; }

    /// <summary>Whether other text stands right before this one, so that nothing is put in front of it, nor taken away there.</summary>
    public bool Continues { get; private init; }

    public int StartOf(int index) => _starts is null ? _origin + index : _starts[index];

    public int EndOf(int index) => _ends is null ? _origin + index + 1 : _ends[index];

    public AlignedText Slice(int start, int end)
    {
        if (start == 0 && end == Text.Length)
        {
            return this;
        }
        string text = Text[start..end];
        return _starts is null
            ? new AlignedText(text, _origin + start, Continues && start == 0)
            : new AlignedText(text, _starts[start..end], _ends![start..end], this)
            {
                AtTextStart = AtTextStart && start == 0,
                Continues = Continues && start == 0,
            };
    }
}

/// <summary>Writes a changed copy of an <see cref="AlignedText"/>, keeping the alignment with the original.</summary>
internal sealed class AlignedBuilder(AlignedText source)
{
    private char[] _text = new char[source.Text.Length + 16];
    private int[] _starts = new int[source.Text.Length + 16];
    private int[] _ends = new int[source.Text.Length + 16];

    public int Count { get; private set; }

    public char Last => _text[Count - 1];

    public void Keep(int index) => Add(source.Text[index], index, index + 1);

    public void Keep(int start, int end)
    {
        for (int i = start; i < end; i++)
        {
            Keep(i);
        }
    }

    /// <summary>Adds a character that stands for source characters <paramref name="from"/> to <paramref name="to"/>; none if they are equal.</summary>
    public void Add(char character, int from, int to)
    {
        if (Count == _text.Length)
        {
            Grow();
        }
        int start = from < source.Text.Length ? source.StartOf(from) : from > 0 ? source.EndOf(from - 1) : 0;
        _text[Count] = character;
        _starts[Count] = start;
        _ends[Count++] = to > from ? source.EndOf(to - 1) : start;
    }

    public void Add(ReadOnlySpan<char> characters, int from, int to)
    {
        foreach (char character in characters)
        {
            Add(character, from, to);
        }
    }

    public void RemoveLast() => Count--;

    public AlignedText Build() =>
        new(new string(_text, 0, Count), _starts[..Count], _ends[..Count], source);

    private void Grow()
    {
        int size = _text.Length * 2;
        Array.Resize(ref _text, size);
        Array.Resize(ref _starts, size);
        Array.Resize(ref _ends, size);
    }
}
