namespace Microsoft.ML.Peft.Tokenization;

/// <summary>A token of a piece of text, with the characters of the piece it covers.</summary>
internal readonly record struct Token(int Id, int Start, int End);

/// <summary>A token in a text: its place there and the word it belongs to.</summary>
internal readonly record struct PlacedToken(int Id, int Start, int End, int Word);

/// <summary>Collects the tokens of one text while it goes through the pipeline.</summary>
internal sealed class TokenBuffer(string original)
{
    /// <summary>What the model says about one piece; reused from piece to piece.</summary>
    public List<Token> Scratch { get; } = [];

    public List<PlacedToken> Tokens { get; } = new(original.Length / 4 + 4);

    public int Word { get; set; }

    public void Add(int id, int start, int end) => Tokens.Add(Place(id, start, end));

    public void AddScratch(AlignedText text, int offset)
    {
        foreach (Token token in Scratch)
        {
            int last = Math.Max(token.Start, token.End - 1);
            Add(token.Id, text.StartOf(offset + token.Start), text.EndOf(offset + last));
        }
    }

    // Byte-level and SentencePiece tokens carry the space before them; users of offsets want the word alone.
    private PlacedToken Place(int id, int start, int end)
    {
        int from = start, to = end;
        while (from < to && char.IsWhiteSpace(original[from]))
        {
            from++;
        }
        while (to > from && char.IsWhiteSpace(original[to - 1]))
        {
            to--;
        }
        return from < to ? new PlacedToken(id, from, to, Word) : new PlacedToken(id, start, end, Word);
    }
}
