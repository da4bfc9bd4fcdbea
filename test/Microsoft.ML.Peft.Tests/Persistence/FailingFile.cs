namespace Microsoft.ML.Peft.Tests.Persistence;

/// <summary>A file on a disk that takes so many bytes; then writes fail, for good or once.</summary>
internal sealed class FailingFile(string path, long room, bool once) : FileStream(path, FileMode.CreateNew, FileAccess.ReadWrite)
{
    private long _room = room;

    /// <summary>Is told of each write's bytes.</summary>
    public Action<int> OnWrite { get; init; } = _ => { };

    /// <summary>Where a wrong byte arrives; nowhere by default.</summary>
    public long FlipAt { get; init; } = -1;

    public bool FailsToFlush { get; init; }

    public override void Write(byte[] buffer, int offset, int count) => Write(buffer.AsSpan(offset, count));

    public override void Write(ReadOnlySpan<byte> buffer)
    {
        OnWrite(buffer.Length);
        byte[] fits = [.. buffer[..(int)Math.Min(_room, buffer.Length)]];
        if (FlipAt - Position is >= 0 and var at && at < fits.Length)
            fits[at] ^= 1;
        base.Write(fits, 0, fits.Length);
        bool full = fits.Length < buffer.Length;
        _room = full && once ? long.MaxValue : _room - fits.Length;
        if (full)
            throw new IOException("No space left on device.");
    }

    public override void WriteByte(byte value) => Write([value]);

    public override void Flush(bool flushToDisk)
    {
        if (FailsToFlush && flushToDisk)
            throw new IOException("Input/output error.");
        base.Flush(flushToDisk);
    }
}
