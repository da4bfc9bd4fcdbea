using System.Text;
using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints.Gguf;

/// <summary>Writes a GGUF file: texts and numbers of single precision as metadata, tensors of single precision.</summary>
internal static class GgufWriter
{
    private const uint Version = 3, Float32Tensor = 0;
    private const int Alignment = 32;

    /// <summary>Writes beside the file and renames: a reader sees the old file or the new one.</summary>
    public static void Write(string path, IReadOnlyList<(string Key, object Value)> metadata, IReadOnlyList<(string Name, Tensor Tensor)> tensors) =>
        AtomicFile.Replace(path, stream =>
        {
            using var writer = new BinaryWriter(stream, Encoding.UTF8, leaveOpen: true);
            WriteHead(writer, metadata, tensors);
            foreach (var (_, tensor) in tensors)
                WriteData(writer, tensor);
        });

    private static void WriteHead(BinaryWriter writer, IReadOnlyList<(string Key, object Value)> metadata, IReadOnlyList<(string Name, Tensor Tensor)> tensors)
    {
        writer.Write("GGUF"u8);
        writer.Write(Version);
        writer.Write((ulong)tensors.Count);
        writer.Write((ulong)metadata.Count);
        foreach (var (key, value) in metadata)
            WritePair(writer, key, value);
        ulong offset = 0;
        foreach (var (name, tensor) in tensors)
        {
            WriteText(writer, name);
            writer.Write((uint)tensor.dim());
            // GGML counts from the innermost dimension.
            foreach (long size in Enumerable.Reverse(tensor.Sizes()))
                writer.Write((ulong)size);
            writer.Write(Float32Tensor);
            writer.Write(offset);
            offset += (ulong)((tensor.numel() * sizeof(float) + Alignment - 1) / Alignment * Alignment);
        }
        Pad(writer);
    }

    private static void WritePair(BinaryWriter writer, string key, object value)
    {
        WriteText(writer, key);
        if (value is float number)
        {
            writer.Write((uint)GgufValueType.Float32);
            writer.Write(number);
            return;
        }
        writer.Write((uint)GgufValueType.String);
        WriteText(writer, (string)value);
    }

    private static void WriteData(BinaryWriter writer, Tensor tensor)
    {
        using Tensor single = tensor.to(ScalarType.Float32);
        NativeTensor.VisitBytes(single, writer.Write);
        Pad(writer);
    }

    private static void WriteText(BinaryWriter writer, string text)
    {
        byte[] utf8 = Encoding.UTF8.GetBytes(text);
        writer.Write((ulong)utf8.Length);
        writer.Write(utf8);
    }

    private static void Pad(BinaryWriter writer)
    {
        writer.Flush();
        writer.Write(new byte[(Alignment - writer.BaseStream.Position % Alignment) % Alignment]);
    }
}
