namespace Microsoft.ML.Peft;

/// <summary>How a model is trained: batches, AdamW, learning rate, when to stop, what to keep. One set serves every task and tuner.</summary>
public sealed class TrainingOptions
{
    /// <summary>Rows in a batch. Default 32.</summary>
    public int BatchSize { get; set; } = 32;

    /// <summary>Times that every row is seen. Default 3.</summary>
    public int MaxEpochs { get; set; } = 3;

    /// <summary>Updates after which the run ends, should it come before the last epoch; null (the default) for no such limit.</summary>
    public int? MaxSteps { get; set; }

    /// <summary>The highest learning rate. Default 1e-4; tuners with few parameters want more (LoRA 1e-3).</summary>
    public double LearningRate { get; set; } = 1e-4;

    /// <summary>How AdamW's state is held: in memory or paged, in 32 bits or in 8. Default <see cref="TrainingOptimizer.AdamW"/>.</summary>
    public TrainingOptimizer Optimizer { get; set; }

    /// <summary>AdamW's decay of the gradient's running mean (β₁). Default 0.9.</summary>
    public double Beta1 { get; set; } = 0.9;

    /// <summary>AdamW's decay of the squared gradient's running mean (β₂). Default 0.999.</summary>
    public double Beta2 { get; set; } = 0.999;

    /// <summary>AdamW's ε, which keeps its quotient finite. Default 1e-8.</summary>
    public double Epsilon { get; set; } = 1e-8;

    /// <summary>Decoupled weight decay (Loshchilov and Hutter 2019), a share of the learning rate. Default 0.01.</summary>
    public double WeightDecay { get; set; } = 0.01;

    /// <summary>Whether biases and norms, parameters of one dimension, decay as well. Default false.</summary>
    public bool DecayBiasesAndNorms { get; set; }

    /// <summary>How the learning rate falls. Default linear.</summary>
    public LearningRateSchedule Schedule { get; set; } = LearningRateSchedule.Linear;

    /// <summary>The share of all steps over which the learning rate rises from 0. Default 0.06.</summary>
    public double WarmupRatio { get; set; } = 0.06;

    /// <summary>Steps over which the learning rate rises from 0, in place of <see cref="WarmupRatio"/>; null (the default) to use that.</summary>
    public int? WarmupSteps { get; set; }

    /// <summary>The gradient's Euclidean norm over all parameters is scaled down to this. Default 1; 0 turns it off.</summary>
    public double MaxGradientNorm { get; set; } = 1;

    /// <summary>Batches whose gradients make one update: the same update as one batch that large, in less memory. Default 1.</summary>
    public int GradientAccumulationSteps { get; set; } = 1;

    /// <summary>Whether an even batch is computed in two halves, each of rows of like length, which saves padding; an odd one is of like length whole. Default true.</summary>
    public bool GroupByLength { get; set; } = true;

    /// <summary>Whether blocks are computed again for the backward pass: about a quarter more time, half the memory. Default false.</summary>
    public bool GradientCheckpointing { get; set; }

    /// <summary>Evaluations without improvement after which the run ends; null (the default) for never. Needs a validation set.</summary>
    public int? EarlyStoppingPatience { get; set; }

    /// <summary>The validation metric, higher being better, that decides which evaluation is best; null (the default) for the validation loss.</summary>
    public string? EarlyStoppingMetric { get; set; }

    /// <summary>Whether a run with a validation set hands back the weights of its best evaluation, not its last weights. Default true.</summary>
    public bool KeepBest { get; set; } = true;

    /// <summary>Epochs between evaluations. Default 1.</summary>
    public int EvaluateEvery { get; set; } = 1;

    /// <summary>
    /// The folder where the state of the run is kept, so that an interrupted run goes on to the same bits; null (the
    /// default) for nowhere. The file is removed when the run is complete.
    /// </summary>
    public string? CheckpointFolder { get; set; }

    /// <summary>Steps between two writings of the state. Default 500. A cancelled run writes it in any case.</summary>
    public int CheckpointEverySteps { get; set; } = 500;

    /// <summary>Whether a state that lies in <see cref="CheckpointFolder"/> is taken up. Default true; false starts over.</summary>
    public bool Resume { get; set; } = true;

    /// <summary>Is told of every step, with the evaluation where one follows it; called on the thread that trains. Null (the default) for nobody.</summary>
    public IProgress<TrainingProgress>? Progress { get; set; }

    /// <summary>Ends the run after the step it is in; the model keeps what was learnt (the best weights where it was evaluated).</summary>
    public CancellationToken CancellationToken { get; set; }

    /// <exception cref="ArgumentException">A setting is out of range; the message names it.</exception>
    internal void Validate()
    {
        AtLeast(1, BatchSize, nameof(BatchSize));
        AtLeast(1, MaxEpochs, nameof(MaxEpochs));
        AtLeast(1, MaxSteps ?? 1, nameof(MaxSteps));
        AtLeast(1, GradientAccumulationSteps, nameof(GradientAccumulationSteps));
        AtLeast(1, EvaluateEvery, nameof(EvaluateEvery));
        AtLeast(1, EarlyStoppingPatience ?? 1, nameof(EarlyStoppingPatience));
        AtLeast(1, CheckpointEverySteps, nameof(CheckpointEverySteps));
        AtLeast(0, WarmupSteps ?? 0, nameof(WarmupSteps));
        Within(LearningRate, double.Epsilon, double.MaxValue, nameof(LearningRate), "positive");
        Within(Beta1, 0, double.BitDecrement(1), nameof(Beta1), "in [0, 1)");
        Within(Beta2, 0, double.BitDecrement(1), nameof(Beta2), "in [0, 1)");
        Within(Epsilon, 0, double.MaxValue, nameof(Epsilon), "0 or more");
        Within(WeightDecay, 0, double.MaxValue, nameof(WeightDecay), "0 or more");
        Within(WarmupRatio, 0, 1, nameof(WarmupRatio), "in [0, 1]");
        Within(MaxGradientNorm, 0, double.MaxValue, nameof(MaxGradientNorm), "0 or more");
        if (!Enum.IsDefined(Optimizer))
            throw new ArgumentOutOfRangeException(nameof(Optimizer), Optimizer, $"{nameof(Optimizer)} is not one of the optimizers.");
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
