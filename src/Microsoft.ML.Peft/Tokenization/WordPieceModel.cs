using System.Text;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>
/// BERT's longest-match-first model. Microsoft.ML.Tokenizers' core gives offsets into normalised text only and drops what it cannot spell.
/// </summary>
internal sealed class WordPieceModel : ITokenModel
{
    private readonly PrefixIndex _beginnings;
    private readonly PrefixIndex _continuations;
    private readonly int _unknown;
    private readonly int _longest;

    public WordPieceModel(IReadOnlyDictionary<string, int> vocabulary, string unknown, string prefix, int longest)
    {
        if (!vocabulary.TryGetValue(unknown, out _unknown))
        {
            throw new InvalidDataException($"the unknown token '{unknown}' is not in the vocabulary");
        }
        _longest = longest;
        _beginnings = new PrefixIndex(vocabulary);
        _continuations = new PrefixIndex(vocabulary
            .Where(entry => entry.Key.StartsWith(prefix, StringComparison.Ordinal))
            .Select(entry => KeyValuePair.Create(entry.Key[prefix.Length..], entry.Value)));
    }

    public bool BreaksAtWordMark => false;

    public void Encode(ReadOnlySpan<char> piece, List<Token> output, bool continues = false)
    {
        bool spelled = !IsTooLong(piece) && (continues && Spell(piece, _continuations, output) || Spell(piece, _beginnings, output));
        if (!spelled)
        {
            output.Add(new Token(_unknown, 0, piece.Length));
        }
    }

    private bool Spell(ReadOnlySpan<char> piece, PrefixIndex index, List<Token> output)
    {
        int first = output.Count, start = 0;
        while (start < piece.Length && index.TryLongest(piece[start..], out int id, out int length))
        {
            output.Add(new Token(id, start, start + length));
            start += length;
            index = _continuations;
        }
        if (start < piece.Length)
        {
            output.RemoveRange(first, output.Count - first);
        }
        return start == piece.Length;
    }

    private bool IsTooLong(ReadOnlySpan<char> piece)
    {
        int count = 0;
        foreach (Rune _ in piece.EnumerateRunes())
        {
            count++;
        }
        return count > _longest;
    }
}
