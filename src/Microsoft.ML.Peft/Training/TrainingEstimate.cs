using System.Globalization;

namespace Microsoft.ML.Peft;

/// <summary>
/// What a fit will take. Memory is the process's growth from before the fit to its peak, in bytes; of a GPU the growth of its
/// own memory. It is worked out from sizes, for an allocator that gives freed blocks back (<c>PEFT_MMAP_THRESHOLD</c>); glibc
/// as it comes keeps some.
/// </summary>
public sealed record TrainingEstimate
{
    internal TrainingEstimate() { }

    /// <summary>The checkpoint's files, which are mapped: the system drops them from memory where it is short, and reads them again. 0 on a GPU.</summary>
    public required long MappedBytes { get; init; }

    /// <summary>Weights of the base that are held beside the files: those of another type or on a GPU, and quantized ones with the room to unpack the largest.</summary>
    public required long WeightBytes { get; init; }

    /// <summary>What trains, and the copy of the best of it where there is a validation set.</summary>
    public required long TrainableBytes { get; init; }

    /// <summary>The gradients of what trains.</summary>
    public required long GradientBytes { get; init; }

    /// <summary>The optimizer's state. A paged one goes to the disk where memory is short, and is no part of a GPU's peak.</summary>
    public required long OptimizerBytes { get; init; }

    /// <summary>
    /// What the largest batch holds between forward and backward pass, and while it is computed. 0 for a model that does not
    /// tell.
    /// </summary>
    public required long ActivationBytes { get; init; }

    /// <summary>The most of all that at a time, and 8 MB of libtorch's own: gradients come as activations go, so it is less than the sum.</summary>
    public required long PeakMemoryBytes { get; init; }

    /// <summary>Floating-point operations of the matrix products of one epoch.</summary>
    public required double OperationsPerEpoch { get; init; }

    /// <summary>The speed at which a matrix product was just done here.</summary>
    public required double OperationsPerSecond { get; init; }

    /// <summary>
    /// One epoch's matrix products at that speed. What else a step does is not counted (norms, activations, the optimizer,
    /// unpacking of quantized weights), so an epoch takes longer: 1.1 times as long for wide models, twice for narrow ones. From
    /// the first step on <see cref="TrainingProgress.TimeLeft"/> knows better.
    /// </summary>
    public TimeSpan TimePerEpoch => TimeSpan.FromSeconds(Math.Min(OperationsPerEpoch / OperationsPerSecond, TimeSpan.MaxValue.TotalSeconds / 2));

    /// <summary>The estimate in one line, as a fit logs it.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"Estimate: {Size(PeakMemoryBytes)} more memory at the peak (mapped files {Size(MappedBytes)}, weights {Size(WeightBytes)}, trained {Size(TrainableBytes)}, gradients {Size(GradientBytes)}, optimizer {Size(OptimizerBytes)}, activations {Size(ActivationBytes)}); {TimePerEpoch.TotalSeconds:g3} s an epoch at the {OperationsPerSecond / 1e9:f0} GFLOP/s of a matrix product measured now.");

    private static string Size(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:f0} MB");
}
