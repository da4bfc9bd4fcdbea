using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>
/// Low-rank updates of chosen projections and embeddings (Hu et al. 2021), attached as PEFT attaches them; modules that train
/// as a whole and rows of tables that train beside them. One tuner is one adapter.
/// </summary>
internal sealed class LoraTuner(LoraOptions options) : ITuner
{
    private readonly List<TunedPart> _parts = [];
    private IReadOnlyList<Parameter> _inPlace = [];
    private IReadOnlyList<string> _targets = [];
    private string _adapter = ForwardContext.DefaultAdapter;
    private BaseTables _tables = BaseTables.None;
    private ResizedTables _resized = ResizedTables.None;
    private bool _transposed, _growsHead, _merged, _shared;

    public string Key => options.Key;

    public bool TouchesBase => true;

    /// <summary>The tuned places, in the order in which they were attached and are merged.</summary>
    public IReadOnlyList<TunedPart> Parts => _parts;

    public IReadOnlyList<Parameter> Trainable => [.. _parts.SelectMany(p => p.Parameters), .. _inPlace];

    public IReadOnlyList<Parameter> InPlace => _inPlace;

    public void Attach(TuningTarget target, long seed, string adapter = ForwardContext.DefaultAdapter)
    {
        _adapter = adapter;
        WholeModules whole = WholeModules.Choose(options.ModulesToSave, target);
        _resized = ResizedTables.Of(target, whole);
        whole = whole.Without(_resized.Paths);
        LoraTargets targets = LoraTargets.Choose(options, target, whole);
        target.CheckMatches(new LoraSelectors(options, target, targets).Unmatched());
        _targets = targets.Names(options, target);
        if (options.Start == LoraStart.Loftq && !targets.Projections.Any(site => site.Weight is QuantizedWeight))
        {
            throw new ArgumentException(
                $"{nameof(LoraOptions)}.{nameof(LoraOptions.Start)} {LoraStart.Loftq} makes good what quantization lost, and none of the tuned matrices is quantized: quantize the base.",
                nameof(LoraOptions.Start));
        }
        _inPlace = [.. whole.Others.Concat(Biases(target, targets, whole)).Distinct()];
        target.CheckChanges(_inPlace);
        _shared = target.IsShared;
        using var generator = new Generator((ulong)seed, target.Weights.Device);
        var factory = new LoraFactory(options, target, generator);
        _parts.AddRange(targets.Projections.Select(factory.Tune));
        _parts.AddRange(targets.Embeddings.Select(factory.Tune));
        _parts.AddRange(whole.Parts());
        IReadOnlyList<TokenRows> rows = TokenTargets.Choose(options, target, [.. _parts.Select(p => p.Path)], _resized.Rows);
        _parts.AddRange(rows);
        _parts.ForEach(part => part.Attach(adapter));

        _transposed = targets.Projections.Any(site => site.Weight.IsTransposed);
        _growsHead = options.NewTokenIds.Count > 0 && rows.Count > 1;
        _tables = BaseTables.Of(options, target, targets);
        foreach (Parameter parameter in Trainable)
            parameter.MakeTrainable();
    }

    public IReadOnlyList<(string Name, Tensor Value)> Export() =>
    [
        .. _parts.SelectMany(part => part.Export()).Concat(_inPlace.Select(p => (FileName(p), p.Value))).Concat(_tables.Export())
            .Select(tensor => (PeftNames.Prefix + tensor.Item1, tensor.Item2)),
    ];

    public TunerOptions SettingsForExport(TunerOptions given)
    {
        LoraOptions settings = ((LoraOptions)given).ForPlainBase();
        settings.FanInFanOut = _transposed;
        // Other tools want the list that was used.
        if (settings.TargetPattern is null)
            settings.TargetModules = _targets;
        // New tokens are trained tokens from now on; a head's own rows need its name.
        if (_growsHead || _resized.Paths.Count > 0)
        {
            (settings.TrainableTokens, settings.TrainableTokensByModule) = ([], _parts.OfType<TokenRows>().ToDictionary(r => r.Path, r => r.Ids));
            settings.ModulesToSave = [.. settings.ModulesToSave.Where(name => !_resized.Paths.Any(path => TargetMatcher.WithinSuffix(path, [name])))];
        }
        else
            settings.TrainableTokens = [.. settings.TrainableTokens, .. settings.NewTokenIds.Except(settings.TrainableTokens)];
        settings.NewTokenIds = [];
        return settings;
    }

    public void Import(ITensorSource source)
    {
        source = _resized.In(source);
        if (_shared)
            _tables.CheckSame(source);
        _tables.Saved = PeftNames.Import(source, Trainable.ToDictionary(FileName), _tables.All, IsOwnMatrix);
    }

    public IReadOnlyList<MergedWeight> MergedWeights() =>
        [.. _parts.SelectMany(part => part.MergedWeights()), .. _inPlace.Select(p => MergedWeight.Of(p.Name, p, p))];

    public bool TryMerge()
    {
        if (_merged)
            return true;
        foreach (TunedPart part in _parts)
            part.Merge(_adapter);
        return _merged = true;
    }

    public void Unmerge()
    {
        if (!_merged)
            return;
        foreach (TunedPart part in Enumerable.Reverse(_parts))
            part.Unmerge(_adapter);
        _merged = false;
    }

    public void Dispose()
    {
        foreach (TunedPart part in _parts)
        {
            part.Detach(_adapter);
            part.Dispose();
        }
    }

    private IEnumerable<Parameter> Biases(TuningTarget target, LoraTargets targets, WholeModules whole)
    {
        // Modules that train as a whole bring biases of their own.
        var replaced = whole.Projections.Select(site => site.Bias).OfType<Parameter>().ToHashSet();
        return options.Bias switch
        {
            LoraBias.All => target.Weights.All.Where(p => p.Name.EndsWith(".bias", StringComparison.Ordinal) && !replaced.Contains(p)),
            LoraBias.LoraOnly => targets.Projections.Select(site => site.Bias).OfType<Parameter>(),
            _ => [],
        };
    }

    private bool IsOwnMatrix(string name) => _parts.OfType<RequantizedProjection>().Any(part => part.Holds(name));

    /// <summary>PEFT wraps a tuned module, so that its own bias is one level deeper in its files.</summary>
    private string FileName(Parameter parameter) =>
        _parts.Any(part => part.Wraps(parameter))
            ? parameter.ModulePath + ".base_layer.bias"
            : parameter.Name;
}
