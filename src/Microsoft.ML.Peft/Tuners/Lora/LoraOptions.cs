using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Checkpoints.Gguf;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Lora;
using Microsoft.ML.Peft.Tuners.Lora.Mixing;

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

/// <summary>
/// Settings of LoRA (Hu et al. 2021), with the names of PEFT's <c>LoraConfig</c>. What is null is the method's own to say: the
/// values given here are those of <see cref="LoraFineTune"/>; <see cref="QloraFineTune"/> has others.
/// </summary>
public sealed class LoraOptions : TunerOptions, IPeftAdapterFormat, IGgufAdapterFormat, IMixable, IGrowsVocabulary, IContinues
{
    /// <summary>All linear layers but the head's, as a value of <see cref="TargetModules"/>.</summary>
    public const string AllLinear = "all-linear";

    private const int DefaultRank = 8;

    /// <summary>Rank of the update; null (the default) for 8, or the method's own.</summary>
    public int? Rank { get; set; }

    /// <summary>The update is scaled by alpha / rank; null (the default) for <see cref="Rank"/>, or the method's own.</summary>
    public double? Alpha { get; set; }

    /// <summary>Dropout on the update's input, from 0 to below 1; null (the default) for 0, or the method's own.</summary>
    public double? Dropout { get; set; }

    /// <summary>Scales by alpha / √rank instead (rsLoRA, Kalajdzievski 2023); off by default.</summary>
    public bool UseRankStabilizedScaling { get; set; }

    /// <summary>
    /// Splits each tuned weight into direction and length: LoRA changes the direction, a trained vector the length (DoRA, Liu et
    /// al. 2024). Often better at low ranks, and slower until it is merged; off by default.
    /// </summary>
    public bool UseDora { get; set; }

    /// <summary>
    /// How the matrices start; <see cref="LoraStart.Uniform"/> by default. After PiSSA and OLoRA an adapter is saved as an
    /// update of the plain base, as PEFT converts it: of twice the rank and alpha.
    /// </summary>
    public LoraStart Start { get; set; }

    /// <summary>
    /// How often LoftQ makes its update, 1 by default: then the base is the plain quantized one, and the adapter an update of it as
    /// any. From 2 on each tuned matrix is quantized anew around the update, and travels with the adapter in archives.
    /// </summary>
    public int LoftqIterations { get; set; } = 1;

    /// <summary>Power iterations of an approximate PiSSA, which is much faster on large weights; null (the default) for an exact one.</summary>
    public int? PissaIterations { get; set; }

    /// <summary>
    /// The learning rate of B, and of DoRA's lengths, is this many times that of all else (LoRA+, Hayou et al. 2024; they
    /// recommend 16); 1 by default.
    /// </summary>
    public double LoraPlusRatio { get; set; } = 1;

    /// <summary>Which biases train too; none by default.</summary>
    public LoraBias Bias { get; set; }

    /// <summary>
    /// Modules by whole path or by the end of it, or <see cref="AllLinear"/> alone; null (the default) takes the
    /// architecture's own, as PEFT has them, or the method's own.
    /// </summary>
    public IReadOnlyList<string>? TargetModules { get; set; }

    /// <summary>A regular expression that a module's whole path must match, instead of <see cref="TargetModules"/>.</summary>
    public string? TargetPattern { get; set; }

    /// <summary>Modules left out, by whole path or by the end of it.</summary>
    public IReadOnlyList<string> ExcludeModules { get; set; } = [];

    /// <summary>A regular expression that the whole path of a module left out matches; null (the default) for none.</summary>
    public string? ExcludePattern { get; set; }

    /// <summary>Ranks of single modules: a name or pattern of the path's end, and the rank.</summary>
    public IReadOnlyDictionary<string, int> RankPattern { get; set; } = new Dictionary<string, int>();

    /// <summary>Alphas of single modules: a name or pattern of the path's end, and the alpha.</summary>
    public IReadOnlyDictionary<string, double> AlphaPattern { get; set; } = new Dictionary<string, double>();

