using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training;

/// <summary>From rows to the task's answer, over the whole model or over features that were computed before.</summary>
internal sealed class BatchRunner(TunedModel model, ITrainingObjective task, Device device)
{
    /// <summary>Features of the rows, where the base is frozen.</summary>
    public FeatureCache? Cache { get; set; }

    public ITrainingObjective Task => task;

    /// <summary>Rows that are run at once where the loss reads the rows' answers alone.</summary>
    public int PieceSize { get; set; } = int.MaxValue;

    /// <summary>Rows as the model reads them.</summary>
    public Batch Collate(IReadOnlyList<Example> examples, bool withLabels) => task.Processor.Collate(examples, device, withLabels);

    /// <summary>Rows with what is learnt, for <c>Answer</c>: where features were computed before, what a processor makes (pixels) is left out.</summary>
    public Batch CollateToLearn(IReadOnlyList<Example> prepared) =>
        Cache is null ? Collate(prepared, withLabels: true) : Batch.Collate(prepared, device, withLabels: true);

    public Tensor Features(Batch batch, ForwardContext context) => model.Features(batch, context);

    /// <summary>Whether features can be computed once: the base is frozen, and the task does not change its rows from step to step.</summary>
    public bool CanCache(IReadOnlyList<Example> set)
    {
        Example[] sample = [set[0]];
        return !model.Tuner.TouchesBase && ReferenceEquals(task.Prepare(sample, new SplitMix64(0)), sample);
    }

    /// <param name="batch">The rows as the task prepared them.</param>
    /// <param name="set">The data set that they are of.</param>
    /// <param name="rows">Their numbers in it.</param>
    /// <param name="context">The call.</param>
    public Tensor Answer(Batch batch, IReadOnlyList<Example> set, int[] rows, ForwardContext context)
    {
        using Tensor features = Cache?.Features(set, rows, device) ?? Features(batch, context);
        return task.Answer(model.Head, features, batch, context);
    }

    /// <summary>Answers rows, piece by piece where they are more than a piece and the loss allows it; no graph is to be recorded.</summary>
    /// <param name="prepared">The rows as the task prepared them.</param>
    /// <param name="set">The data set that they are of.</param>
    /// <param name="rows">Their numbers in it.</param>
    /// <param name="context">The call.</param>
    /// <returns>The answer, and its rows; both are the caller's.</returns>
    public (Tensor Answer, Batch Batch) Answer(IReadOnlyList<Example> prepared, IReadOnlyList<Example> set, int[] rows, ForwardContext context)
    {
        if (RunsInPieces(rows.Length))
            return (new BatchPieces(this, prepared, set, rows, context).Answer(), new Batch { Examples = prepared });
        Batch batch = CollateToLearn(prepared);
        return (Answer(batch, set, rows, context), batch);
    }

    /// <summary>Forward and backward pass: gradients add up, unless the loss is not finite.</summary>
    /// <param name="prepared">The rows as the task prepared them.</param>
    /// <param name="set">The data set that they are of.</param>
    /// <param name="rows">Their numbers in it.</param>
    /// <param name="context">The call.</param>
    /// <returns>The loss summed over what it counts, and how many that were.</returns>
    public (double Sum, long Count) Learn(IReadOnlyList<Example> prepared, IReadOnlyList<Example> set, int[] rows, ForwardContext context)
    {
        (double, long) result = Pass(prepared, set, rows, context);
        // TorchSharp hands libtorch delegates for each function with a backward pass. .NET keeps some bytes of malloc's heap for each until
        // it is collected, and around these the heap fills with holes: a fit's peak was a fifth higher.
        GC.Collect(1, GCCollectionMode.Forced, blocking: true);
        return result;
    }

    /// <summary>The loss of an answer, and its backward pass unless it is not finite.</summary>
    public (double Sum, long Count) LearnFrom(Tensor answer, Batch batch)
    {
        (Tensor loss, long count) = task.Loss(answer, batch);
        double value = loss.ToDouble();
        if (count > 0 && double.IsFinite(value))
            BackwardPass.Run(loss);
        return (value, count);
    }

    private (double Sum, long Count) Pass(IReadOnlyList<Example> prepared, IReadOnlyList<Example> set, int[] rows, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        if (RunsInPieces(rows.Length))
            return new BatchPieces(this, prepared, set, rows, context).Learn();
        using Batch batch = CollateToLearn(prepared);
        return LearnFrom(Answer(batch, set, rows, context), batch);
    }

    /// <summary>Whether so many rows are answered piece by piece.</summary>
    public bool RunsInPieces(int rows) => task.LossReadsAnswersAlone && rows > PieceSize;
}
