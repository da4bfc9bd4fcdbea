using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>
/// Sums on the paths that run all the time. TorchSharp's <c>+</c> hands libtorch a factor of 1 that a garbage collection may
/// free within the call (it then reads whatever lies there): this one lives for ever.
/// </summary>
internal static class Elementwise
{
    private static readonly Scalar One = 1;

    public static Tensor Add(Tensor left, Tensor right) => left.add(right, One);
}
