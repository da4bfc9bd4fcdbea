using Microsoft.ML.Peft.Data;

namespace Microsoft.ML.Peft.Training;

/// <summary>What a run will do, fixed before it begins: its steps, their batches, seeds and rates.</summary>
internal sealed class TrainingPlan
{
    private readonly TrainingSettings _options;
    private readonly bool _wholeBatches;
    private readonly RowGroups _rows;

    /// <param name="options">How.</param>
    /// <param name="train">The rows.</param>
    /// <param name="seed">The run's seed.</param>
    /// <param name="task">Says whether the loss is one of all rows of a batch together, which then is computed at once, and which rows share none.</param>
    public TrainingPlan(TrainingSettings options, IReadOnlyList<Example> train, long seed, ITrainingObjective task)
    {
        (_options, Seed, _wholeBatches, _rows) = (options, seed, task.LossNeedsWholeBatch, RowGroups.Of(train, task));
        int batches = _rows.Groups.Sum(rows => CeilingDivision(rows.Length, options.BatchSize));
        StepsPerEpoch = CeilingDivision(batches, options.Given.GradientAccumulationSteps);
        TotalSteps = (int)Math.Min(options.Given.MaxSteps ?? int.MaxValue, (long)StepsPerEpoch * options.MaxEpochs);
        Schedule = Schedule.Of(options, TotalSteps);
    }

    public long Seed { get; }

    /// <summary>The length of each row in tokens.</summary>
    public IReadOnlyList<int> Lengths => _rows.Lengths;

    public int StepsPerEpoch { get; }

    public int TotalSteps { get; }

    public Schedule Schedule { get; }

    /// <summary>The batches of every step of an epoch, part by part, as row indices.</summary>
    public IReadOnlyList<int[][]> Epoch(int epoch) =>
        [.. _rows.ForEpoch(_options.BatchSize, _options.Given.GroupByLength, Seed, epoch, _wholeBatches ? 1 : BatchPlanner.Parts)
            .Chunk(_options.Given.GradientAccumulationSteps).Select(batches => batches.SelectMany(parts => parts).ToArray())];

    private static int CeilingDivision(int value, int divisor) => (int)(((long)value + divisor - 1) / divisor);
}
