using System.IO.Compression;
using System.Reflection;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>Writes the entries of one transformer into an ML.NET archive.</summary>
internal sealed class ArchiveWriter
{
    private const BindingFlags Private = BindingFlags.Instance | BindingFlags.NonPublic;

    private static readonly FieldInfo? s_archive = typeof(RepositoryWriter).GetField("_archive", Private);
    private static readonly MethodInfo? s_flush = typeof(RepositoryWriter).GetMethod("Flush", Private);

    private readonly ModelSaveContext _context;

    /// <param name="context">ML.NET's context, which gets the library's signature.</param>
    public ArchiveWriter(ModelSaveContext context)
    {
        context.CheckAtModel();
        context.SetVersionInfo(ArchiveSignature.Version);
        _context = context;
    }

    /// <summary>Writes an entry, deflated.</summary>
    public void Write(string name, Action<Stream> write) => _context.SaveBinaryStream(name, writer => write(writer.BaseStream));

    /// <summary>
    /// Writes an entry as it is: weights hardly compress, and deflating them takes 25 times as long. Where this version of
    /// ML.NET keeps its archive elsewhere, the entry is deflated.
    /// </summary>
    public void WriteStored(string name, Action<Stream> write)
    {
        if (s_flush is null || s_archive?.GetValue(_context.Repository) is not ZipArchive archive)
        {
            Write(name, write);
            return;
        }
        // An archive that is being made has one open entry at a time: ML.NET's waiting ones go first.
        s_flush.Invoke(_context.Repository, BindingFlags.DoNotWrapExceptions, null, null, null);
        string path = Path.Combine(_context.Directory ?? "", name).TrimStart(Path.DirectorySeparatorChar);
        using Stream stream = archive.CreateEntry(path, CompressionLevel.NoCompression).Open();
        write(stream);
    }
}
