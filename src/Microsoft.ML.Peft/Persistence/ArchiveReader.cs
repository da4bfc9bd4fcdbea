namespace Microsoft.ML.Peft.Persistence;

/// <summary>Reads the entries of one transformer from an ML.NET archive.</summary>
internal sealed class ArchiveReader
{
    private readonly ModelLoadContext _context;

    /// <param name="context">ML.NET's context; its signature is checked.</param>
    public ArchiveReader(ModelLoadContext context)
    {
        context.CheckAtModel(ArchiveSignature.Version);
        _context = context;
    }

    /// <exception cref="InvalidDataException">The archive lacks the entry.</exception>
    public T Read<T>(string name, Func<Stream, T> read)
    {
        T result = default!;
        if (!_context.TryLoadBinaryStream(name, reader => result = read(reader.BaseStream)))
            throw new InvalidDataException($"The archive has no entry '{name}' in '{_context.Directory}': it is damaged, or was cut short.");
        return result;
    }

    /// <exception cref="InvalidDataException">The archive lacks the entry.</exception>
    public byte[] ReadBytes(string name) => Read(name, stream =>
    {
        using var memory = new MemoryStream();
        stream.CopyTo(memory);
        return memory.ToArray();
    });
}
