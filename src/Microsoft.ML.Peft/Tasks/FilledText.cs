using System.Text;
using Microsoft.ML.Peft.Data;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>A text whose blanks are filled.</summary>
/// <param name="Text">The whole.</param>
/// <param name="Pieces">What was written.</param>
/// <param name="Offsets">Where each begins in the text.</param>
internal sealed record FilledText(string Text, string[] Pieces, int[] Offsets);

/// <summary>Puts pieces into a text's blanks, in their order and bit by bit.</summary>
/// <param name="row">The text with its blanks.</param>
internal sealed class FilledTextBuilder(Example row)
{
    private readonly char[] _text = row.Get(BlankFields.Text);
    private readonly int[] _starts = row.Get(BlankFields.Starts), _ends = row.Get(BlankFields.Ends);
    private readonly StringBuilder _filled = new();
    private readonly List<int> _offsets = [];
    private readonly List<string> _pieces = [];
    private bool _trims;

    private int Last => _pieces.Count == 0 ? 0 : _ends[_pieces.Count - 1];

    /// <summary>The piece that was added last.</summary>
    public string Piece => _pieces[^1];

    /// <summary>Goes on to the next blank.</summary>
    public void Next()
    {
        _filled.Append(_text, Last, _starts[_pieces.Count] - Last);
        _offsets.Add(_filled.Length);
        _pieces.Add("");
        // The white space that a piece begins with stands before the blank already.
        _trims = _filled.Length == 0 || char.IsWhiteSpace(_filled[^1]);
    }

    /// <summary>Adds to the piece of the blank.</summary>
    /// <returns>What stands in the text now, and where.</returns>
    public (string Text, int Offset) Add(string bit)
    {
        string kept = _trims ? bit.TrimStart() : bit;
        _trims &= kept.Length == 0;
        int offset = _filled.Length;
        _filled.Append(kept);
        _pieces[^1] += kept;
        return (kept, offset);
    }

    /// <summary>The text, once all blanks are filled.</summary>
    public FilledText Finish()
    {
        _filled.Append(_text, Last, _text.Length - Last);
        return new FilledText(_filled.ToString(), [.. _pieces], [.. _offsets]);
    }
}
