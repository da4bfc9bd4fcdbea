using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>In TorchSharp's operations: any device, any number type, masks that learn.</summary>
internal sealed class TorchAttention : IAttentionKernel
{
    public (Tensor Output, Tensor? Sums) Forward(AttentionSettings settings, IReadOnlyList<Tensor> inputs)
    {
        var (q, k, v, mask) = Split(settings, inputs);
        return (Join(Dropout.Drop(Probabilities(q, k, mask, settings.Scale), settings.Dropout).matmul(v)), null);
    }

    public Tensor?[] Backward(AttentionSettings settings, IReadOnlyList<Tensor> inputs, Tensor? sums, Tensor gradient)
    {
        var (q, k, v, mask) = Split(settings, inputs);
        Tensor above = Split(gradient, settings.Heads), probabilities = Probabilities(q, k, mask, settings.Scale);
        Tensor valueGradient = Dropout.Drop(probabilities, settings.Dropout).transpose(-2, -1).matmul(above);
        Tensor scores = Dropout.Drop(above.matmul(v.transpose(-2, -1)), settings.Dropout).mul_(probabilities);
        scores.sub_(probabilities.mul_(scores.sum(-1, keepdim: true)));
        Tensor? maskGradient = mask is not null && settings.Asks[3] ? SumTo(scores, mask.Sizes()) : null;
        scores.mul_(settings.Scale);
        Tensor?[] gradients = [Join(scores.matmul(k)), Join(scores.transpose(-2, -1).matmul(q)), Join(valueGradient), maskGradient];
        return gradients[..inputs.Count];
    }

    private static Tensor Probabilities(Tensor q, Tensor k, Tensor? mask, double scale)
    {
        Tensor scores = q.matmul(k.transpose(-2, -1)).mul_(scale);
        if (mask is null)
            return scores.softmax(-1);
        // A query without any key is all zeros, as scaled_dot_product_attention has it.
        Tensor masked = scores.add_(mask), empty = masked.amax([-1], keepdim: true).isneginf();
        return masked.softmax(-1).masked_fill_(empty, 0);
    }

    private static (Tensor Q, Tensor K, Tensor V, Tensor? Mask) Split(AttentionSettings settings, IReadOnlyList<Tensor> inputs) => (
        Split(inputs[0], settings.Heads), Split(inputs[1], settings.Heads), Split(inputs[2], settings.Heads), inputs.ElementAtOrDefault(3));

    private static Tensor Split(Tensor x, int heads) => x.reshape(x.size(0), x.size(1), heads, -1).transpose(1, 2);

    private static Tensor Join(Tensor x) => x.transpose(1, 2).flatten(2);

    private static Tensor SumTo(Tensor x, long[] shape)
    {
        long[] broadcast = [.. Enumerable.Range(0, shape.Length).Where(d => shape[d] == 1)];
        return broadcast.Length == 0 ? x.clone() : x.sum(broadcast, keepdim: true);
    }
}
