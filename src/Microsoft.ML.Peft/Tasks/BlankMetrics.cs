using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>Perplexity, and the share of tokens in blanks that were the likeliest given all before them.</summary>
internal sealed class BlankMetrics(ITaskMetrics perplexity) : ITaskMetrics
{
    // Positions whose logits exist at a time.
    private const int Chunk = 256;

    private double _right;
    private long _all;

    public IReadOnlyList<(string Name, double Value)> Result => [.. perplexity.Result, (TrainingMetrics.BlankAccuracy, _right / Math.Max(1, _all))];

    /// <summary>What each token of the blanks costs, and whether it was the likeliest [2, B, P]: more than training asks for.</summary>
    public static Tensor Judge(Head head, Tensor hidden, Batch batch, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        Tensor flat = hidden.flatten(0, 1), labels = batch.Labels!.flatten();
        var parts = new List<Tensor>();
        for (long start = 0; start < flat.size(0); start += Chunk)
        {
            using var chunk = NewDisposeScope();
            long count = Math.Min(Chunk, flat.size(0) - start);
            Tensor logits = head.Forward(flat.narrow(0, start, count), batch, context), asked = labels.narrow(0, start, count);
            Tensor losses = nn.functional.cross_entropy(logits, asked, ignore_index: Batch.IgnoredLabel, reduction: nn.Reduction.None);
            parts.Add(stack([losses, logits.argmax(-1).eq(asked).to(losses.dtype)]).MoveToOuterDisposeScope());
        }
        return cat(parts, 1).view([2, .. batch.Labels!.Sizes()]).MoveToOuterDisposeScope();
    }

    /// <summary>What each token costs [B, P], of an answer in training or of <see cref="Judge"/>'s; it ends with the answer's own scope.</summary>
    public static Tensor LossesOf(Tensor answer) => answer.dim() == 3 ? answer[0] : answer;

    public void Add(Tensor answer, Batch batch)
    {
        using var scope = NewDisposeScope();
        perplexity.Add(answer[0], batch);
        _right += answer[1].sum().ToDouble();
        _all += batch.Examples.Sum(example => (long)example.Labels.Length);
    }
}
