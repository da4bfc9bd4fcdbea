using System.Globalization;

namespace Microsoft.ML.Peft;

/// <summary>
/// What a merge into a quantized base lost. With Q the base's matrix, Δ the adapter's update and Q' the matrix that is written, the
/// share of Δ that survives is ⟨Q' - Q, Δ⟩ / ⟨Δ, Δ⟩: 1 where the change of the matrix has all of Δ in it, 0 where rounding took all
/// of it away. What rounding adds beside is in the error, ‖Q' - Q - Δ‖ / ‖Δ‖, which is 0 where nothing was lost.
/// </summary>
public sealed class MergeReport
{
    internal MergeReport(IReadOnlyList<MergedMatrix> matrices, MergedMatrix? overall, LogitDrift? drift) =>
        (Matrices, SurvivingShare, Error, Drift) = (matrices, overall?.SurvivingShare, overall?.Error, drift);

    /// <summary>Every matrix that an update went into and that was quantized again; none for a base of floats.</summary>
    public IReadOnlyList<MergedMatrix> Matrices { get; }

    /// <summary>The share over all matrices, as if they were one; null where none was quantized again.</summary>
    public double? SurvivingShare { get; }

    /// <summary>The error over all matrices, as if they were one; null where none was quantized again.</summary>
    public double? Error { get; }

    /// <summary>How far the merged model's answers are from those of base and adapter; null without sample rows.</summary>
    public LogitDrift? Drift { get; }

    /// <summary>What was lost, in a line.</summary>
    /// <returns>The line.</returns>
    public override string ToString()
    {
        string lost = SurvivingShare is { } share
            ? string.Create(CultureInfo.InvariantCulture, $"{share:p1} of the update survives in {Matrices.Count} matrices, with an error of {Error:p1}")
            : "nothing was quantized again";
        return Drift is { } drift
            ? string.Create(CultureInfo.InvariantCulture, $"{lost}; logits moved by {drift.Mean:g3} on average, {drift.Largest:g3} at most, on {drift.Rows} rows")
            : lost;
    }
}

/// <summary>Differences between the logits of a merged model and those before, over all logits of the sample rows.</summary>
/// <param name="Largest">The largest.</param>
/// <param name="Mean">Their mean.</param>
/// <param name="Rows">How many rows were compared.</param>
public sealed record LogitDrift(double Largest, double Mean, int Rows);
