using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>A class or function that a pickle names; it stands for itself and nothing is ever looked up or run.</summary>
internal sealed record PickledGlobal(string Module, string Name)
{
    public override string ToString() => $"{Module}.{Name}";
}

/// <summary>A storage that a pickle refers to by its key.</summary>
internal sealed record PickledStorage(string Key, ScalarType Type, long Count);

/// <summary>A tensor as a view of a storage; offset and strides count elements.</summary>
internal sealed record PickledTensor(PickledStorage Storage, long Offset, long[] Shape, long[] Strides);

/// <summary>An object of a TorchScript class: what it holds, and nothing of what it does.</summary>
internal sealed class PickledObject
{
    public Dictionary<object, object?> Attributes { get; set; } = [];
}
