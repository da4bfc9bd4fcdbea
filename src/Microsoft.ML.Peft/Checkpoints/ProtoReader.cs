namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>Walks over the fields of a protobuf message in place: big fields are told by where they lie, not copied.</summary>
internal ref struct ProtoReader(ReadOnlySpan<byte> file, Range message, string path)
{
    private const int Varint = 0, Fixed64 = 1, Delimited = 2, Fixed32 = 5;

    private readonly ReadOnlySpan<byte> _file = file;
    private readonly int _end = message.End.Value;
    private int _at = message.Start.Value;

    /// <summary>The number of the current field.</summary>
    public int Field { get; private set; }

    /// <summary>The value of the current field if it is a varint.</summary>
    public long Number { get; private set; }

    /// <summary>Where the current field lies in the file, its tag and length left out.</summary>
    public Range Value { get; private set; }

    /// <summary>Whether the current field is a string, bytes, a message or a packed list.</summary>
    public bool IsDelimited { get; private set; }

    public bool Next()
    {
        if (_at >= _end)
            return false;
        long tag = ReadVarint();
        int wire = (int)(tag & 7);
        Field = (int)(tag >> 3);
        IsDelimited = wire == Delimited;
        int start = _at;
        switch (wire)
        {
            case Varint: Number = ReadVarint(); break;
            case Fixed64: Skip(8); break;
            case Fixed32: Skip(4); break;
            case Delimited: start = SkipDelimited(); break;
            default: throw Malformed.File(path, "a protobuf field", $"wire type {wire} at {start}");
        }
        Value = start.._at;
        return true;
    }

    /// <summary>The current field as a list of integers, packed or a single one, added to <paramref name="numbers"/>.</summary>
    public readonly void AddNumbersTo(List<long> numbers)
    {
        if (!IsDelimited)
        {
            numbers.Add(Number);
            return;
        }
        var packed = new ProtoReader(_file, Value, path);
        while (packed._at < packed._end)
            numbers.Add(packed.ReadVarint());
    }

    private int SkipDelimited()
    {
        long length = ReadVarint();
        int start = _at;
        Skip(length);
        return start;
    }

    private void Skip(long count)
    {
        if (count < 0 || count > _end - _at)
            throw Malformed.File(path, $"{count} bytes of a protobuf field at {_at}", $"{_end - _at}");
        _at += (int)count;
    }

    private long ReadVarint()
    {
        ulong value = 0;
        for (int shift = 0; shift < 64; shift += 7)
        {
            if (_at >= _end)
                throw Malformed.File(path, $"a protobuf integer at {_at}", "the end of its message");
            byte next = _file[_at++];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80)
                return (long)value;
        }
        throw Malformed.File(path, $"a protobuf integer before {_at}", "more than ten bytes");
    }
}
