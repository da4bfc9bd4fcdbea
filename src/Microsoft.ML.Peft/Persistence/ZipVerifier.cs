using System.IO.Compression;
using System.IO.Hashing;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>Checks length and CRC-32 of an archive's entries, which <see cref="ZipArchive"/> does not do by itself.</summary>
internal static class ZipVerifier
{
    /// <summary>Reads and checks every entry.</summary>
    /// <exception cref="InvalidDataException">An entry is not what the archive's directory says; the message names it.</exception>
    public static void Verify(Stream stream)
    {
        using var archive = new ZipArchive(stream, ZipArchiveMode.Read, leaveOpen: true);
        foreach (ZipArchiveEntry entry in archive.Entries)
        {
            using Stream content = entry.Open();
            Verify(entry, content);
        }
    }

    /// <summary>Reads an entry's content, wherever it was extracted to, and checks it.</summary>
    /// <exception cref="InvalidDataException">It is not what the archive's directory says; the message names it.</exception>
    public static void Verify(ZipArchiveEntry entry, Stream content)
    {
        var (length, crc) = Checksum.Of(content);
        if (length != entry.Length || crc != entry.Crc32)
            throw new InvalidDataException($"The archive's entry '{entry.FullName}' has {length} bytes with CRC-32 {crc:x8}; expected {entry.Length} with {entry.Crc32:x8}.");
    }
}

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
