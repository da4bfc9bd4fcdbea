using System.Runtime.InteropServices;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Training.OptimizerStates;

namespace Microsoft.ML.Peft.Training;

/// <summary>What a run will do, fixed before it begins: its steps, their batches, seeds and rates.</summary>
internal sealed class TrainingPlan
{
    private readonly TrainingSettings _options;

    public TrainingPlan(TrainingSettings options, IReadOnlyList<Example> train, long seed)
    {
        (_options, Seed, Lengths) = (options, seed, [.. train.Select(e => e.Length)]);
        int batches = CeilingDivision(train.Count, options.BatchSize);
        StepsPerEpoch = CeilingDivision(batches, options.Given.GradientAccumulationSteps);
        TotalSteps = (int)Math.Min(options.Given.MaxSteps ?? int.MaxValue, (long)StepsPerEpoch * options.MaxEpochs);
        Schedule = Schedule.Of(options, TotalSteps);
    }

    public long Seed { get; }

    /// <summary>The length of each row in tokens.</summary>
    public IReadOnlyList<int> Lengths { get; }

    public int StepsPerEpoch { get; }

    public int TotalSteps { get; }

    public Schedule Schedule { get; }

    /// <summary>The batches of every step of an epoch, part by part, as row indices.</summary>
    public IReadOnlyList<int[][]> Epoch(int epoch) =>
        [.. BatchPlanner.ForEpoch(Lengths, _options.BatchSize, _options.Given.GroupByLength, Seed, epoch)
            .Chunk(_options.Given.GradientAccumulationSteps).Select(batches => batches.SelectMany(parts => parts).ToArray())];

    /// <summary>A hash of all that decides a run's course: a state of another run is not taken up.</summary>
    /// <param name="model">What trains, by name and shape; the base's own weights are not read.</param>
    /// <param name="train">The rows.</param>
    /// <param name="validation">The rows to evaluate on.</param>
    public string Fingerprint(TunedModel model, IReadOnlyList<Example> train, IReadOnlyList<Example>? validation)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        hash.AppendData(JsonSerializer.SerializeToUtf8Bytes(new
        {
            Seed, TotalSteps, Schedule, _options.BatchSize, _options.Given.GradientAccumulationSteps, _options.Given.GroupByLength,
            _options.Given.Beta1, _options.Given.Beta2, _options.Given.Epsilon, _options.Given.WeightDecay, _options.Given.DecayBiasesAndNorms,
            _options.MaxGradientNorm, _options.Given.EvaluateEvery, _options.Given.EarlyStoppingPatience, _options.Given.EarlyStoppingMetric,
            _options.Given.KeepBest, Moments = OptimizerLayout.Of(_options.Optimizer).Format.Name, model.Tuner.Key, model.Model.Config.Json, Parameters = model.Trainable.Select(p => new { p.Name, p.Value.shape, p.LearningRateScale }),
        }));
        foreach (Example example in train.Concat(validation ?? []))
        {
            hash.AppendData(MemoryMarshal.AsBytes<int>([example.Ids.Length, example.Labels.Length, example.Positions.Length]));
            hash.AppendData(MemoryMarshal.AsBytes<int>(example.Ids));
            hash.AppendData(example.TypeIds);
            hash.AppendData(MemoryMarshal.AsBytes<int>(example.Labels));
            hash.AppendData(MemoryMarshal.AsBytes<int>(example.Positions));
        }
        return Convert.ToHexString(hash.GetHashAndReset());
    }

    private static int CeilingDivision(int value, int divisor) => (int)(((long)value + divisor - 1) / divisor);
}
