using System.Globalization;

namespace Microsoft.ML.Peft;

/// <summary>
/// What a fit will take. Memory is the process's growth from before the fit to its peak, in bytes; of a GPU the growth of its
/// own memory. It is worked out from short steps over a fraction of a batch, which are run and measured.
/// </summary>
public sealed record TrainingEstimate
{
    internal TrainingEstimate() { }

    /// <summary>The checkpoint's files, which are mapped: the system drops them from memory where it is short, and reads them again. 0 on a GPU.</summary>
    public required long MappedBytes { get; init; }

    /// <summary>Weights of the base that are held beside the files: those of another type or on a GPU, and quantized ones with the room to unpack the largest.</summary>
    public required long WeightBytes { get; init; }

    /// <summary>What trains, with the copy of the best of it where there is a validation set, and of its start where the end goes back towards it.</summary>
    public required long TrainableBytes { get; init; }

    /// <summary>The gradients of what trains.</summary>
    public required long GradientBytes { get; init; }

    /// <summary>The optimizer's state. A paged one goes to the disk where memory is short, and is no part of a GPU's peak.</summary>
    public required long OptimizerBytes { get; init; }

    /// <summary>What the largest batch holds between forward and backward pass, and while it is computed. 0 where it cannot be measured: on Windows and macOS.</summary>
    public required long ActivationBytes { get; init; }

    /// <summary>
    /// The most of all that at a time: gradients come as activations go, so it may be less than the sum. With glibc it includes what the
    /// allocator keeps of blocks that were given back, and has kept already (<c>PEFT_MMAP_THRESHOLD</c> lets it keep little);
    /// elsewhere blocks count as given back, and 8 MB as libtorch's own.
    /// </summary>
    public required long PeakMemoryBytes { get; init; }

    /// <summary>
    /// One epoch's time at the speed of the short steps. From the first step on <see cref="TrainingProgress.TimeLeft"/> knows better.
    /// </summary>
    public required TimeSpan TimePerEpoch { get; init; }

    /// <summary>The most that a step took which was run for the estimate.</summary>
    internal long LargestMeasuredBytes { get; init; }

    /// <summary>The estimate in one line, as a fit logs it.</summary>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"Estimate: {Size(PeakMemoryBytes)} more memory at the peak (mapped files {Size(MappedBytes)}, weights {Size(WeightBytes)}, trained {Size(TrainableBytes)}, gradients {Size(GradientBytes)}, optimizer {Size(OptimizerBytes)}, activations {Size(ActivationBytes)}); {TimePerEpoch.TotalSeconds:g3} s an epoch.");

    private static string Size(long bytes) => string.Create(CultureInfo.InvariantCulture, $"{bytes / 1e6:f0} MB");
}
