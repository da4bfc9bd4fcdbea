namespace Microsoft.ML.Peft.Training;

/// <summary>What a method of fine-tuning trains with where its user says nothing. Each method has one, with its options.</summary>
/// <param name="LearningRate">The highest learning rate.</param>
internal sealed record TrainingDefaults(double LearningRate)
{
    public int BatchSize { get; init; } = 32;

    public int MaxEpochs { get; init; } = 3;

    public TrainingOptimizer Optimizer { get; init; } = TrainingOptimizer.AdamW;

    public LearningRateSchedule Schedule { get; init; } = LearningRateSchedule.Linear;

    public double WarmupRatio { get; init; } = 0.06;

    public double MaxGradientNorm { get; init; } = 1;

    public double WeightDecay { get; init; } = 0.01;

    public bool GradientCheckpointing { get; init; }
}

/// <summary>The settings of a run: what the user said, and the method's own values where that is nothing.</summary>
/// <param name="Given">What the user said.</param>
/// <param name="Method">The method's own values.</param>
internal sealed record TrainingSettings(TrainingOptions Given, TrainingDefaults Method)
{
    private static readonly TrainingOptions s_plain = new();

    /// <summary>Whether what moves is kept as it was at the start, to go back towards it in the end (<see cref="WeightInterpolation"/>).</summary>
    public bool KeepsStart { get; init; }

    public int BatchSize => Given.BatchSize ?? Method.BatchSize;

    public int MaxEpochs => Given.MaxEpochs ?? Method.MaxEpochs;

    public double LearningRate => Given.LearningRate ?? Method.LearningRate;

    public TrainingOptimizer Optimizer => Given.Optimizer ?? Method.Optimizer;

    public LearningRateSchedule Schedule => Given.Schedule ?? Method.Schedule;

    public double WarmupRatio => Given.WarmupRatio ?? Method.WarmupRatio;

    public double MaxGradientNorm => Given.MaxGradientNorm ?? Method.MaxGradientNorm;

    public double WeightDecay => Given.WeightDecay ?? Method.WeightDecay;

    public bool GradientCheckpointing => Given.GradientCheckpointing ?? Method.GradientCheckpointing;

    /// <summary>The metric's name as runs are compared by it: its case says nothing.</summary>
    public string? EarlyStoppingMetric => Given.EarlyStoppingMetric?.ToLowerInvariant();

    /// <exception cref="ArgumentException">A setting is out of range; the message names it.</exception>
    public void Validate()
    {
        AtLeast(1, BatchSize, nameof(BatchSize));
        AtLeast(1, Given.MiniBatchSize, nameof(Given.MiniBatchSize));
        AtLeast(1, MaxEpochs, nameof(MaxEpochs));
        AtLeast(1, Given.MaxSteps ?? 1, nameof(Given.MaxSteps));
        AtLeast(1, Given.GradientAccumulationSteps, nameof(Given.GradientAccumulationSteps));
        AtLeast(1, Given.EvaluateEvery, nameof(Given.EvaluateEvery));
        AtLeast(1, Given.EarlyStoppingPatience ?? 1, nameof(Given.EarlyStoppingPatience));
        AtLeast(1, Given.CheckpointEverySteps, nameof(Given.CheckpointEverySteps));
        AtLeast(0, Given.WarmupSteps ?? 0, nameof(Given.WarmupSteps));
        Within(LearningRate, double.Epsilon, double.MaxValue, nameof(LearningRate), "positive");
        Within(Given.Beta1, 0, double.BitDecrement(1), nameof(Given.Beta1), "in [0, 1)");
        Within(Given.Beta2, 0, double.BitDecrement(1), nameof(Given.Beta2), "in [0, 1)");
        Within(Given.Epsilon, 0, double.MaxValue, nameof(Given.Epsilon), "0 or more");
        Within(WeightDecay, 0, double.MaxValue, nameof(WeightDecay), "0 or more");
        Within(WarmupRatio, 0, 1, nameof(WarmupRatio), "in [0, 1]");
        Within(MaxGradientNorm, 0, double.MaxValue, nameof(MaxGradientNorm), "0 or more");
        if (!Enum.IsDefined(Optimizer))
            throw new ArgumentOutOfRangeException(nameof(Optimizer), Optimizer, $"{nameof(Optimizer)} is not one of the optimizers.");
        if (Optimizer == TrainingOptimizer.Sgd && (Given.Beta2, Given.Epsilon) != (s_plain.Beta2, s_plain.Epsilon))
        {
            throw new ArgumentException(
                $"{nameof(Given.Beta2)} and {nameof(Given.Epsilon)} are AdamW's, and {nameof(TrainingOptimizer.Sgd)} has neither: leave them at their defaults.");
        }
        if (!Enum.IsDefined(Schedule))
            throw new ArgumentOutOfRangeException(nameof(Schedule), Schedule, $"{nameof(Schedule)} is not one of the schedules.");
    }

    private static void AtLeast(int least, int value, string name)
    {
        if (value < least)
            throw new ArgumentOutOfRangeException(name, value, $"{name} must be {least} or more.");
    }

    // Written so that NaN fails.
    private static void Within(double value, double least, double most, string name, string range)
    {
        if (!(value >= least && value <= most))
            throw new ArgumentOutOfRangeException(name, value, $"{name} must be {range}.");
    }
}
