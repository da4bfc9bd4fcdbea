using System.IO.Compression;
using System.Text;
using Microsoft.ML.Peft.Checkpoints;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.TestSupport;

/// <summary>Writes floats as <c>torch.save</c> writes a state dict, without Python.</summary>
public static class PickledStateDict
{
    /// <summary>Turns a safetensors file into a file of <c>torch.save</c>.</summary>
    public static void FromSafetensors(string source, string target)
    {
        using var scope = NewDisposeScope();
        using var file = SafetensorsFile.Open(source);
        (string Name, Tensor Value)[] tensors = [.. file.Names.Select(name => (name, file.Read(name).to(ScalarType.Float32).contiguous()))];
        using var zip = new ZipArchive(File.Create(target), ZipArchiveMode.Create);
        Add(zip, "data.pkl", Pickle(tensors));
        for (int i = 0; i < tensors.Length; i++)
            Add(zip, $"data/{i}", tensors[i].Value.bytes.ToArray());
    }

    private static byte[] Pickle((string Name, Tensor Value)[] tensors)
    {
        using var stream = new MemoryStream();
        using var writer = new BinaryWriter(stream);
        void Code(string text) => writer.Write(Encoding.Latin1.GetBytes(text));
        void Text(string text)
        {
            Code("X");
            writer.Write(Encoding.UTF8.GetByteCount(text));
            writer.Write(Encoding.UTF8.GetBytes(text));
        }
        void Number(long value)
        {
            Code("J");
            writer.Write((int)value);
        }
        void Numbers(IEnumerable<long> values)
        {
            Code("(");
            foreach (long value in values)
                Number(value);
            Code("t");
        }
        Code("\u0080\u0002}(");
        foreach (var ((name, value), i) in tensors.Select((tensor, i) => (tensor, i)))
        {
            Text(name);
            Code("ctorch._utils\n_rebuild_tensor_v2\n((");
            Text("storage");
            Code("ctorch\nFloatStorage\n");
            Text($"{i}");
            Text("cpu");
            Number(value.numel());
            Code("tQ");
            Number(0);
            Numbers(value.shape);
            Numbers(value.stride());
            Code("\u0089ccollections\nOrderedDict\n)RtR");
        }
        Code("u.");
        return stream.ToArray();
    }

    private static void Add(ZipArchive zip, string name, byte[] content)
    {
        using Stream stream = zip.CreateEntry("archive/" + name, CompressionLevel.NoCompression).Open();
        stream.Write(content);
    }
}
