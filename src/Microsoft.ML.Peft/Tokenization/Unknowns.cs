using System.Text;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>What a model writes for characters that its vocabulary lacks: their bytes, an unknown token, or nothing.</summary>
internal sealed class Unknowns
{
    private readonly int[]? _bytes;
    private readonly int? _unknown;
    private readonly bool _fuse;

    public Unknowns(IReadOnlyDictionary<string, int> vocabulary, int? unknown, bool fuse, bool byteFallback)
    {
        (_unknown, _fuse) = (unknown, fuse);
        int[] bytes = new int[256];
        bool complete = byteFallback;
        for (int value = 0; complete && value < 256; value++)
        {
            complete = vocabulary.TryGetValue($"<0x{value:X2}>", out bytes[value]);
        }
        _bytes = complete ? bytes : null;
    }

    public void Add(Rune rune, int start, int end, List<Token> output)
    {
        if (_bytes is not null)
        {
            Span<byte> encoded = stackalloc byte[4];
            foreach (byte value in encoded[..rune.EncodeToUtf8(encoded)])
            {
                output.Add(new Token(_bytes[value], start, end));
            }
        }
        else if (_unknown is { } id)
        {
            bool joins = _fuse && output.Count > 0 && output[^1].Id == id && output[^1].End == start;
            int from = joins ? output[^1].Start : start;
            if (joins)
            {
                output.RemoveAt(output.Count - 1);
            }
            output.Add(new Token(id, from, end));
        }
    }
}