    /// <summary>Numbers of the layers to tune; null (the default) for all. Needs targets by name.</summary>
    public IReadOnlyList<int>? LayersToTransform { get; set; }

    /// <summary>What the model calls its list of layers (<c>layers</c>, <c>h</c>), for <see cref="LayersToTransform"/>; empty (the default) for any name.</summary>
    public IReadOnlyList<string> LayersPattern { get; set; } = [];

    /// <summary>Modules that train in full and are saved whole, beside the task's head, which always is.</summary>
    public IReadOnlyList<string> ModulesToSave { get; set; } = [];

    /// <summary>Ids of tokens whose rows in the token table train, and no others; a head that is tied to the table follows.</summary>
    public IReadOnlyList<int> TrainableTokens { get; set; } = [];

    /// <summary>The same for tables by name: the end of a path, and the ids.</summary>
    public IReadOnlyDictionary<string, IReadOnlyList<int>> TrainableTokensByModule { get; set; } = new Dictionary<string, IReadOnlyList<int>>();

    /// <summary>
    /// Texts that become tokens of their own. The tokenizer and the tables grow by them, their rows start at the mean of the
    /// table, and train; the base's own table stays as it is and shared. They travel with the tokenizer in saved models and adapters.
    /// </summary>
    public IReadOnlyList<string> AddedTokens { get; set; } = [];

    /// <summary>The ids of <see cref="AddedTokens"/>, while they are new.</summary>
    internal IReadOnlyList<int> NewTokenIds { get; set; } = [];

    /// <summary>PEFT's note that the tuned weights are stored as [in, out].</summary>
    internal bool FanInFanOut { get; set; }

    /// <summary>Rank, alpha and dropout, with LoRA's own where nothing is said.</summary>
    internal (int Rank, double Alpha, double Dropout) Values => (Rank ?? DefaultRank, Alpha ?? Rank ?? DefaultRank, Dropout ?? 0);

    /// <summary>Whether tuned matrices are the adapter's own.</summary>
    internal bool HasOwnMatrices => Start == LoraStart.Loftq && LoftqIterations > 1;

    internal const string PeftType = "LORA";

    IReadOnlyList<string> IGrowsVocabulary.NewTokens => AddedTokens;

    TunerOptions IGrowsVocabulary.WithNewTokens(IReadOnlyList<int> ids)
    {
        LoraOptions copy = Copy();
        copy.NewTokenIds = ids;
        return copy;
    }

    /// <summary>These settings, with a method's own where nothing is said, and LoRA's where the method says nothing either.</summary>
    internal LoraOptions Over(LoraOptions method)
    {
        LoraOptions copy = Copy();
        copy.Rank ??= method.Rank;
        copy.Alpha ??= method.Alpha;
        copy.Dropout ??= method.Dropout;
        copy.TargetModules ??= TargetPattern is null ? method.TargetModules : null;
        (copy.Rank, copy.Alpha, copy.Dropout) = copy.Values;
        return copy;
    }

    /// <summary>Rank and scale of the update of one module.</summary>
    internal (int Rank, double Scale) SizeOf(string path)
    {
        int rank = TargetMatcher.ByEnd(path, RankPattern, Values.Rank);
        double alpha = TargetMatcher.ByEnd(path, AlphaPattern, Values.Alpha);
        return (rank, alpha / (UseRankStabilizedScaling ? Math.Sqrt(rank) : rank));
    }

