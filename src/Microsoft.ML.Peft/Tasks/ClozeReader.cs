using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>
/// Makes examples of a pattern's texts: for an encoder the gap is mask tokens, for a model that fills blanks one, behind whose text it writes; a decoder
/// reads as far as the gap and, where answers are compared, on to the end. Parts are tokenized each by itself; a blank before one goes to it, as vocabularies have it. Of texts that are too long the
/// longest columns are cut, at their ends; the pattern stays whole.
/// </summary>
internal sealed class ClozeReader
{
    private readonly TextTokenizer _tokenizer;
    private readonly Piece[] _pieces;
    private readonly int[] _before, _behind;
    private readonly int _maxLength, _mask;
    private readonly BlankTokens? _roles;

    /// <param name="pattern">The pattern, with one gap.</param>
    /// <param name="tokenizer">The tokenizer.</param>
    /// <param name="maxLength">Tokens at most, without virtual ones.</param>
    /// <param name="writing">How the model says what stands in the gap.</param>
    /// <exception cref="ArgumentException">The pattern alone is longer.</exception>
    /// <exception cref="NotSupportedException">The tokenizer lacks the tokens that stand for a gap.</exception>
    public ClozeReader(ClozePattern pattern, TextTokenizer tokenizer, int maxLength, Writing writing)
    {
        (_tokenizer, _maxLength, Pattern, GoesOn) = (tokenizer, maxLength, pattern, writing is not (Writing.AtMasks or Writing.InBlanks));
        _roles = writing == Writing.InBlanks ? BlankTokens.Of(tokenizer) : null;
        _mask = GoesOn ? 0 : _roles?.Mask ?? tokenizer.MaskId ?? throw new NotSupportedException(
            $"The pattern '{pattern.Source}' has a gap, where an encoder reads a mask token, and the tokenizer names none (mask_token in tokenizer_config.json).");
        (_before, _behind) = tokenizer.Marks;
        if (GoesOn)
            _behind = [];
        _pieces = Pieces(pattern);
        int least = _before.Length + _behind.Length + 1 + _pieces.Sum(piece => piece.Ids.Length);
        if (least > maxLength)
            throw new ArgumentException($"The pattern '{pattern.Source}' alone has {least} tokens, and a text may have {maxLength}.", nameof(pattern));
        if (GoesOn && _before.Length == 0 && _pieces[0].Kind == ClozePartKind.Mask)
            throw new ArgumentException($"The pattern '{pattern.Source}' begins with {{mask}}, and a decoder has to read something before it says a word.", nameof(pattern));
    }

    public ClozePattern Pattern { get; }

    /// <summary>Whether the model goes on where the gap begins; else the gap is a mask token.</summary>
    public bool GoesOn { get; }

    /// <summary>The tokens of an answer, with the blank before the gap.</summary>
    public int[] Answer(string text)
    {
        Piece mask = _pieces.First(piece => piece.Kind == ClozePartKind.Mask);
        return _tokenizer.EncodePart(mask.Blank + text.Trim(), continues: mask.Continues);
    }

    /// <summary>What an answer is cut into, for errors.</summary>
    public string Cut(int[] answer) => answer.Length == 0 ? "no token" : $"cut into {string.Join(", ", answer.Select(id => $"'{_tokenizer.TokenOf(id)}'"))}";

    /// <summary>The row with the gap open: it is read where the model says one token.</summary>
    /// <param name="values">The text of a column.</param>
    public Example Open(Func<string, string> values) => _roles is null
        ? Build(values, GoesOn ? [] : [_mask], GoesOn ? 0 : 1, ends: true)
        : Filled(Build(values, [_mask], room: 2, ends: true), []);

    /// <summary>The row with an answer, each of whose tokens the model is asked for: an encoder at masks side by side, a decoder in turn, and of what follows too, a model that fills blanks of the answer and its end.</summary>
    /// <param name="values">The text of a column.</param>
    /// <param name="answer">Its tokens.</param>
    public Example With(Func<string, string> values, int[] answer)
    {
        if (_roles is not null)
            return Filled(Build(values, [_mask], answer.Length + 2, ends: true), answer).With(Fields.AnswerTokens, [.. answer, _roles.End]);
        Example row = Build(values, GoesOn ? answer : [.. Enumerable.Repeat(_mask, answer.Length)], answer.Length, ends: false);
        return row.With(Fields.AnswerTokens, GoesOn ? Array.ConvertAll(row.ReadPositions, at => row.Ids[at + 1]) : answer);
    }

