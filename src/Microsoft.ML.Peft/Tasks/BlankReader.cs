using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>
/// Reads texts with blanks, for a model that fills them: [MASK], [sMASK] or [gMASK]. White space before a blank is left out: vocabularies have it
/// at the beginning of what follows.
/// </summary>
/// <param name="tokenizer">One with the special tokens of such models.</param>
/// <param name="maxLength">Tokens of a row at most.</param>
internal sealed class BlankReader(TextTokenizer tokenizer, int maxLength)
{
    /// <summary>The special tokens.</summary>
    public BlankTokens Roles { get; } = BlankTokens.Of(tokenizer);

    private IEnumerable<string> Names => Roles.Masks.Select(id => tokenizer.TokenOf(id)!);

    /// <summary>The context of a text with blanks.</summary>
    /// <exception cref="InvalidOperationException">It has none, is too long, or a blank stands inside a special token; the message says where.</exception>
    public Example Read(string text, string where)
    {
        TextGap[] gaps = Gaps(text, where);
        if (gaps.Length == 0)
            throw new InvalidOperationException($"{where} has no blank: it needs one of {string.Join(", ", Names)} where the model is to write.");
        List<int> ids = [Roles.Cls], blanks = [];
        int last = 0;
        foreach (TextGap gap in gaps)
        {
            ids.AddRange(tokenizer.EncodePart(text[last..gap.Start].TrimEnd(), continues: last > 0));
            blanks.Add(ids.Count);
            ids.Add(gap.Id);
            last = gap.End;
        }
        ids.AddRange(tokenizer.EncodePart(text[last..], continues: true));
        // A text whose end is to be written has none yet.
        if (ids[^1] != Roles.DocumentMask)
            ids.Add(Roles.EndOfText);
        return ids.Count < maxLength ? Context([.. ids], [.. blanks], text, gaps) : throw new InvalidOperationException(
            $"{where} has {ids.Count} tokens with its {blanks.Count} blanks, and the model reads {maxLength}, of which a piece needs one: shorten the text.");
    }

    /// <summary>The context of a text that goes on, or of one with a blank; a text that is too long loses its end.</summary>
    /// <exception cref="InvalidOperationException">It has several blanks.</exception>
    public Example ReadPrompt(string text, string where)
    {
        TextGap[] gaps = Gaps(text, where);
        if (gaps.Length > 1)
            throw new InvalidOperationException($"{where} has {gaps.Length} blanks, and one completion fills one: {nameof(PeftTask.FillBlanks)} fills them all.");
        if (gaps.Length == 1)
            return Read(text, where);
        int[] all = tokenizer.EncodePart(text.TrimEnd(), continues: false), kept = all[..Math.Min(all.Length, Math.Max(0, maxLength - 3))];
        Example context = Context([Roles.Cls, .. kept, Roles.DocumentMask], [kept.Length + 1], text, [new TextGap(text.Length, text.Length, Roles.DocumentMask)]);
        return kept.Length < all.Length ? context.With(Fields.Truncated, [true]) : context;
    }

    /// <summary>A row to learn from: the context, and what belongs into each of its blanks.</summary>
    public Example Learnt(Example context, IReadOnlyList<string> pieces)
    {
        int[][] tokens = [.. pieces.Select((piece, i) => Tokens(context, i, piece))];
        int room = maxLength - context.Length - pieces.Count, over = tokens.Sum(piece => piece.Length) - room;
        bool cut = over > 0;
        // The last pieces lose their ends, and are not learnt to end there.
        var read = new List<BlankPiece>();
        for (int i = 0; i < tokens.Length; i++)
        {
            int kept = Math.Min(tokens[i].Length, Math.Max(0, room));
            room -= kept;
            int[] answers = kept < tokens[i].Length ? tokens[i][..(kept + 1)] : [.. tokens[i], Roles.End];
            read.Add(new BlankPiece(context.Get(BlankFields.Blanks)[i], [Roles.Start, .. tokens[i][..kept]], answers));
        }
        Example row = BlankRows.Of(context, read);
        return cut ? row.With(Fields.Truncated, [true]) : row;
    }

    // White space that stands before a blank goes to what fills it.
    private int[] Tokens(Example context, int blank, string piece)
    {
        char[] text = context.Get(BlankFields.Text);
        int start = context.Get(BlankFields.Starts)[blank], words = start;
        while (words > 0 && char.IsWhiteSpace(text[words - 1]))
            words--;
        string between = words == 0 ? "" : new string(text, words, start - words);
        return tokenizer.EncodePart(between + piece.Trim(), continues: true);
    }

    private static Example Context(int[] ids, int[] blanks, string text, TextGap[] gaps) => new Example { Ids = ids }
        .With(BlankFields.Blanks, blanks)
        .With(BlankFields.Text, text.ToCharArray())
        .With(BlankFields.Starts, Array.ConvertAll(gaps, gap => gap.Start))
        .With(BlankFields.Ends, Array.ConvertAll(gaps, gap => gap.End));

    private TextGap[] Gaps(string text, string where)
    {
        var gaps = new List<TextGap>();
        foreach (int id in Roles.Masks)
        {
            string name = tokenizer.TokenOf(id)!;
            for (int at = text.IndexOf(name, StringComparison.Ordinal); at >= 0; at = text.IndexOf(name, at + name.Length, StringComparison.Ordinal))
                gaps.Add(new TextGap(at, at + name.Length, id));
        }
        gaps.ForEach(gap => CheckWhole(text, gap, where));
        return [.. gaps.OrderBy(gap => gap.Start)];
    }

    // A special token around a blank would fall to pieces.
    private void CheckWhole(string text, TextGap gap, string where)
    {
        string without = text[..gap.Start] + text[gap.End..];
        foreach (string token in tokenizer.AddedTokens.Select(token => token.Content).Where(content => content.Length > 1))
        {
            for (int at = Math.Max(0, gap.Start - token.Length + 1); at < gap.Start; at++)
            {
                if (string.CompareOrdinal(without, at, token, 0, token.Length) == 0)
                    throw new InvalidOperationException($"{where} has a blank inside the special token '{token}', at {gap.Start}: a special token is whole or not there.");
            }
        }
    }

    private readonly record struct TextGap(int Start, int End, int Id);
}

/// <summary>What a context with blanks brings beside its tokens.</summary>
internal static class BlankFields
{
    /// <summary>The positions of its blanks among its tokens.</summary>
    public static readonly Field<int> Blanks = new("blanks", Collation.None);

    /// <summary>The text.</summary>
    public static readonly Field<char> Text = new("blank_text", Collation.None) { IsNote = true };

    /// <summary>Where each blank begins in the text.</summary>
    public static readonly Field<int> Starts = new("blank_starts", Collation.None) { IsNote = true };

    /// <summary>The character behind each blank.</summary>
    public static readonly Field<int> Ends = new("blank_ends", Collation.None) { IsNote = true };
}
