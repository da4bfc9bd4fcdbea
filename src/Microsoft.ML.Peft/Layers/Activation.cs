using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>Activations by the names that config.json uses.</summary>
internal static class Activation
{
    private static readonly Dictionary<string, Func<Tensor, Tensor>> ByName = new(StringComparer.Ordinal)
    {
        ["gelu"] = x => nn.functional.gelu(x),
        ["gelu_new"] = TanhGelu,
        ["gelu_fast"] = TanhGelu,
        ["gelu_pytorch_tanh"] = TanhGelu,
        ["quick_gelu"] = QuickGelu,
        ["relu"] = x => nn.functional.relu(x),
        ["silu"] = x => nn.functional.silu(x),
        ["swish"] = x => nn.functional.silu(x),
        ["tanh"] = tanh,
    };

    private static Tensor TanhGelu(Tensor x) => x.gelu(TorchSharp.Modules.GELU.Approximate.tanh);

    // x · sigmoid(1.702 x), of which one tensor is kept for the backward pass, and none is made but the answer where there is none.
    private static Tensor QuickGelu(Tensor x)
    {
        const double Slope = 1.702;
        return nn.functional.silu(x * Slope, inplace: !is_grad_enabled()).mul_(1 / Slope);
    }

    /// <exception cref="NotSupportedException">The name is not known.</exception>
    public static Func<Tensor, Tensor> Named(string name) => ByName.TryGetValue(name, out var f)
        ? f
        : throw new NotSupportedException($"Activation '{name}' is not supported; known are {string.Join(", ", ByName.Keys)}.");

    /// <summary>The middle of a gated feed-forward: an activation of the gate, times the other branch.</summary>
    /// <exception cref="NotSupportedException">The name is not known.</exception>
    public static Func<Tensor, Tensor, Tensor> Gated(string name)
    {
        Func<Tensor, Tensor> activation = Named(name);
        return name is "silu" or "swish" ? GatedSilu.Of : (gate, up) => activation(gate) * up;
    }
}
