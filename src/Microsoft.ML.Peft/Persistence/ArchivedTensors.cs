using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Checkpoints.Gguf;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>Tensors of an archive's entry, which ML.NET hands out as a temporary file and deletes soon after.</summary>
internal static class ArchivedTensors
{
    /// <summary>Safetensors.</summary>
    public static ITensorSource Open(Stream stream) => Open(stream, SafetensorsFile.Open);

    /// <summary>A GGUF file.</summary>
    public static ITensorSource OpenPacked(Stream stream) => Open(stream, GgufWeights.Open);

    // Maps the file where a mapping outlives it (Linux), else copies the tensors.
    private static ITensorSource Open(Stream stream, Func<string, ITensorSource> open)
    {
        if (stream is FileStream file && OperatingSystem.IsLinux())
            return new Mapped(open(file.Name));
        string copy = Path.GetTempFileName();
        try
        {
            using (FileStream target = File.Create(copy))
                stream.CopyTo(target);
            using ITensorSource source = open(copy);
            return new Copied(source);
        }
        finally
        {
            File.Delete(copy);
        }
    }

    /// <summary>A mapping whose file is about to go: it names no files.</summary>
    private sealed class Mapped(ITensorSource file) : ITensorSource
    {
        public string Description => file.Description;

        public IReadOnlyCollection<string> Names => file.Names;

        public Action<Stream>? CopyTo => file.CopyTo;

        public long[] ShapeOf(string name) => file.ShapeOf(name);

        public Tensor Read(string name) => file.Read(name);

        public void Dispose() => file.Dispose();
    }

    private sealed class Copied(ITensorSource source) : ITensorSource
    {
        private readonly Dictionary<string, Tensor> _tensors = source.Names.ToDictionary(name => name, name => Copy(source, name));

        public string Description { get; } = source.Description;

        public IReadOnlyCollection<string> Names => _tensors.Keys;

        public long[] ShapeOf(string name) => _tensors[name].Sizes();

        public Tensor Read(string name) => _tensors[name].alias();

        public void Dispose()
        {
            foreach (Tensor tensor in _tensors.Values)
                tensor.Dispose();
        }

        private static Tensor Copy(ITensorSource source, string name)
        {
            using Tensor mapped = source.Read(name);
            return mapped.clone().DetachFromDisposeScope();
        }
    }
}
