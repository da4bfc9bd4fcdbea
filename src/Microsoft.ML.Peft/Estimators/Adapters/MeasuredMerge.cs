using System.Globalization;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Persistence;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>Writes a merged folder, measures what was lost, and takes the folder back where that is beyond a limit.</summary>
internal static class MeasuredMerge
{
    /// <exception cref="InvalidOperationException">More was lost than the options allow; the message has the figure and the limit.</exception>
    public static MergeReport Write(
        string folder, MergeSource source, MergeOptions options, MergeSample? sample, long shardBytes = ShardedWriter.DefaultShardBytes)
    {
        MergeReport? report = null;
        bool requantizes = options.Requantize ?? source.Weights.Quantization?.RequantizeMerged ?? true;
        MergedFolder.Write(folder, source, requantizes, (partial, losses) =>
        {
            report = new MergeReport(losses.Matrices, losses.Overall, sample?.Compare(partial));
            Check(report, options);
        }, shardBytes);
        return report!;
    }

    private static void Check(MergeReport report, MergeOptions options)
    {
        if (report.SurvivingShare < options.LeastSurvivingShare)
        {
            throw Refused($"{report.SurvivingShare:g4} of the adapter's update survives quantization, and {nameof(MergeOptions.LeastSurvivingShare)} is {options.LeastSurvivingShare:g4}");
        }
        if (report.Drift is { } drift && drift.Largest > options.LargestLogitDrift)
            throw Refused($"a logit of the sample rows moved by {drift.Largest:g4}, and {nameof(MergeOptions.LargestLogitDrift)} is {options.LargestLogitDrift:g4}");
    }

    private static InvalidOperationException Refused(FormattableString why) =>
        new($"The merge is refused, and nothing is written: {why.ToString(CultureInfo.InvariantCulture)}.");
}
