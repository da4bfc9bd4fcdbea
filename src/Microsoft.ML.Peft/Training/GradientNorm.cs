using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training;

/// <summary>Clipping by the global norm (Pascanu et al. 2013): one factor for all gradients, so that their direction stays.</summary>
internal static class GradientNorm
{
    // torch.nn.utils.clip_grad_norm_ adds it to the norm.
    private const double Epsilon = 1e-6;

    /// <summary>The Euclidean norm over the gradients of all parameters.</summary>
    public static double Of(IReadOnlyList<Parameter> parameters)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        Tensor[] norms = [.. parameters.Select(p => p.Value.grad).OfType<Tensor>().Select(g => g.norm().to(ScalarType.Float32))];
        return norms.Length == 0 ? 0 : stack(norms).norm().item<float>();
    }

    /// <summary>The factor that brings a norm down to a limit; 1 where it is below it.</summary>
    public static double Factor(double norm, double limit) => Math.Min(1, limit / (norm + Epsilon));
}
