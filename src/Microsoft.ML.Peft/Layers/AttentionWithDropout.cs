using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>
/// Attention with dropout on its probabilities. Queries, keys and values alone are kept; the backward pass computes the
/// probabilities again, so that no tensor [B, H, Q, S] outlives its layer.
/// </summary>
internal sealed class AttentionWithDropout : GradientFunction<AttentionWithDropout, AttentionWithDropout.Settings>
{
    /// <inheritdoc cref="Attention.Attend"/>
    public static Tensor Apply(Tensor query, Tensor key, Tensor value, int heads, Tensor? mask, DropoutSite dropout)
    {
        var settings = new Settings(heads, dropout, mask is { requires_grad: true });
        return mask is null ? Call(settings, query, key, value) : Call(settings, query, key, value, mask);
    }

    protected override (Tensor Output, Tensor?[] Saved) Forward(Settings call, IReadOnlyList<Tensor> inputs)
    {
        var (q, k, v) = Heads(call, inputs);
        Tensor kept = Dropout.Drop(Probabilities(q, k, inputs.ElementAtOrDefault(3)), call.Dropout);
        return (Joined(kept.matmul(v)), [.. inputs]);
    }

    protected override Tensor?[] Backward(Settings call, IReadOnlyList<Tensor> saved, Tensor gradient)
    {
        var (q, k, v) = Heads(call, saved);
        Tensor? mask = saved.ElementAtOrDefault(3);
        Tensor probabilities = Probabilities(q, k, mask), above = Split(gradient, call.Heads);
        Tensor valueGradient = Dropout.Drop(probabilities, call.Dropout).transpose(-2, -1).matmul(above);
        Tensor scores = Dropout.Drop(above.matmul(v.transpose(-2, -1)), call.Dropout).mul_(probabilities);
        scores = scores.sub_(probabilities.mul_(scores.sum(-1, keepdim: true)));
        Tensor? maskGradient = call.MaskLearns ? SumTo(scores, mask!.shape) : null;
        scores = scores.mul_(Scale(q));
        Tensor?[] gradients = [Joined(scores.matmul(k)), Joined(scores.transpose(-2, -1).matmul(q)), Joined(valueGradient)];
        return mask is null ? gradients : [.. gradients, maskGradient];
    }

    private static Tensor Probabilities(Tensor q, Tensor k, Tensor? mask)
    {
        Tensor scores = q.matmul(k.transpose(-2, -1)).mul_(Scale(q));
        // A row without any key is all zeros, as scaled_dot_product_attention has it.
        return mask is null ? scores.softmax(-1) : scores.add_(mask).softmax(-1).nan_to_num_(0);
    }

    private static double Scale(Tensor q) => 1 / Math.Sqrt(q.shape[^1]);

    private static (Tensor Q, Tensor K, Tensor V) Heads(Settings call, IReadOnlyList<Tensor> inputs) =>
        (Split(inputs[0], call.Heads), Split(inputs[1], call.Heads), Split(inputs[2], call.Heads));

    private static Tensor Split(Tensor x, int heads) => x.reshape(x.shape[0], x.shape[1], heads, -1).transpose(1, 2);

    private static Tensor Joined(Tensor x) => x.transpose(1, 2).flatten(2);

    private static Tensor SumTo(Tensor x, long[] shape)
    {
        long[] broadcast = [.. Enumerable.Range(0, shape.Length).Where(d => shape[d] == 1 && x.shape[d] > 1)];
        return broadcast.Length == 0 ? x.clone() : x.sum(broadcast, keepdim: true);
    }

    internal sealed record Settings(int Heads, DropoutSite Dropout, bool MaskLearns);
}
