namespace Microsoft.ML.Peft.Tests.Training;

[TestClass]
public sealed class TrainingOptionsTests
{
    public static IEnumerable<(string Name, TrainingOptions Options)> Wrong =>
    [
        ("BatchSize", new() { BatchSize = 0 }), ("MaxEpochs", new() { MaxEpochs = 0 }), ("MaxSteps", new() { MaxSteps = 0 }),
        ("LearningRate", new() { LearningRate = 0 }), ("LearningRate", new() { LearningRate = double.NaN }), ("Beta1", new() { Beta1 = 1 }),
        ("Beta2", new() { Beta2 = -0.1 }), ("Epsilon", new() { Epsilon = -1 }), ("WeightDecay", new() { WeightDecay = -1 }),
        ("Optimizer", new() { Optimizer = (TrainingOptimizer)9 }),
        ("Schedule", new() { Schedule = (LearningRateSchedule)9 }), ("WarmupRatio", new() { WarmupRatio = 1.1 }), ("WarmupSteps", new() { WarmupSteps = -1 }),
        ("MaxGradientNorm", new() { MaxGradientNorm = -1 }), ("GradientAccumulationSteps", new() { GradientAccumulationSteps = 0 }),
        ("EarlyStoppingPatience", new() { EarlyStoppingPatience = 0 }), ("EvaluateEvery", new() { EvaluateEvery = 0 }),
        ("CheckpointEverySteps", new() { CheckpointEverySteps = 0 }),
    ];

    [TestMethod]
    public void Defaults_are_valid() => TinyRun.Settings(new()).Validate();

    [TestMethod]
    [DynamicData(nameof(Wrong))]
    public void What_is_out_of_range_is_named(string name, TrainingOptions options) =>
        StringAssert.StartsWith(Assert.ThrowsExactly<ArgumentOutOfRangeException>(TinyRun.Settings(options).Validate).Message, name);
}
