using Microsoft.ML.Peft.Quantization;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>
/// LoftQ (Li et al. 2023, algorithm 1): the update takes the largest singular parts of W - Q, then Q is made again of what the
/// update leaves of W, and so on in turns. The first Q is the base's own.
/// </summary>
internal static class LoftqStart
{
    /// <summary>The first values of A and B, and the matrix that was packed last; null where that is the base's own.</summary>
    /// <param name="request">The floats and the sizes.</param>
    /// <param name="packed">The base's matrix, whose format is kept.</param>
    /// <param name="iterations">How often the update is made.</param>
    /// <param name="name">The weight's name.</param>
    /// <exception cref="ArgumentException">The rank is larger than the matrix allows.</exception>
    public static (Tensor A, Tensor B, PackedMatrix? Matrix) Of(StartRequest request, PackedMatrix packed, int iterations, string name)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        Tensor weight = StartValues.Matrix(request);
        (Tensor a, Tensor b) = Update(weight, packed, request);
        PackedMatrix? own = null;
        for (int i = 1; i < iterations; i++)
        {
            using (Tensor rest = weight.addmm(b, a, 1, -(float)request.Scale))
            {
                own?.Dispose();
                own = packed.Repack(rest, name);
            }
            (a, b) = Update(weight, own, request);
        }
        return (a.DetachFromDisposeScope(), b.DetachFromDisposeScope(), own);
    }

    private static (Tensor A, Tensor B) Update(Tensor weight, PackedMatrix packed, StartRequest request)
    {
        using var scope = NewDisposeScope();
        Tensor lost = weight - packed.Dequantize();
        (Tensor a, Tensor b) = StartValues.LargestParts(linalg.svd(lost, fullMatrices: false), request);
        return (a.contiguous().MoveToOuterDisposeScope(), b.contiguous().MoveToOuterDisposeScope());
    }
}
