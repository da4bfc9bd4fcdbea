using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
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

    /// <param name="batch">The rows as the task prepared them.</param>
    /// <param name="set">The data set that they are of.</param>
    /// <param name="rows">Their numbers in it.</param>
    /// <param name="context">The call.</param>
    public Tensor Answer(Batch batch, IReadOnlyList<Example> set, int[] rows, ForwardContext context)
    {
        using Tensor features = Cache?.Features(set, rows, device) ?? Features(batch, context);
        return task.Answer(model.Head, features, batch, context);
    }
}
