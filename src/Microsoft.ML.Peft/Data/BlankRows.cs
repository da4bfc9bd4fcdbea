namespace Microsoft.ML.Peft.Data;

/// <summary>What fills a blank.</summary>
/// <param name="Blank">The position of the blank among the context's tokens.</param>
/// <param name="Tokens">What the model reads: the token that pieces begin with, and those behind it.</param>
/// <param name="Answers">What it is to say after each of those; none where nothing is learnt.</param>
internal readonly record struct BlankPiece(int Blank, int[] Tokens, int[] Answers);

/// <summary>Rows of a model that fills blanks: a context, which all tokens see, and behind it pieces, one behind another.</summary>
internal static class BlankRows
{
    /// <summary>The row in which the pieces stand behind the context, with what is read and what is to be said there.</summary>
    public static Example Of(Example context, IReadOnlyList<BlankPiece> pieces)
    {
        int length = context.Length, count = pieces.Sum(piece => piece.Tokens.Length);
        Example row = new Example
        {
            Ids = [.. context.Ids, .. pieces.SelectMany(piece => piece.Tokens)],
            ReadPositions = [.. Enumerable.Range(length, count)],
            Labels = [.. pieces.SelectMany(piece => piece.Answers)],
            Truncated = context.Truncated,
        }
            .With(Fields.Positions, [.. Enumerable.Range(0, length), .. pieces.SelectMany(piece => Enumerable.Repeat(piece.Blank, piece.Tokens.Length))])
            .With(Fields.BlockPositions, [.. new int[length], .. pieces.SelectMany(piece => Enumerable.Range(1, piece.Tokens.Length))])
            .With(Fields.ContextLength, [length]);
        int[] places = context.Get(Fields.VirtualPlaces);
        return places.Length == 0 ? row : row.With(Fields.VirtualPlaces, places);
    }

    /// <summary>Several rows as one, in which the tokens of a text see its own context and pieces alone; positions are those of each text.</summary>
    public static Example Pack(IReadOnlyList<Example> rows)
    {
        int[] starts = new int[rows.Count];
        for (int i = 1; i < starts.Length; i++)
            starts[i] = starts[i - 1] + rows[i - 1].Length;
        return new Example { Ids = Joined(Fields.Ids), Starts = starts, ReadPositions = Joined(Fields.ReadPositions, moves: true), Labels = Joined(Fields.Labels) }
            .With(Fields.Positions, Joined(Fields.Positions)).With(Fields.BlockPositions, Joined(Fields.BlockPositions))
            .With(Fields.ContextEnds, [.. rows.SelectMany((row, i) => Enumerable.Repeat(starts[i] + row.Get(Fields.ContextLength)[0], row.Length))]);

        int[] Joined(Field<int> field, bool moves = false) => [.. rows.SelectMany((row, i) => row.Get(field).Select(value => moves ? value + starts[i] : value))];
    }
}
