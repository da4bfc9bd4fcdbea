using Microsoft.ML;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Training;
using static TorchSharp.torch;

namespace RealModels.Tests.EndToEnd;

/// <summary>A model's loss on rows, whether it was trained or not.</summary>
internal static class Losses
{
    private const int BatchSize = 8;

    /// <summary>The mean over all labelled tokens, in nats.</summary>
    public static double Of(PeftTransformer model, IDataView rows)
    {
        TaskRuntime task = model.Scorer.Task;
        using RowSet read = RowSet.Read(rows, task.InputColumns(rows.Schema).Concat(task.LabelColumns), row => task.CreateReader(row, withLabels: true), () => { });
        return Evaluator.Run(new BatchRunner(model.Scorer.Model, task, TestDevice.Device), task.Pack(read.Examples), BatchSize)[TrainingMetrics.Loss];
    }
}
