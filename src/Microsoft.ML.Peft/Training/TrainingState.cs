namespace Microsoft.ML.Peft.Training;

/// <summary>The position of a run: with weights and moments, all that a resumption needs. Written to checkpoints as JSON.</summary>
internal sealed class TrainingState
{
    public int Epoch { get; set; }

    /// <summary>Updates done in this epoch.</summary>
    public int EpochSteps { get; set; }

    /// <summary>Updates done in all.</summary>
    public int Step { get; set; }

    /// <summary>The loss of this epoch, summed over what it counts.</summary>
    public double LossSum { get; set; }

    public long LossCount { get; set; }

    /// <summary>The lowest mean loss of an epoch so far.</summary>
    public double? LowestLoss { get; set; }

    /// <summary>The best evaluation: what it was judged by (higher is better), its step and its metrics.</summary>
    public double? BestScore { get; set; }

    public int? BestStep { get; set; }

    public Dictionary<string, double>? Best { get; set; }

    /// <summary>The last evaluation of this epoch.</summary>
    public Dictionary<string, double>? Validation { get; set; }

    /// <summary>The epochs that were done.</summary>
    public List<TrainingEpoch> History { get; set; } = [];

    /// <summary>Whether a rising loss was warned of.</summary>
    public bool HasWarned { get; set; }

    /// <summary>Evaluations since the best one.</summary>
    public int Unimproved { get; set; }

    public double MeanLoss => LossSum / Math.Max(1, LossCount);
}