    /// <summary>The settings of what is saved: a start that took from the weight makes an update of twice the rank.</summary>
    internal LoraOptions ForPlainBase()
    {
        LoraOptions copy = Copy();
        if (Start == LoraStart.Loftq && !HasOwnMatrices)
            copy.Start = LoraStart.Uniform;
        if (!StartValues.TakesFromWeight(Start))
            return copy;
        // Twice the rank, the same scale.
        double factor = UseRankStabilizedScaling ? Math.Sqrt(2) : 2;
        copy.Start = LoraStart.Uniform;
        (copy.Rank, copy.Alpha) = (2 * Values.Rank, factor * Values.Alpha);
        copy.RankPattern = RankPattern.ToDictionary(p => p.Key, p => 2 * p.Value);
        copy.AlphaPattern = AlphaPattern.ToDictionary(p => p.Key, p => factor * p.Value);
        return copy;
    }

    internal override bool SaysWhatIsTuned => Modules is null || (Bias != LoraBias.All && ModulesToSave.Count == 0);

    internal override TunerOptions Settled() => Over(new LoraOptions());

    TunerOptions IContinues.Continue(TunerOptions adapter, string path) => Continuation.Of(this, (LoraOptions)adapter, path, nameof(Dropout), nameof(LoraPlusRatio));

    JsonObject IPeftAdapterFormat.ToAdapterConfig(string? taskType, string baseModel) => HasOwnMatrices
        ? throw new NotSupportedException(
            $"The adapter has quantized matrices of its own ({nameof(LoftqIterations)} {LoftqIterations}), which PEFT's files cannot hold: "
            + $"save the whole model, merge it, or train with {nameof(LoftqIterations)} 1.")
        : LoraConfigFile.Write(this, null, taskType, baseModel);

    void IGgufAdapterFormat.WriteGguf(string file, AdapterState adapter, HfConfig config, string? tiedOutput) =>
        LoraGguf.Write(file, adapter, config, tiedOutput);

    AdapterState IMixable.Mix(string name, IReadOnlyList<(AdapterState State, double Weight)> parts, AdapterMixOptions options) =>
        LoraMixer.Mix(name, parts, options);

    internal override ITuner Create()
    {
        var (rank, alpha, dropout) = Values;
        Check(rank >= 1, nameof(Rank), rank, "at least 1");
        Check(double.IsFinite(alpha) && alpha > 0, nameof(Alpha), alpha, "above 0");
        Check(dropout is >= 0 and < 1, nameof(Dropout), dropout, "from 0 to below 1");
        Check(double.IsFinite(LoraPlusRatio) && LoraPlusRatio > 0, nameof(LoraPlusRatio), LoraPlusRatio, "above 0");
        Check(Enum.IsDefined(Start), nameof(Start), Start, "one of the enumeration");
        Check(LoftqIterations >= 1, nameof(LoftqIterations), LoftqIterations, "at least 1");
        Check(PissaIterations is null or >= 0, nameof(PissaIterations), PissaIterations ?? 0, "0 or more");
        Check(Enum.IsDefined(Bias), nameof(Bias), Bias, "one of the enumeration");
        foreach (var (name, own) in RankPattern)
            Check(own >= 1, $"{nameof(RankPattern)}[{name}]", own, "at least 1");
        if (TargetModules is not null && TargetPattern is not null)
            throw new ArgumentException($"{nameof(TargetModules)} and {nameof(TargetPattern)} exclude each other: give one.", nameof(TargetPattern));
        CheckLayers();
        LoraSelectors.Check(this);
        return new LoraTuner(this);
    }

    private LoraOptions Copy() => (LoraOptions)MemberwiseClone();

    private void CheckLayers()
    {
        if (LayersToTransform is null && LayersPattern.Count > 0)
            throw new ArgumentException($"{nameof(LayersPattern)} needs {nameof(LayersToTransform)}.", nameof(LayersPattern));
        if (LayersToTransform is not null && (TargetPattern is not null || TargetModules is [AllLinear]))
            throw new ArgumentException($"{nameof(LayersToTransform)} needs {nameof(TargetModules)} by name.", nameof(LayersToTransform));
    }

    private static void Check(bool good, string option, object value, string expected)
    {
        if (!good)
            throw new ArgumentOutOfRangeException(option, value, $"{nameof(LoraOptions)}.{option} must be {expected}.");
    }
}
