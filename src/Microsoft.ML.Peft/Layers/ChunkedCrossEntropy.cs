using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>
/// Cross-entropy behind an output matrix, a few rows at a time. Over a frozen matrix the gradient is made together with the
/// loss, while the rows' logits are there, so that nothing is computed twice and only [rows, hidden] is kept.
/// </summary>
internal sealed class ChunkedCrossEntropy : GradientFunction<ChunkedCrossEntropy, ChunkedCrossEntropy.Target>
{
    /// <summary>Logits that exist at a time.</summary>
    private const long MostLogits = 8 << 20;

    private const long NoLabel = -100;

    /// <param name="hidden">[N, in]</param>
    /// <param name="labels">N of them in any shape, int64, -100 where there is none. The backward pass reads them again: they must live till then.</param>
    /// <param name="output">The matrix [classes, in].</param>
    /// <param name="context">The call.</param>
    /// <returns>[N], 0 where there is no label.</returns>
    public static Tensor Apply(Tensor hidden, Tensor labels, Projection output, ForwardContext context)
    {
        long size = Math.Max(1, (long)(MostLogits / output.Weight.Outputs * context.Share));
        if (output.IsPlain(context) && is_grad_enabled() && hidden.requires_grad)
            return Call(new Target(labels.flatten(), output, size), hidden);
        return cat([.. Chunks(hidden.size(0), size).Select(chunk => context.Recompute(
            inputs => Losses(output.Forward(inputs[0], context), labels.flatten().narrow(0, chunk.Start, chunk.Count)),
            hidden.narrow(0, chunk.Start, chunk.Count)))]);
    }

    protected override (Tensor Output, Tensor?[] Saved) Forward(Target target, IReadOnlyList<Tensor> inputs)
    {
        var ((labels, output, size), hidden) = (target, inputs[0]);
        Tensor losses = empty([hidden.size(0)], hidden.dtype, hidden.device), gradient = empty_like(hidden);
        foreach (var (start, count) in Chunks(hidden.size(0), size))
        {
            using var chunk = NewDisposeScope();
            Tensor logits = output.Weight.Multiply(hidden.narrow(0, start, count), output.Bias?.Value);
            ToGradient(logits, labels.narrow(0, start, count), losses.narrow(0, start, count));
            gradient.narrow(0, start, count).copy_(output.Weight.InputGradient(logits));
        }
        return (losses, [gradient]);
    }

    protected override Tensor?[] Backward(Target target, IReadOnlyList<Tensor> saved, Tensor gradient) => [saved[0] * gradient.unsqueeze(1)];

    private static Tensor Losses(Tensor logits, Tensor labels) =>
        nn.functional.cross_entropy(logits, labels, ignore_index: NoLabel, reduction: nn.Reduction.None);

    /// <summary>Makes logits softmax - one, in their own memory, 0 where there is no label; and writes the losses.</summary>
    private static void ToGradient(Tensor logits, Tensor labels, Tensor losses)
    {
        if (PeftNative.Takes(logits) && labels.device_type == DeviceType.CPU)
        {
            ToGradientNatively(logits, labels, losses);
            return;
        }
        losses.copy_(Losses(logits, labels));
        Tensor counted = labels.ne(NoLabel).to(logits.dtype).unsqueeze(1);
        Tensor index = labels.clamp(min: 0).unsqueeze(1);
        logits.sub_(logits.logsumexp(1, keepdim: true)).exp_();
        logits.scatter_add_(1, index, ones_like(index, logits.dtype).neg_()).mul_(counted);
    }

    private static void ToGradientNatively(Tensor logits, Tensor labels, Tensor losses)
    {
        long highest = labels.max().item<long>();
        if (highest >= logits.size(1))
            throw new ArgumentOutOfRangeException(nameof(labels), $"A label is {highest}; there are {logits.size(1)} classes.");
        NativeMethods.CrossEntropy(
            NativeMethods.BestIsa, logits, labels, logits.size(0), logits.size(1),
            losses);
    }

    private static IEnumerable<(long Start, long Count)> Chunks(long rows, long size)
    {
        for (long start = 0; start < rows; start += size)
            yield return (start, Math.Min(size, rows - start));
    }

    /// <param name="Labels">[N]</param>
    /// <param name="Output">The frozen matrix.</param>
    /// <param name="Size">Rows whose logits exist at a time.</param>
    internal sealed record Target(Tensor Labels, Projection Output, long Size);
}
