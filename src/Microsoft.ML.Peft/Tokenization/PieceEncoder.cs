using System.Text;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>The core of a tokenizer: cuts one piece into tokens of its vocabulary.</summary>
internal interface ITokenModel
{
    /// <summary>True if no token can hold a word mark behind another character, so that a piece may be cut before each.</summary>
    bool BreaksAtWordMark { get; }

    /// <param name="piece">The piece.</param>
    /// <param name="output">Takes the tokens.</param>
    /// <param name="continues">Whether the piece is the rest of a word whose beginning has tokens already.</param>
    void Encode(ReadOnlySpan<char> piece, List<Token> output, bool continues = false);
}

/// <summary>Runs the model over pieces and remembers the short ones: most words of a text recur.</summary>
internal sealed class PieceEncoder(ITokenModel model, bool bytes)
{
    private const int CacheSize = 1 << 15;
    private const int LongestCached = 48;

    // Each hash has one place: bounded, and safe without locks because an entry is one immutable object.
    private readonly Entry?[] _cache = new Entry?[CacheSize];

    public void Encode(ReadOnlySpan<char> piece, List<Token> output, bool continues = false)
    {
        if (continues)
        {
            output.AddRange(Tokens(piece, continues));
            return;
        }
        if (bytes || !model.BreaksAtWordMark)
        {
            EncodeWord(piece, 0, output);
            return;
        }
        int start = 0;
        for (int i = 1; i < piece.Length; i++)
        {
            if (piece[i] == Characters.WordMark && piece[i - 1] != Characters.WordMark)
            {
                EncodeWord(piece[start..i], start, output);
                start = i;
            }
        }
        EncodeWord(piece[start..], start, output);
    }

    private void EncodeWord(ReadOnlySpan<char> word, int offset, List<Token> output)
    {
        foreach (Token token in word.Length > LongestCached ? Tokens(word) : Cached(word))
        {
            output.Add(new Token(token.Id, token.Start + offset, token.End + offset));
        }
    }

    private Token[] Cached(ReadOnlySpan<char> word)
    {
        ref Entry? place = ref _cache[string.GetHashCode(word) & (CacheSize - 1)];
        Entry? entry = Volatile.Read(ref place);
        if (entry is null || !word.SequenceEqual(entry.Word))
        {
            entry = new Entry(word.ToString(), Tokens(word));
            Volatile.Write(ref place, entry);
        }
        return entry.Tokens;
    }

    private Token[] Tokens(ReadOnlySpan<char> word, bool continues = false)
    {
        List<Token> tokens = [];
        if (!bytes)
        {
            model.Encode(word, tokens, continues);
            return [.. tokens];
        }
        ByteText written = new(word);
        model.Encode(written.Text, tokens, continues);
        return [.. tokens.Select(token => new Token(token.Id, written.StartOf(token.Start), written.EndOf(token.End)))];
    }

    private sealed record Entry(string Word, Token[] Tokens);

    /// <summary>A word as byte characters, each knowing the character of the word it belongs to.</summary>
    private sealed class ByteText
    {
        private readonly int[] _starts;
        private readonly int[] _ends;

        public ByteText(ReadOnlySpan<char> word)
        {
            int count = System.Text.Encoding.UTF8.GetByteCount(word);
            (Text, _starts, _ends) = (new char[count], new int[count], new int[count]);
            Span<byte> encoded = stackalloc byte[4];
            for (int i = 0, at = 0; i < word.Length;)
            {
                Rune rune = Characters.At(word, i);
                foreach (byte value in encoded[..rune.EncodeToUtf8(encoded)])
                {
                    (Text[at], _starts[at], _ends[at++]) = (ByteAlphabet.Character(value), i, i + rune.Utf16SequenceLength);
                }
                i += rune.Utf16SequenceLength;
            }
        }

        public char[] Text { get; }

        public int StartOf(int index) => _starts[index];

        public int EndOf(int end) => _ends[end - 1];
    }
}
