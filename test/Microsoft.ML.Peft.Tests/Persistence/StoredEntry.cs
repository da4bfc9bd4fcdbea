using System.IO.Compression;

namespace Microsoft.ML.Peft.Tests.Persistence;

/// <summary>Where an archive keeps an entry that is stored as it is.</summary>
internal static class StoredEntry
{
    public static (long Start, long Length) Find(string archive, string name)
    {
        using FileStream file = File.OpenRead(archive);
        using var zip = new ZipArchive(file, ZipArchiveMode.Read, leaveOpen: true);
        ZipArchiveEntry entry = zip.Entries.Single(e => e.Name == name);
        Assert.AreEqual(entry.Length, entry.CompressedLength, $"{name} is stored uncompressed.");
        using Stream content = entry.Open();
        content.ReadExactly(new byte[1]);
        // One byte was read, and nothing reads ahead of a stored entry.
        return (file.Position - 1, entry.Length);
    }
}
