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

    public TunedModel Model => model;

    public ITrainingObjective Task => task;

    /// <summary>Rows that are run at once where the loss reads the rows' answers alone.</summary>
    public int PieceSize { get; set; } = int.MaxValue;

    /// <summary>Begins a batch; without the model's inputs where features stand for them.</summary>
    public Pending<Batch> Begin(IReadOnlyList<Example> examples, bool withLabels) =>
        Cache is null ? BeginInputs(examples, withLabels) : new(() => Batch.Collate(examples, device, withLabels));

    /// <summary>Begins a batch with the model's inputs.</summary>
    public Pending<Batch> BeginInputs(IReadOnlyList<Example> examples, bool withLabels) => task.Processor.Begin(examples, device, withLabels);

    public Tensor Features(Batch batch, ForwardContext context) => model.Features(batch, context);

    /// <summary>Whether features can be computed once: the base is frozen, and the rows stay as they are.</summary>
    public bool CanCache(IReadOnlyList<Example> set) => !model.Tuner.TouchesBase && RowsStay(set);

    /// <summary>Whether the task does not change its rows from step to step.</summary>
    public bool RowsStay(IReadOnlyList<Example> set)
    {
        Example[] sample = [set[0]];
        return ReferenceEquals(task.ForTraining(sample, new SplitMix64(0)), sample);
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

    /// <summary>Begins to answer rows, piece by piece where they are more than a piece and the loss allows it; no graph is to be recorded.</summary>
    /// <param name="prepared">The rows as the task prepared them.</param>
    /// <param name="set">The data set that they are of.</param>
    /// <param name="rows">Their numbers in it.</param>
    /// <param name="context">The call.</param>
    /// <returns>The answer, and its rows; both are the caller's.</returns>
    public Pending<(Tensor Answer, Batch Batch)> BeginAnswer(IReadOnlyList<Example> prepared, IReadOnlyList<Example> set, int[] rows, ForwardContext context) =>
        RunsInPieces(rows.Length)
            ? new(() => (new BatchPieces(this, prepared, set, rows, context).Answer(), new Batch { Examples = prepared }))
            : Begin(prepared, withLabels: true).Then(batch => (Answer(batch, set, rows, context), batch));

    /// <summary>Forward and backward pass: gradients add up, unless the loss is not finite. It runs when it is finished; the batch is begun.</summary>
    /// <param name="prepared">The rows as the task prepared them.</param>
    /// <param name="set">The data set that they are of.</param>
    /// <param name="rows">Their numbers in it.</param>
    /// <param name="context">The call.</param>
    /// <returns>The loss summed over what it counts, and how many that were.</returns>
    public Pending<(double Sum, long Count)> BeginLearning(IReadOnlyList<Example> prepared, IReadOnlyList<Example> set, int[] rows, ForwardContext context)
    {
        if (RunsInPieces(rows.Length))
            return new(() => new BatchPieces(this, prepared, set, rows, context).Learn());
        return Begin(prepared, withLabels: true).Then(batch => Pass(batch, set, rows, context));
    }

    /// <summary>The same at once.</summary>
    /// <inheritdoc cref="BeginLearning"/>
    public (double Sum, long Count) Learn(IReadOnlyList<Example> prepared, IReadOnlyList<Example> set, int[] rows, ForwardContext context)
    {
        using Pending<(double, long)> begun = BeginLearning(prepared, set, rows, context);
        return begun.Finish();
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

    /// <summary>
    /// Ends what a pass has left. TorchSharp hands libtorch delegates for each function with a backward pass. .NET keeps some bytes of malloc's heap for
    /// each until it is collected, and around these the heap fills with holes: a fit's peak was a fifth higher.
    /// </summary>
    public static void CollectDelegates() => GC.Collect(1, GCCollectionMode.Forced, blocking: true);

    /// <summary>Whether so many rows are answered piece by piece.</summary>
    public bool RunsInPieces(int rows) => task.LossReadsAnswersAlone && rows > PieceSize;

    private (double Sum, long Count) Pass(Batch batch, IReadOnlyList<Example> set, int[] rows, ForwardContext context)
    {
        (double, long) result;
        using (var scope = NewDisposeScope())
        using (batch)
            result = LearnFrom(Answer(batch, set, rows, context), batch);
        CollectDelegates();
        return result;
    }
}
