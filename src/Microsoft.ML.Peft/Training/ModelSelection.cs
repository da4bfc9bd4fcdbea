namespace Microsoft.ML.Peft.Training;

/// <summary>Judges evaluations: keeps the weights of the best one and says when to stop (Prechelt 1998).</summary>
internal sealed class ModelSelection(TrainingSettings options, BestWeights best)
{
    public bool HasLostPatience(TrainingState state) => options.Given.EarlyStoppingPatience is { } patience && state.Unimproved >= patience;

    public void Judge(TrainingState state, Dictionary<string, double> metrics)
    {
        double score = Score(metrics);
        // Written so that NaN is never an improvement.
        if (!(score > (state.BestScore ?? double.NegativeInfinity)))
        {
            state.Unimproved++;
            return;
        }
        (state.BestScore, state.BestStep, state.Best, state.Unimproved) = (score, state.Step, metrics, 0);
        if (options.Given.KeepBest)
            best.Keep();
    }

    private double Score(Dictionary<string, double> metrics)
    {
        if (options.Given.EarlyStoppingMetric is not { } name)
            return -metrics[Evaluator.Loss];
        return metrics.TryGetValue(name, out double value) ? value : throw new ArgumentException(
            $"{nameof(TrainingOptions.EarlyStoppingMetric)} '{name}' is none of this task's metrics: {string.Join(", ", metrics.Keys)}.");
    }
}
