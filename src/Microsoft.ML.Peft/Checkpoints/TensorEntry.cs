using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>A tensor of a safetensors file; <paramref name="Offset"/> counts from the end of the header.</summary>
internal sealed record TensorEntry(string Name, ScalarType Type, long[] Shape, long Offset, long Bytes);
