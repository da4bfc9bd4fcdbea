namespace Microsoft.ML.Peft.Training;

/// <summary>Judges evaluations: keeps the weights of the best one and says when to stop (Prechelt 1998).</summary>
internal sealed class ModelSelection(TrainingOptions options, BestWeights best, ITrainingObjective task)
{
    private readonly string _metric = MetricOf(options, task);

    public bool HasLostPatience(TrainingState state) => options.EarlyStoppingPatience is { } patience && state.Unimproved >= patience;

    public void Judge(TrainingState state, Dictionary<string, double> metrics)
    {
        double score = TrainingMetrics.Score(_metric, metrics[_metric]);
        // Written so that NaN is never an improvement.
        if (!(score > (state.BestScore ?? double.NegativeInfinity)))
        {
            state.Unimproved++;
            return;
        }
        (state.BestScore, state.BestStep, state.Best, state.Unimproved) = (score, state.Step, metrics, 0);
        if (options.KeepBest)
            best.Keep();
    }

    // Known before the first step: the names do not depend on the rows.
    private static string MetricOf(TrainingOptions options, ITrainingObjective task)
    {
        if (options.EarlyStoppingMetric is not { } wanted)
            return TrainingMetrics.Loss;
        string[] known = [TrainingMetrics.Loss, .. task.CreateMetrics().Result.Select(metric => metric.Name)];
        return known.FirstOrDefault(name => name.Equals(wanted, StringComparison.OrdinalIgnoreCase)) ?? throw new ArgumentException(
            $"{nameof(TrainingOptions.EarlyStoppingMetric)} '{wanted}' is none of this task's metrics: {string.Join(", ", known)}.");
    }
}
