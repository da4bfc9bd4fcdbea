using System.Text;
using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>Writes GGUF files, good ones and others.</summary>
public sealed class GgufBuilder
{
    private readonly MemoryStream _pairs = new(), _infos = new();
    private readonly List<(long Length, Action<Stream> Write)> _data = [];
    private long _length;

    public uint Version { get; init; } = 3;

    public int Alignment { get; init; } = 32;

    public ulong PairCount { get; set; }

    public ulong TensorCount { get; set; }

    public GgufBuilder Set(string key, object value)
    {
        using BinaryWriter writer = Writer(_pairs);
        Text(writer, key);
        writer.Write(TypeOf(value));
        Value(writer, value);
        PairCount++;
        return this;
    }

    /// <summary>A pair as the test has it.</summary>
    public GgufBuilder SetRaw(string key, uint type, params byte[] value)
    {
        using BinaryWriter writer = Writer(_pairs);
        Text(writer, key);
        writer.Write(type);
        writer.Write(value);
        PairCount++;
        return this;
    }

    public GgufBuilder Add(string name, Tensor values)
    {
        var bytes = new MemoryStream();
        using Tensor single = values.to(ScalarType.Float32);
        NativeTensor.VisitBytes(single, span => bytes.Write(span));
        return Add(name, 0, values.shape, bytes.ToArray());
    }

    /// <summary>In blocks of 32, rounded to 127ths of the largest.</summary>
    public GgufBuilder AddQ8(string name, Tensor values)
    {
        var blocks = new MemoryStream();
        using BinaryWriter writer = Writer(blocks);
        foreach (float[] block in values.data<float>().ToArray().Chunk(32))
        {
            float scale = block.Max(Math.Abs) / 127;
            writer.Write((Half)scale);
            foreach (float value in block)
                writer.Write((sbyte)Math.Round(scale == 0 ? 0 : value / scale));
        }
        writer.Flush();
        return Add(name, 8, values.shape, blocks.ToArray());
    }

    public GgufBuilder Add(string name, uint type, long[] shape, byte[] data, long? offset = null) =>
        Add(name, type, shape, data.Length, stream => stream.Write(data), offset);

    /// <summary>A tensor whose bytes are made when the file is written.</summary>
    public GgufBuilder Add(string name, uint type, long[] shape, long length, Action<Stream> write, long? offset = null)
    {
        using (BinaryWriter writer = Writer(_infos))
        {
            Text(writer, name);
            writer.Write((uint)shape.Length);
            foreach (long size in shape.Reverse())
                writer.Write(size);
            writer.Write(type);
            writer.Write(offset ?? _length);
        }
        _data.Add((length, write));
        _length += length + Padding(length);
        TensorCount++;
        return this;
    }

    public byte[] ToBytes()
    {
        using var file = new MemoryStream();
        Write(file);
        return file.ToArray();
    }

    public string Write(string path)
    {
        using FileStream file = File.Create(path);
        Write(file);
        return path;
    }

    private void Write(Stream file)
    {
        using BinaryWriter writer = Writer(file);
        writer.Write("GGUF"u8);
        writer.Write(Version);
        writer.Write(TensorCount);
        writer.Write(PairCount);
        writer.Write(_pairs.ToArray());
        writer.Write(_infos.ToArray());
        writer.Flush();
        if (_data.Count > 0)
            file.Write(new byte[Padding(file.Position)]);
        foreach (var (length, write) in _data)
        {
            write(file);
            file.Write(new byte[Padding(length)]);
        }
    }

    private long Padding(long length) => (Alignment - length % Alignment) % Alignment;

    private static BinaryWriter Writer(Stream stream) => new(stream, Encoding.UTF8, leaveOpen: true);

    private static void Text(BinaryWriter writer, string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)utf8.Length);
        writer.Write(utf8);
    }

    private static uint TypeOf(object value) => value switch
    {
        byte => 0, sbyte => 1, ushort => 2, short => 3, uint => 4, int => 5, float => 6, bool => 7, string => 8, Array => 9, ulong => 10, long => 11, double => 12,
        _ => throw new ArgumentException($"{value.GetType()} has no GGUF type", nameof(value)),
    };

    private static void Value(BinaryWriter writer, object value)
    {
        switch (value)
        {
            case byte number: writer.Write(number); break;
            case sbyte number: writer.Write(number); break;
            case ushort number: writer.Write(number); break;
            case short number: writer.Write(number); break;
            case uint number: writer.Write(number); break;
            case int number: writer.Write(number); break;
            case float number: writer.Write(number); break;
            case bool flag: writer.Write(flag); break;
            case string text: Text(writer, text); break;
            case ulong number: writer.Write(number); break;
            case long number: writer.Write(number); break;
            case double number: writer.Write(number); break;
            case Array list: List(writer, list); break;
        }
    }

    private static void List(BinaryWriter writer, Array list)
    {
        writer.Write(list.Length > 0 ? TypeOf(list.GetValue(0)!) : list is string[] ? 8u : 4u);
        writer.Write((ulong)list.Length);
        foreach (object item in list)
            Value(writer, item);
    }
}
