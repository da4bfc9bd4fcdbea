using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training;

/// <summary>The gradients that passes have left at parameters.</summary>
internal static class ParameterGradients
{
    // torch.nn.utils.clip_grad_norm_ adds it to the norm.
    private const double Epsilon = 1e-6;

    /// <summary>Lets go of them.</summary>
    public static void ClearGradients(this IEnumerable<Parameter> parameters)
    {
        foreach (Parameter parameter in parameters)
            parameter.Value.grad = null;
    }

    /// <summary>The Euclidean norm over the gradients of all parameters.</summary>
    public static double GradientNorm(this IEnumerable<Parameter> parameters)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        Tensor[] norms = [.. parameters.Select(p => p.Value.grad).OfType<Tensor>().Select(g => g.norm().to(ScalarType.Float32))];
        return norms.Length == 0 ? 0 : stack(norms).norm().item<float>();
    }

    /// <summary>
    /// Clipping by the global norm (Pascanu et al. 2013): the one factor for all gradients that brings the norm down to a limit; 1 where it is below it.
    /// </summary>
    public static double ClippingFactor(double norm, double limit) => Math.Min(1, limit / (norm + Epsilon));
}
