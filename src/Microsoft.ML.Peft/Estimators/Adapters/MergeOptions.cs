namespace Microsoft.ML.Peft;

/// <summary>How an adapter is merged into a checkpoint, and what it may lose on the way.</summary>
public sealed class MergeOptions
{
    /// <summary>
    /// Whether the matrices of a quantized base are quantized again, so that the folder is in bitsandbytes' form, or all are written as
    /// floats; null (the default) for what the base's <see cref="QuantizationOptions.RequantizeMerged"/> says, which is true by default.
    /// </summary>
    public bool? Requantize { get; set; }

    /// <summary>
    /// Refuses a merge of whose update less than this share survives quantization, over all matrices together
    /// (<see cref="MergeReport.SurvivingShare"/>); null (the default) for no limit.
    /// </summary>
    public double? LeastSurvivingShare { get; set; }

    /// <summary>Rows on which the merged model is compared with base and adapter; null (the default) for none. They need no labels.</summary>
    public IDataView? SampleRows { get; set; }

    /// <summary>
    /// Refuses a merge after which a logit on <see cref="SampleRows"/> is further than this from what it was; null (the default) for no
    /// limit.
    /// </summary>
    public double? LargestLogitDrift { get; set; }

    /// <summary>
    /// Whether the adapter that <see cref="PeftCatalog.MergeAdapter"/> reads may name another base, such as the same in another precision
    /// or format; false by default: it is refused where it names its base's hash and that is not this one's.
    /// </summary>
    public bool AllowOtherBase { get; set; }

    /// <exception cref="ArgumentException">A setting is out of range; the message names it.</exception>
    internal void Validate()
    {
        if (LeastSurvivingShare is { } share && !double.IsFinite(share))
            throw new ArgumentOutOfRangeException(nameof(LeastSurvivingShare), share, $"{nameof(LeastSurvivingShare)} must be a finite number.");
        if (LargestLogitDrift is { } drift && !(drift >= 0))
            throw new ArgumentOutOfRangeException(nameof(LargestLogitDrift), drift, $"{nameof(LargestLogitDrift)} must be 0 or more.");
        if (LargestLogitDrift is not null && SampleRows is null)
            throw new ArgumentException($"{nameof(LargestLogitDrift)} needs {nameof(SampleRows)} to measure it on.", nameof(LargestLogitDrift));
    }
}
