using System.IO.Hashing;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>The CRC-32 that zip archives keep for each entry.</summary>
internal static class Checksum
{
    /// <summary>Reads a stream to its end; gives its length as well.</summary>
    public static (long Length, uint Crc32) Of(Stream stream)
    {
        var crc = new Crc32();
        var buffer = new byte[1 << 18];
        long length = 0;
        for (int count; (count = stream.Read(buffer)) > 0; length += count)
            crc.Append(buffer.AsSpan(0, count));
        return (length, crc.GetCurrentHashAsUInt32());
    }
}
