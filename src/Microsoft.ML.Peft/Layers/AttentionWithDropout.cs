using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>
/// Attention with dropout on its probabilities. Queries, keys and values are kept; the backward pass computes the
/// probabilities again, so that no tensor [B, H, Q, S] outlives its layer.
/// </summary>
internal sealed class AttentionWithDropout : GradientFunction<AttentionWithDropout, AttentionSettings>
{
    private static readonly IAttentionKernel Torch = new TorchAttention(), Native = new NativeAttention();

    /// <summary>As <see cref="Attention"/>, over [B, Q, heads·size], an additive mask [B or 1, heads or 1, 1 or Q, S] and its dropout.</summary>
    public static Tensor Apply(Tensor query, Tensor key, Tensor value, int heads, Tensor? mask, DropoutSite dropout, double scale)
    {
        Tensor[] inputs = mask is null ? [query, key, value] : [query, key, value, mask];
        return Call(new AttentionSettings(heads, scale, dropout, Array.ConvertAll(inputs, x => x.requires_grad)), inputs);
    }

    protected override (Tensor Output, Tensor?[] Saved) Forward(AttentionSettings settings, IReadOnlyList<Tensor> inputs)
    {
        var (output, sums) = Kernel(settings, inputs).Forward(settings, inputs);
        return (output, [.. inputs, sums]);
    }

    protected override Tensor?[] Backward(AttentionSettings settings, IReadOnlyList<Tensor> saved, Tensor gradient)
    {
        Tensor[] inputs = [.. saved.SkipLast(1)];
        return Kernel(settings, inputs).Backward(settings, inputs, saved[^1], gradient);
    }

    private static IAttentionKernel Kernel(AttentionSettings settings, IReadOnlyList<Tensor> inputs) =>
        NativeAttention.Takes(settings, inputs) ? Native : Torch;
}

/// <param name="Heads">How many.</param>
/// <param name="Scale">What scores are multiplied with before the mask is added.</param>
/// <param name="Dropout">What is dropped of the probabilities, as of a tensor [B, H, Q, S].</param>
/// <param name="Asks">Which inputs ask for a gradient.</param>
internal sealed record AttentionSettings(int Heads, double Scale, DropoutSite Dropout, bool[] Asks);

/// <summary>A way to compute it; inputs are queries, keys, values and perhaps an additive mask.</summary>
internal interface IAttentionKernel
{
    /// <returns>The output, and what <see cref="Backward"/> needs besides the inputs.</returns>
    (Tensor Output, Tensor? Sums) Forward(AttentionSettings settings, IReadOnlyList<Tensor> inputs);

    /// <returns>A gradient for each input that asks for one.</returns>
    Tensor?[] Backward(AttentionSettings settings, IReadOnlyList<Tensor> inputs, Tensor? sums, Tensor gradient);
}