    private Example Filled(Example context, int[] answer)
    {
        int[] read = [_roles!.Start, .. answer];
        return BlankRows.Of(context, [new BlankPiece(context.ReadPositions[0], read, [])]);
    }

    private Example Build(Func<string, string> values, int[] filled, int room, bool ends)
    {
        int[][] parts = [.. _pieces.Select(piece => piece.Kind switch
        {
            ClozePartKind.Column => Column(piece, values(piece.Column)),
            ClozePartKind.Mask => filled,
            _ => piece.Ids,
        })];
        bool cut = Cut(parts, _maxLength - _before.Length - _behind.Length - room);
        List<int> ids = [.. _before], reads = [], places = [];
        bool open = false;
        for (int i = 0; i < parts.Length; i++)
        {
            if (_pieces[i].Kind == ClozePartKind.Prompt)
                places.AddRange(Enumerable.Range(ids.Count, parts[i].Length));
            if (_pieces[i].Kind == ClozePartKind.Mask && !GoesOn)
                reads.AddRange(Enumerable.Range(ids.Count, filled.Length));
            open |= _pieces[i].Kind == ClozePartKind.Mask && GoesOn;
            // A decoder says what comes next.
            if (open && _pieces[i].Kind != ClozePartKind.Prompt)
                reads.AddRange(Enumerable.Range(ids.Count - 1, ends ? 1 : parts[i].Length));
            if (reads is [< 0, ..])
                throw new InvalidOperationException($"The row has no token before the gap of '{Pattern.Source}', and a decoder has to read something before it says a word.");
            if (open && ends)
                break;
            ids.AddRange(parts[i]);
        }
        ids.AddRange(_behind);
        var row = new Example { Ids = [.. ids], ReadPositions = [.. reads], Truncated = cut };
        return places.Count == 0 ? row : row.With(Fields.VirtualPlaces, [.. places]);
    }

    private int[] Column(Piece piece, string text) => _tokenizer.EncodePart(piece.Blank + text, piece.Continues);

    // Shortens the longest column, token by token; virtual tokens take no room of texts.
    private bool Cut(int[][] parts, int room)
    {
        int over = Enumerable.Range(0, parts.Length).Where(i => _pieces[i].Kind is ClozePartKind.Literal or ClozePartKind.Column).Sum(i => parts[i].Length) - room;
        if (over <= 0)
            return false;
        for (; over > 0; over--)
        {
            int longest = Enumerable.Range(0, parts.Length).Where(i => _pieces[i].Kind == ClozePartKind.Column).DefaultIfEmpty(-1).MaxBy(i => i < 0 ? 0 : parts[i].Length);
            if (longest < 0 || parts[longest].Length == 0)
                throw new InvalidOperationException($"An answer leaves no room to the pattern '{Pattern.Source}': a text may have {_maxLength} tokens.");
            parts[longest] = parts[longest][..^1];
        }
        return true;
    }

    private Piece[] Pieces(ClozePattern pattern)
    {
        var pieces = new List<Piece>();
        string blank = "";
        bool continues = false;
        foreach (ClozePart part in pattern.Parts)
        {
            switch (part.Kind)
            {
                case ClozePartKind.Literal:
                    string text = part.Text.TrimEnd();
                    if (text.Length > 0)
                        pieces.Add(new(part.Kind, "", _tokenizer.EncodePart(blank + text, continues), "", continues));
                    blank = (text.Length > 0 ? "" : blank) + part.Text[text.Length..];
                    continues |= text.Length > 0;
                    continue;
                case ClozePartKind.Prompt:
                    // What stands there is never looked at.
                    pieces.Add(new(part.Kind, "", [.. Enumerable.Repeat(_tokenizer.UnkId ?? 0, part.Count)], "", continues));
                    break;
                default:
                    pieces.Add(new(part.Kind, part.Text, [], blank, continues));
                    break;
            }
            (blank, continues) = ("", true);
        }
        return [.. pieces];
    }

    /// <summary>A part ready to be put in.</summary>
    /// <param name="Kind">What it stands for.</param>
    /// <param name="Column">The column's name.</param>
    /// <param name="Ids">Its tokens, where they are always the same.</param>
    /// <param name="Blank">What stands between it and what is before it.</param>
    /// <param name="Continues">Whether something stands before it.</param>
    private sealed record Piece(ClozePartKind Kind, string Column, int[] Ids, string Blank, bool Continues);
}
