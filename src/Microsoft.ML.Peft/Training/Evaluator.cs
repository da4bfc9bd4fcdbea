using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training;

/// <summary>Loss and metrics over a whole data set.</summary>
internal static class Evaluator
{
    // A task that draws (masks) draws the same every time, so that evaluations compare.
    private const long Seed = 0;

    public static Dictionary<string, double> Run(BatchRunner runner, IReadOnlyList<Example> examples, int batchSize)
    {
        ITaskMetrics metrics = runner.Task.CreateMetrics();
        double sum = 0;
        long count = 0;
        using var noGrad = no_grad();
        var random = new SplitMix64(Seed);
        IEnumerable<Pending<(Tensor, Batch)>> batches = RowGroups.Of(examples, runner.Task).ForScoring(batchSize).Select(rows => runner.BeginAnswer(
            runner.Task.Prepare(Array.ConvertAll(rows, row => examples[row]), random), examples, rows, ForwardContext.Inference));
        foreach (Pending<(Tensor, Batch)> begun in batches.OneAhead())
        {
            using var scope = NewDisposeScope();
            (Tensor answer, Batch batch) = begun.Finish();
            using Batch owned = batch;
            (Tensor loss, long counted) = runner.Task.Loss(answer, batch);
            metrics.Add(answer, batch);
            sum += loss.ToDouble();
            count += counted;
        }
        var result = new Dictionary<string, double> { [TrainingMetrics.Loss] = sum / Math.Max(1, count) };
        foreach (var (name, value) in metrics.Result)
            result[name] = value;
        return result;
    }
}
