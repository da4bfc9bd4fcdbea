using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>Named tensors that a folder, an archive or a single file offers.</summary>
internal interface ITensorSource : IDisposable
{
    /// <summary>The file or folder, for messages.</summary>
    string Description { get; }

    IReadOnlyCollection<string> Names { get; }

    /// <summary>The parts of files that hold the weights, in a stable order; empty where there are none.</summary>
    IReadOnlyList<FileRegion> Files => [];

    /// <summary>Writes the one file that holds the weights, where that is smaller than they are when read; null for other sources.</summary>
    Action<Stream>? CopyTo => null;

    long[] ShapeOf(string name);

    /// <summary>The type of the tensor that <see cref="Read"/> gives.</summary>
    ScalarType TypeOf(string name)
    {
        using Tensor tensor = Read(name);
        return tensor.dtype;
    }

    /// <summary>Whether <see cref="Read"/> gives the file's own bytes, and no memory besides.</summary>
    bool IsView(string name) => true;

    /// <summary>A tensor in its own dtype, without a copy where possible. The caller owns it.</summary>
    Tensor Read(string name);
}

/// <summary>A range of bytes of a file.</summary>
internal readonly record struct FileRegion(string Path, long Offset, long Length)
{
    public static FileRegion Whole(string path) => new(path, 0, Target(path).Length);

    /// <summary>The file itself where the path is a link, as in Hugging Face's cache.</summary>
    public static FileInfo Target(string path) => File.ResolveLinkTarget(path, returnFinalTarget: true) as FileInfo ?? new FileInfo(path);
}

/// <summary>Tensors in memory, which it owns.</summary>
internal sealed class HeldTensors(string description, IReadOnlyDictionary<string, Tensor> tensors) : ITensorSource
{
    public string Description => description;

    public IReadOnlyCollection<string> Names => [.. tensors.Keys];

    public long[] ShapeOf(string name) => tensors[name].Sizes();

    public Tensor Read(string name) => tensors[name].alias();

    public void Dispose()
    {
        foreach (Tensor tensor in tensors.Values)
            tensor.Dispose();
    }
}
