using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>Tensors in memory, which it owns.</summary>
internal sealed class HeldTensors(string description, IReadOnlyDictionary<string, Tensor> tensors) : ITensorSource
{
    public string Description => description;

    public IReadOnlyCollection<string> Names => [.. tensors.Keys];

    public long[] ShapeOf(string name) => tensors[name].shape;

    public Tensor Read(string name) => tensors[name].alias();

    public void Dispose()
    {
        foreach (Tensor tensor in tensors.Values)
            tensor.Dispose();
    }
}
