using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Lora;

namespace Microsoft.ML.Peft;

/// <summary>Which biases LoRA trains.</summary>
public enum LoraBias
{
    /// <summary>None (the default).</summary>
    None,

    /// <summary>Every bias of the model.</summary>
    All,

    /// <summary>The biases of the modules that LoRA is attached to.</summary>
    LoraOnly,
}

/// <summary>Settings of LoRA (Hu et al. 2021), with the names and defaults of PEFT's <c>LoraConfig</c>.</summary>
public sealed class LoraOptions : TunerOptions
{
    /// <summary>All linear layers but the head's, as a value of <see cref="TargetModules"/>.</summary>
    public const string AllLinear = "all-linear";

    /// <summary>Rank of the update; 8 by default.</summary>
    public int Rank { get; set; } = 8;

    /// <summary>The update is scaled by alpha / rank; 8 by default.</summary>
    public double Alpha { get; set; } = 8;

    /// <summary>Dropout on the update's input, from 0 to below 1; 0 by default.</summary>
    public double Dropout { get; set; }

    /// <summary>Scales by alpha / √rank instead (rsLoRA, Kalajdzievski 2023); off by default.</summary>
    public bool UseRankStabilizedScaling { get; set; }

    /// <summary>Which biases train too; none by default.</summary>
    public LoraBias Bias { get; set; }

    /// <summary>
    /// Modules by whole path or by the end of it, or <see cref="AllLinear"/> alone; null (the default) takes the
    /// architecture's own, as PEFT has them.
    /// </summary>
    public IReadOnlyList<string>? TargetModules { get; set; }

    /// <summary>A regular expression that a module's whole path must match, instead of <see cref="TargetModules"/>.</summary>
    public string? TargetPattern { get; set; }

    /// <summary>Modules left out, by whole path or by the end of it.</summary>
    public IReadOnlyList<string> ExcludeModules { get; set; } = [];

    /// <summary>Ranks of single modules: a name or pattern of the path's end, and the rank.</summary>
    public IReadOnlyDictionary<string, int> RankPattern { get; set; } = new Dictionary<string, int>();

    /// <summary>Alphas of single modules: a name or pattern of the path's end, and the alpha.</summary>
    public IReadOnlyDictionary<string, double> AlphaPattern { get; set; } = new Dictionary<string, double>();

    /// <summary>Numbers of the layers to tune; null (the default) for all.</summary>
    public IReadOnlyList<int>? LayersToTransform { get; set; }

    /// <summary>Modules that train in full and are saved whole, beside the task's head, which always is.</summary>
    public IReadOnlyList<string> ModulesToSave { get; set; } = [];

    internal override string Key => "lora";

    internal override string PeftType => "LORA";

    internal override TunerOptions ReadAdapterConfig(JsonObject config, string file) => LoraConfigFile.Read(config, file);

    internal override JsonObject ToAdapterConfig(string? taskType, string baseModel) => LoraConfigFile.Write(this, null, taskType, baseModel);

    internal override ITuner Create()
    {
        Check(Rank >= 1, nameof(Rank), Rank, "at least 1");
        Check(double.IsFinite(Alpha) && Alpha > 0, nameof(Alpha), Alpha, "above 0");
        Check(Dropout is >= 0 and < 1, nameof(Dropout), Dropout, "from 0 to below 1");
        Check(Enum.IsDefined(Bias), nameof(Bias), Bias, "one of the enumeration");
        foreach (var (name, rank) in RankPattern)
            Check(rank >= 1, $"{nameof(RankPattern)}[{name}]", rank, "at least 1");
        if (TargetModules is not null && TargetPattern is not null)
            throw new ArgumentException($"{nameof(TargetModules)} and {nameof(TargetPattern)} exclude each other: give one.", nameof(TargetPattern));
        return new LoraTuner(this);
    }

    private static void Check(bool good, string option, object value, string expected)
    {
        if (!good)
            throw new ArgumentOutOfRangeException(option, value, $"{nameof(LoraOptions)}.{option} must be {expected}.");
    }
}
