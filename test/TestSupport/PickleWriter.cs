using System.IO.Compression;
using System.Text;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>Writes pickles (protocol 2) and the zip files around them as PyTorch does, without Python. Tensors are storages of their own.</summary>
internal sealed class PickleWriter
{
    private static readonly Dictionary<ScalarType, string> s_storages = new()
    {
        [ScalarType.Float32] = "FloatStorage", [ScalarType.Float16] = "HalfStorage", [ScalarType.Int64] = "LongStorage",
    };

    private readonly MemoryStream _stream = new();
    private readonly BinaryWriter _writer;
    private readonly List<byte[]> _storedBytes = [];

    public PickleWriter()
    {
        _writer = new BinaryWriter(_stream);
        Code("\u0080\u0002");
    }

    /// <summary>Opcodes, and the lines that some of them read.</summary>
    public PickleWriter Code(string text)
    {
        _writer.Write(Encoding.Latin1.GetBytes(text));
        return this;
    }

    public PickleWriter Text(string text)
    {
        Code("X");
        _writer.Write(Encoding.UTF8.GetByteCount(text));
        _writer.Write(Encoding.UTF8.GetBytes(text));
        return this;
    }

    public PickleWriter Tensor(Tensor value)
    {
        using Tensor dense = value.contiguous();
        Code("ctorch._utils\n_rebuild_tensor_v2\n((").Text("storage").Code($"ctorch\n{s_storages[value.dtype]}\n").Text($"{_storedBytes.Count}").Text("cpu").Number(dense.numel());
        Code("tQ").Number(0).Numbers(dense.dim(), dense.size).Numbers(dense.dim(), dense.stride).Code("\u0089ccollections\nOrderedDict\n)RtR");
        _storedBytes.Add(dense.bytes.ToArray());
        return this;
    }

    /// <summary>Ends the pickle and writes it with its storages, and further entries.</summary>
    public void WriteZip(string file, string folder, params IEnumerable<(string Name, byte[] Content, bool Compressed)> others)
    {
        Code(".");
        using var zip = new ZipArchive(File.Create(file), ZipArchiveMode.Create);
        var storages = _storedBytes.Select((content, i) => ($"data/{i}", content, false));
        foreach (var (name, content, compressed) in storages.Prepend(("data.pkl", _stream.ToArray(), false)).Concat(others))
        {
            using Stream entry = zip.CreateEntry($"{folder}/{name}", compressed ? CompressionLevel.Optimal : CompressionLevel.NoCompression).Open();
            entry.Write(content);
        }
    }

    private PickleWriter Number(long value)
    {
        Code("J");
        _writer.Write((int)value);
        return this;
    }

    private PickleWriter Numbers(long count, Func<int, long> at)
    {
        Code("(");
        for (int i = 0; i < count; i++)
            Number(at(i));
        return Code("t");
    }
}
