namespace Microsoft.ML.Peft;

/// <summary>
/// How a model is trained: batches, optimizer, learning rate, when to stop, what to keep. One set serves every task and method; where
/// methods differ, null means the method's own value, so that a set made anew keeps what it does not name.
/// </summary>
public sealed class TrainingOptions
{
    /// <summary>Rows in a batch; null (the default) for the method's own: 32, QLoRA 16.</summary>
    public int? BatchSize { get; set; }

    /// <summary>
    /// Rows that are run at once where a loss compares the rows of a larger batch with each other (contrastive): the batch is answered piece by piece,
    /// and once more to learn (gradient caching, Gao et al. 2021), so that it takes the memory of a piece and a third more time. Default 32.
    /// Where the loss is a sum over rows it says nothing.
    /// </summary>
    public int MiniBatchSize { get; set; } = 32;

    /// <summary>Times that every row is seen; null (the default) for the method's own: 3, a linear probe 10.</summary>
    public int? MaxEpochs { get; set; }

    /// <summary>Updates after which the run ends, should it come before the last epoch; null (the default) for no such limit.</summary>
    public int? MaxSteps { get; set; }

    /// <summary>The highest learning rate; null (the default) for the method's own: LoRA and a linear probe 1e-3, QLoRA 2e-4, every weight 2e-5.</summary>
    public double? LearningRate { get; set; }

    /// <summary>
    /// AdamW, whose state is held in memory or paged, in 32 bits or in 8, or SGD; null (the default) for the method's own:
    /// <see cref="TrainingOptimizer.AdamW"/>, QLoRA <see cref="TrainingOptimizer.PagedAdamW32Bit"/>, CoOp <see cref="TrainingOptimizer.Sgd"/>.
    /// </summary>
    [NotLearnt]
    public TrainingOptimizer? Optimizer { get; set; }

    /// <summary>AdamW's decay of the gradient's running mean (β₁), SGD's momentum. Default 0.9.</summary>
    public double Beta1 { get; set; } = 0.9;

    /// <summary>AdamW's decay of the squared gradient's running mean (β₂). Default 0.999.</summary>
    public double Beta2 { get; set; } = 0.999;

    /// <summary>AdamW's ε, which keeps its quotient finite. Default 1e-8.</summary>
    public double Epsilon { get; set; } = 1e-8;

    /// <summary>
    /// Weight decay, AdamW's decoupled from the gradient (Loshchilov and Hutter 2019), a share of the learning rate; null (the default) for the method's
    /// own: 0.01, CoOp 5e-4.
    /// </summary>
    public double? WeightDecay { get; set; }

    /// <summary>Whether biases and norms, parameters of one dimension, decay as well. Default false.</summary>
    public bool DecayBiasesAndNorms { get; set; }

    /// <summary>How the learning rate falls; null (the default) for the method's own: linear, QLoRA constant.</summary>
    public LearningRateSchedule? Schedule { get; set; }

    /// <summary>The share of all steps over which the learning rate rises from 0; null (the default) for the method's own: 0.06, QLoRA 0.03.</summary>
    public double? WarmupRatio { get; set; }

    /// <summary>Steps over which the learning rate rises from 0, in place of <see cref="WarmupRatio"/>; null (the default) to use that.</summary>
    public int? WarmupSteps { get; set; }

    /// <summary>The gradient's Euclidean norm over all parameters is scaled down to this, 0 for never; null (the default) for the method's own: 1, QLoRA 0.3.</summary>
    public double? MaxGradientNorm { get; set; }

    /// <summary>Batches whose gradients make one update: the same update as one batch that large, in less memory. Default 1.</summary>
    public int GradientAccumulationSteps { get; set; } = 1;

    /// <summary>Whether an even batch is computed in two halves, each of rows of like length, which saves padding; an odd one is of like length whole. Default true.</summary>
    public bool GroupByLength { get; set; } = true;

    /// <summary>Whether blocks are computed again for the backward pass, about a quarter more time, half the memory; null (the default) for the method's own: false, QLoRA true.</summary>
    [NotLearnt]
    public bool? GradientCheckpointing { get; set; }

    /// <summary>Evaluations without improvement after which the run ends; null (the default) for never. Needs a validation set.</summary>
    public int? EarlyStoppingPatience { get; set; }

    /// <summary>
    /// The validation metric that decides which evaluation is best, by its name in <see cref="TrainingMetrics"/> in any case; null
    /// (the default) for the validation loss. Needs a validation set.
    /// </summary>
    public string? EarlyStoppingMetric { get; set; }

    /// <summary>Whether a run with a validation set hands back the weights of its best evaluation, not its last weights. Default true.</summary>
    public bool KeepBest { get; set; } = true;

    /// <summary>Epochs between evaluations. Default 1.</summary>
    public int EvaluateEvery { get; set; } = 1;

    /// <summary>
    /// The folder where the state of the run is kept, so that an interrupted run goes on to the same bits; null (the
    /// default) for nowhere. The file is removed when the run is complete.
    /// </summary>
    [NotLearnt]
    public string? CheckpointFolder { get; set; }

    /// <summary>Steps between two writings of the state. Default 500. A cancelled run writes it in any case.</summary>
    [NotLearnt]
    public int CheckpointEverySteps { get; set; } = 500;

    /// <summary>Whether a state that lies in <see cref="CheckpointFolder"/> is taken up. Default true; false starts over.</summary>
    [NotLearnt]
    public bool Resume { get; set; } = true;

    /// <summary>Is told of every step, with the evaluation where one follows it; called on the thread that trains. Null (the default) for nobody.</summary>
    [NotLearnt]
    public IProgress<TrainingProgress>? Progress { get; set; }

    /// <summary>
    /// Ends the run after the step it is in. The state is written where there is a <see cref="CheckpointFolder"/>, and the fit ends
    /// in an <see cref="OperationCanceledException"/>, unless <see cref="ReturnBestWhenCancelled"/> is set. To cancel the context's
    /// execution does the same.
    /// </summary>
    [NotLearnt]
    public CancellationToken CancellationToken { get; set; }

    /// <summary>
    /// Whether a run that is cancelled after its first step hands back what it has: the weights of its best evaluation, or its last ones
    /// where there was none. <see cref="PeftTransformer.Training"/> then says so. Default false.
    /// </summary>
    [NotLearnt]
    public bool ReturnBestWhenCancelled { get; set; }
}
