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

    public Batch Collate(IReadOnlyList<Example> examples, bool withLabels) => task.Processor.Collate(examples, device, withLabels);

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

    /// <summary>Forward and backward pass: gradients add up, unless the loss is not finite.</summary>
    /// <param name="prepared">The rows as the task prepared them.</param>
    /// <param name="set">The data set that they are of.</param>
    /// <param name="rows">Their numbers in it.</param>
    /// <param name="context">The call.</param>
    /// <returns>The loss summed over what it counts, and how many that were.</returns>
    public (double Sum, long Count) Learn(IReadOnlyList<Example> prepared, IReadOnlyList<Example> set, int[] rows, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        using Batch batch = Collate(prepared, withLabels: true);
        (Tensor loss, long count) = task.Loss(Answer(batch, set, rows, context), batch);
        double value = loss.ToDouble();
        if (count > 0 && double.IsFinite(value))
            BackwardPass.Run(loss);
        return (value, count);
    }
}
