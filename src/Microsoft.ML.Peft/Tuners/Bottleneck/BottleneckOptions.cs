using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Layers;

namespace Microsoft.ML.Peft.Tuners.Bottleneck;

/// <summary>
/// Bottleneck adapters: down, activation, up, behind a sublayer (Houlsby et al. 2019; Pfeiffer et al. 2020) or beside it (He et
/// al. 2022), in AdapterHub's form.
/// </summary>
internal sealed class BottleneckOptions : TunerOptions
{
    /// <summary>The adapter's name in its files.</summary>
    [NotLearnt]
    public string Name { get; set; } = "default";

    /// <summary>The stream's width is divided by this; 16 by default.</summary>
    public double ReductionFactor { get; set; } = 16;

    /// <summary>The activation between down and up, by the name that config.json uses.</summary>
    public string Activation { get; set; } = "relu";

    /// <summary>Whether one stands at the attention.</summary>
    public bool AfterAttention { get; set; }

    /// <summary>Whether one stands at the feed-forward layers.</summary>
    public bool AfterFeedForward { get; set; } = true;

    /// <summary>Whether it reads what the sublayer reads, and adds to what the sublayer gives.</summary>
    public bool IsParallel { get; set; }

    /// <summary>Whether a sequential one reads the normed sum of output and residual (Pfeiffer), not the output alone (Houlsby).</summary>
    public bool ReadsNormedSum { get; set; } = true;

    /// <summary>Layers without one (AdapterDrop, Rücklé et al. 2021).</summary>
    public IReadOnlyList<int> LeaveOut { get; set; } = [];

    /// <summary>What the adapter's result is multiplied with.</summary>
    public double Scaling { get; set; } = 1;

    /// <summary>Reads AdapterHub's <c>adapter_config.json</c>.</summary>
    /// <exception cref="InvalidDataException">A setting is missing or of another type.</exception>
    /// <exception cref="NotSupportedException">A setting is in use that is not supported.</exception>
    public static BottleneckOptions Read(JsonObject file, string path)
    {
        try
        {
            JsonObject config = file["config"]!.AsObject();
            foreach (string key in new[] { "cross_adapter", "use_gating", "phm_layer", "ln_before", "ln_after", "adapter_residual_before_ln" })
            {
                if (config[key]?.GetValue<bool>() == true)
                    throw new NotSupportedException($"{path}: '{key}' is true, which is not supported yet.");
            }
            if (config["inv_adapter"] is not null)
                throw new NotSupportedException($"{path}: 'inv_adapter' is set, which is not supported yet.");
            return new BottleneckOptions
            {
                Name = file["name"]!.GetValue<string>(),
                ReductionFactor = config["reduction_factor"]!.GetValue<double>(),
                Activation = config["non_linearity"]!.GetValue<string>(),
                AfterAttention = config["mh_adapter"]!.GetValue<bool>(),
                AfterFeedForward = config["output_adapter"]!.GetValue<bool>(),
                IsParallel = config["is_parallel"]!.GetValue<bool>(),
                ReadsNormedSum = config["original_ln_before"]!.GetValue<bool>(),
                LeaveOut = config["leave_out"]?.Deserialize<int[]>() ?? [],
                Scaling = config["scaling"]!.GetValue<double>(),
            };
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException or JsonException or NullReferenceException)
        {
            throw new InvalidDataException($"{path}: a setting of the adapter is missing or of another type than expected: {e.Message}", e);
        }
    }

    /// <summary>The same adapter with further layers left out.</summary>
    internal BottleneckOptions Without(IReadOnlyList<int> layers)
    {
        var copy = (BottleneckOptions)MemberwiseClone();
        copy.LeaveOut = [.. LeaveOut.Union(layers)];
        return copy;
    }

    internal bool Takes(Sublayer site) =>
        (site.Kind == SublayerKind.FeedForward ? AfterFeedForward : AfterAttention) && !LeaveOut.Contains(site.Layer);

    internal override ITuner Create() => ReductionFactor > 0
        ? new BottleneckTuner(this)
        : throw new ArgumentOutOfRangeException(nameof(ReductionFactor), ReductionFactor, $"{nameof(ReductionFactor)} must be above 0.");
}
