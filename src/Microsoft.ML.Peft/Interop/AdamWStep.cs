namespace Microsoft.ML.Peft.Interop;

/// <summary>The settings of one AdamW step, the same for all its parameters.</summary>
internal readonly record struct AdamWStep
{
    public AdamWStep(long number) => Number = number;

    /// <summary>The step's number, from 1.</summary>
    public long Number { get; }

    public double LearningRate { get; init; } = 1e-3;
    public double Beta1 { get; init; } = 0.9;
    public double Beta2 { get; init; } = 0.999;
    public double Epsilon { get; init; } = 1e-8;
    public double WeightDecay { get; init; } = 1e-2;

    /// <summary>The gradient is multiplied by this first: below 1 when it is clipped.</summary>
    public double GradientScale { get; init; } = 1;
}
