using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training;

/// <summary>What training asks of a task: what an answer costs, and how it is judged.</summary>
internal interface ITrainingObjective
{
    /// <summary>What makes batches of rows.</summary>
    InputProcessor Processor { get; }

    /// <summary>Changes a batch of rows for this step of training (masking).</summary>
    IReadOnlyList<Example> Prepare(IReadOnlyList<Example> examples, Random random);

    /// <summary>Rows as a step of training takes them: varied and changed. It may be called a step ahead.</summary>
    IReadOnlyList<Example> ForTraining(IReadOnlyList<Example> examples, Random random) => Prepare(Processor.Augment(examples, random), random);

    /// <summary>Rows of different groups never share a batch in training and evaluation.</summary>
    int GroupOf(Example example);

    /// <summary>What loss, metrics and predictions are made of.</summary>
    /// <param name="head">The head that the task made.</param>
    /// <param name="hidden">[B, positions, hidden], what the head reads.</param>
    /// <param name="batch">The rows.</param>
    /// <param name="context">The call.</param>
    Tensor Answer(Head head, Tensor hidden, Batch batch, ForwardContext context);

    /// <summary>The loss summed over what it counts, and how many that were.</summary>
    (Tensor Sum, long Count) Loss(Tensor answer, Batch batch);

    /// <summary>
    /// Whether the loss compares the rows of a batch with each other (contrastive): it is then computed at once, and is no sum over
    /// parts.
    /// </summary>
    bool LossNeedsWholeBatch { get; }

    /// <summary>
    /// Whether such a loss reads nothing of the model but the rows' answers, each made from its row alone, and weights that no answer needs: a large
    /// batch is then answered piece by piece (<see cref="BatchPieces"/>), and the batch that the loss gets has its rows and no tensors.
    /// </summary>
    bool LossReadsAnswersAlone { get; }

    /// <summary>Metrics over a whole data set.</summary>
    ITaskMetrics CreateMetrics();
}

/// <summary>Metrics that add up over batches.</summary>
internal interface ITaskMetrics
{
    /// <param name="answer">What <see cref="ITrainingObjective.Answer"/> gave.</param>
    /// <param name="batch">The rows, with labels.</param>
    void Add(Tensor answer, Batch batch);

    /// <summary>Name and value, by the names in <see cref="TrainingMetrics"/>; the names are there before the first batch.</summary>
    IReadOnlyList<(string Name, double Value)> Result { get; }
}
