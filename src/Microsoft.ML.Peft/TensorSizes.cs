using static TorchSharp.torch;

namespace Microsoft.ML.Peft;

/// <summary>
/// A tensor's sizes, asked for one by one. <c>Tensor.shape</c> hands libtorch a new delegate each time, for which .NET takes memory from
/// <c>malloc</c> that outlives the tensors around it: the heap fills with holes.
/// </summary>
internal static class TensorSizes
{
    public static long[] Sizes(this Tensor tensor)
    {
        var sizes = new long[tensor.dim()];
        for (int i = 0; i < sizes.Length; i++)
            sizes[i] = tensor.size(i);
        return sizes;
    }
}
