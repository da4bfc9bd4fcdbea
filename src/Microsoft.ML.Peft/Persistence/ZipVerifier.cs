using System.IO.Compression;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>Reads every entry of an archive and checks length and CRC-32, which <see cref="ZipArchive"/> does not do by itself.</summary>
internal static class ZipVerifier
{
    private static readonly uint[] s_table = [.. Enumerable.Range(0, 256).Select(i => Table((uint)i))];

    /// <exception cref="InvalidDataException">An entry is not what the archive's directory says; the message names it.</exception>
    public static void Verify(Stream stream)
    {
        using var archive = new ZipArchive(stream, ZipArchiveMode.Read, leaveOpen: true);
        foreach (ZipArchiveEntry entry in archive.Entries)
        {
            var (length, crc) = Read(entry);
            if (length != entry.Length || crc != entry.Crc32)
                throw new InvalidDataException($"Entry '{entry.FullName}' has {length} bytes with CRC-32 {crc:x8}; expected {entry.Length} with {entry.Crc32:x8}.");
        }
    }

    private static (long Length, uint Crc) Read(ZipArchiveEntry entry)
    {
        using Stream stream = entry.Open();
        var buffer = new byte[1 << 16];
        long length = 0;
        uint crc = uint.MaxValue;
        for (int count; (count = stream.Read(buffer)) > 0; length += count)
        {
            foreach (byte b in buffer.AsSpan(0, count))
                crc = s_table[(byte)(crc ^ b)] ^ (crc >> 8);
        }
        return (length, ~crc);
    }

    private static uint Table(uint value)
    {
        for (int bit = 0; bit < 8; bit++)
            value = (value & 1) != 0 ? 0xEDB88320 ^ (value >> 1) : value >> 1;
        return value;
    }
}
