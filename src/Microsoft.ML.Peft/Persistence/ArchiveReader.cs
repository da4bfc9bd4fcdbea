using System.IO.Compression;
using System.Reflection;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>
/// Reads the entries of one transformer from an ML.NET archive, each checked against its CRC-32: ML.NET has just copied it to
/// a temporary file, beside which reading it again out of the system's cache costs little.
/// </summary>
internal sealed class ArchiveReader
{
    private static readonly FieldInfo? s_archive =
        typeof(RepositoryReader).GetField("_archive", BindingFlags.Instance | BindingFlags.NonPublic);

    private readonly ModelLoadContext _context;

    /// <param name="context">ML.NET's context; its signature is checked.</param>
    public ArchiveReader(ModelLoadContext context)
    {
        context.CheckAtModel(ArchiveSignature.Version);
        _context = context;
    }

    /// <exception cref="InvalidDataException">The archive lacks the entry, or its bytes are not those that were saved.</exception>
    public T Read<T>(string name, Func<Stream, T> read)
    {
        T result = default!;
        if (!_context.TryLoadBinaryStream(name, reader => result = read(Checked(name, reader.BaseStream))))
            throw new InvalidDataException($"The archive has no entry '{name}' in '{_context.Directory}': it is damaged, or was cut short.");
        return result;
    }

    /// <exception cref="InvalidDataException">The archive lacks the entry, or its bytes are not those that were saved.</exception>
    public byte[] ReadBytes(string name) => Read(name, stream =>
    {
        using var memory = new MemoryStream();
        stream.CopyTo(memory);
        return memory.ToArray();
    });

    // Where this version of ML.NET keeps its archive elsewhere, nothing is checked.
    private Stream Checked(string name, Stream content)
    {
        if (s_archive?.GetValue(_context.Repository) is ZipArchive archive && Find(archive, name) is { } entry)
        {
            ZipVerifier.Verify(entry, content);
            content.Position = 0;
        }
        return content;
    }

    // As ML.NET looks entries up: the last of a name, with either separator.
    private ZipArchiveEntry? Find(ZipArchive archive, string name)
    {
        string path = Path.Combine(_context.Directory ?? "", name).Replace('\\', '/').TrimStart('/');
        return archive.Entries.LastOrDefault(entry => entry.FullName.Replace('\\', '/') == path);
    }
}
