using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft.Data.BlankInfilling;

/// <summary>
/// A row of GLM's pretraining (Du et al. 2022): the text with a mask for each blank, and behind it piece by piece what is missing, which is learnt
/// token by token. A token has two positions: that in the text with its masks, which all of a piece share, and that within its piece.
/// </summary>
/// <param name="Row">The row as a model reads and learns it.</param>
internal sealed record BlankedText(Example Row)
{
    /// <summary>The context, and behind it the pieces, each from its start mark to its last token but one.</summary>
    public int[] Tokens => Row.Ids;

    /// <summary>What each token is to tell: in a piece the next token, in the context (where no loss counts) itself.</summary>
    public int[] Targets => [.. Tokens[..Separator], .. Row.Labels];

    /// <summary>The position in the context; in a piece that of its mask.</summary>
    public int[] Positions => Row.Get(Fields.Positions);

    /// <summary>The position within the piece, from 1; 0 in the context.</summary>
    public int[] BlockPositions => Row.Get(Fields.BlockPositions);

    /// <summary>Tokens of the context: every token sees these, and of the pieces those before it.</summary>
    public int Separator => Row.Get(Fields.ContextLength)[0];

    /// <summary>1 where a loss counts.</summary>
    public int[] LossMask => [.. Enumerable.Range(0, Tokens.Length).Select(i => i < Separator ? 0 : 1)];

    /// <summary>A text with blanks in it.</summary>
    /// <param name="text">The text, marks of its start and end included.</param>
    /// <param name="pieces">The blanks, in the order in which they are to be filled.</param>
    /// <param name="mask">Stands for each.</param>
    /// <param name="marks">The marks of a piece.</param>
    /// <param name="countsWithin">Whether tokens of a piece are told apart by their block positions; all have 1 otherwise.</param>
    /// <exception cref="ArgumentException">A blank does not lie in the text, or two overlap.</exception>
    public static BlankedText Of(int[] text, IReadOnlyList<Blank> pieces, int mask, BlankTokens marks, bool countsWithin = true) =>
        Make(text, pieces, mask, marks.Start, [marks.End], countsWithin);

    /// <summary>A text of which the end is missing. The piece ends where the text does, with no mark of its own.</summary>
    /// <param name="text">The text.</param>
    /// <param name="length">How many of its last tokens are missing.</param>
    /// <param name="mask">Stands for them.</param>
    /// <param name="marks">The marks of a piece.</param>
    /// <exception cref="ArgumentException">The end is longer than the text.</exception>
    public static BlankedText Tail(int[] text, int length, int mask, BlankTokens marks) =>
        Make(text, [new Blank(text.Length - length, text.Length)], mask, marks.Start, [], countsWithin: true);

    private static BlankedText Make(int[] text, IReadOnlyList<Blank> pieces, int mask, int start, int[] end, bool countsWithin)
    {
        Blank.Check(pieces, text.Length);
        var (context, places, last) = (new List<int>(), new Dictionary<Blank, int>(), 0);
        foreach (Blank blank in pieces.OrderBy(blank => blank.Start))
        {
            context.AddRange(text[last..blank.Start]);
            places.Add(blank, context.Count);
            context.Add(mask);
            last = blank.End;
        }
        context.AddRange(text[last..]);
        Example row = BlankRows.Of(new Example { Ids = [.. context] }, [.. pieces.Select(blank => Piece([.. text[blank.Start..blank.End], .. end], places[blank], start))]);
        return new(countsWithin ? row : row.With(Fields.BlockPositions, Array.ConvertAll(row.Get(Fields.BlockPositions), place => Math.Min(place, 1))));
    }

    private static BlankPiece Piece(int[] said, int blank, int start) => new(blank, [start, .. said[..^1]], said);
}
