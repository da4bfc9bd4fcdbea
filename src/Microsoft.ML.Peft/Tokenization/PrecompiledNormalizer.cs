using System.Buffers.Binary;
using System.Text;

namespace Microsoft.ML.Peft.Tokenization;

/// <summary>SentencePiece's compiled character map: a double array over UTF-8 bytes that leads to replacement strings.</summary>
internal sealed class PrecompiledNormalizer : INormalizer
{
    private readonly uint[] _units;
    private readonly byte[] _replacements;

    // For each pair of ASCII characters, whether the map leaves the first one alone: most of most texts.
    private readonly bool[] _inert = new bool[128 * 128];

    public PrecompiledNormalizer(ReadOnlySpan<byte> map)
    {
        int size = map.Length < 4 ? -1 : BinaryPrimitives.ReadInt32LittleEndian(map);
        if (size < 4 || size > map.Length - 4 || size % 4 != 0)
        {
            throw new InvalidDataException("precompiled_charsmap: its trie does not fit into it");
        }
        _units = new uint[size / 4];
        for (int i = 0; i < _units.Length; i++)
        {
            _units[i] = BinaryPrimitives.ReadUInt32LittleEndian(map[(4 + i * 4)..]);
        }
        _replacements = map[(4 + size)..].ToArray();
        for (int pair = 0; pair < _inert.Length; pair++)
        {
            _inert[pair] = IsInert((byte)(pair / 128), (byte)(pair % 128));
        }
    }

    public AlignedText Apply(AlignedText text)
    {
        AlignedBuilder builder = new(text);
        for (int i = 0; i < text.Text.Length;)
        {
            if (i + 1 < text.Text.Length && text.Text[i] < 128 && text.Text[i + 1] < 128 && _inert[text.Text[i] * 128 + text.Text[i + 1]])
            {
                builder.Keep(i++);
                continue;
            }
            int length = Match(text.Text.AsSpan(i), out int replacement);
            if (length > 0)
            {
                builder.Add(Replacement(replacement), i, i + length);
            }
            else
            {
                length = Characters.At(text.Text, i).Utf16SequenceLength;
                builder.Keep(i, i + length);
            }
            i += length;
        }
        return builder.Build();
    }

    /// <summary>The number of UTF-16 units of the longest entry at the beginning of the text, 0 if there is none.</summary>
    private int Match(ReadOnlySpan<char> text, out int replacement)
    {
        replacement = -1;
        int matched = 0;
        uint node = Offset(_units[0]);
        Span<byte> bytes = stackalloc byte[4];
        for (int i = 0; i < text.Length;)
        {
            Rune rune = Characters.At(text, i);
            int count = rune.EncodeToUtf8(bytes);
            i += rune.Utf16SequenceLength;
            if (!Walk(bytes[..count], ref node, out int value))
            {
                break;
            }
            if (value >= 0 && value < _replacements.Length)
            {
                (replacement, matched) = (value, i);
            }
        }
        return matched;
    }

    private bool IsInert(byte first, byte second)
    {
        uint node = Offset(_units[0]);
        return !Walk([first], ref node, out int value) || value < 0 && !Walk([second], ref node, out _);
    }

    private bool Walk(ReadOnlySpan<byte> bytes, ref uint node, out int value)
    {
        value = -1;
        foreach (byte step in bytes)
        {
            node ^= step;
            if (node >= _units.Length || (_units[node] & 0x800000FF) != step)
            {
                return false;
            }
            bool leaf = (_units[node] & 0x100) != 0;
            node ^= Offset(_units[node]);
            value = leaf && node < _units.Length ? (int)(_units[node] & 0x7FFFFFFF) : -1;
        }
        return true;
    }

    private string Replacement(int start)
    {
        ReadOnlySpan<byte> rest = _replacements.AsSpan(start);
        int end = rest.IndexOf((byte)0);
        return System.Text.Encoding.UTF8.GetString(end < 0 ? rest : rest[..end]);
    }

    // Darts-clone's layout: the offset is shifted left by a further 8 bits where bit 9 says so.
    private static uint Offset(uint unit) => unit >> 10 << (int)((unit & 0x200) >> 6);
}
