using System.Buffers.Binary;
using System.Text;
using Microsoft.ML.Peft.Interop;

namespace Microsoft.ML.Peft.Checkpoints.Gguf;

/// <summary>Reads the head of a GGUF file in order. Nothing is taken that the file does not hold.</summary>
internal sealed class GgufReader(MappedFile.Reading file, string path)
{
    // The format's own limit for keys, and plenty for tensor names.
    private const int LongestName = ushort.MaxValue;

    private static readonly UTF8Encoding s_strict = new(encoderShouldEmitUTF8Identifier: false, throwOnInvalidBytes: true);

    public long Position { get; set; }

    /// <summary>What is being read, for messages.</summary>
    public string Subject { get; set; } = "the header";

    public uint U32() => BinaryPrimitives.ReadUInt32LittleEndian(Take(sizeof(uint)));

    public ulong U64() => BinaryPrimitives.ReadUInt64LittleEndian(Take(sizeof(ulong)));

    /// <summary>A count of things that take at least <paramref name="smallest"/> bytes each, so that an absurd one is refused before anything is made for it.</summary>
    public long Count(long smallest)
    {
        ulong count = U64();
        long most = (file.Length - Position) / smallest;
        return count <= (ulong)most ? (long)count : throw Fail($"a count of at most {most}, as the file ends there", $"{count}");
    }

    /// <summary>A key or a tensor's name.</summary>
    public string Name()
    {
        long length = Count(1);
        return length <= LongestName ? Decode(Take((int)length)) : throw Fail($"a name of at most {LongestName} bytes", $"{length}");
    }

    public string Text()
    {
        long length = Count(1);
        return length <= int.MaxValue / 2 ? Decode(Take((int)length)) : throw Fail("a string that fits in memory", $"{length} bytes");
    }

    public void Skip(long count) => Position = count <= file.Length - Position ? Position + count : throw Fail($"{count} bytes", EndOfFile);

    public InvalidDataException Fail(string expected, string found) => Malformed.File($"{path}: {Subject}", expected, found);

    private string EndOfFile => $"the end of the file at {file.Length}";

    private ReadOnlySpan<byte> Take(int count)
    {
        if (count > file.Length - Position)
            throw Fail($"{count} bytes at {Position}", EndOfFile);
        ReadOnlySpan<byte> bytes = file.Span(Position, count);
        Position += count;
        return bytes;
    }

    private string Decode(ReadOnlySpan<byte> utf8)
    {
        try
        {
            return s_strict.GetString(utf8);
        }
        catch (DecoderFallbackException)
        {
            throw Fail("UTF-8", "other bytes");
        }
    }
}
