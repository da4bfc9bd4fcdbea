using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>
/// Low-rank updates of chosen projections and embeddings (Hu et al. 2021), attached as PEFT attaches them; modules that train
/// as a whole and rows of tables that train beside them. One tuner is one adapter.
/// </summary>
internal sealed class LoraTuner(LoraOptions options) : PartTuner(options)
{
    private LoraTargets _targets = new([], []);
    private IReadOnlyList<string> _targetNames = [];
    private BaseTables _tables = BaseTables.None;
    private ResizedTables _resized = ResizedTables.None;
    private bool _growsHead, _shared;

    protected override bool CanMerge => true;

    public override IReadOnlyList<(string Name, Tensor Value)> Export() =>
        [.. base.Export(), .. _tables.Export().Select(tensor => (FileName(tensor.Name), tensor.Value))];

    public override TunerOptions SettingsForExport(TunerOptions given)
    {
        LoraOptions settings = ((LoraOptions)given).ForPlainBase();
        settings.FanInFanOut = _targets.Projections.Any(site => site.Weight.IsTransposed);
        // Other tools want the list that was used.
        if (settings.TargetPattern is null || settings.Modules is not null)
            (settings.TargetModules, settings.TargetPattern) = (_targetNames, null);
        // New tokens are trained tokens from now on; a head's own rows need its name.
        if (_growsHead || _resized.Paths.Count > 0)
        {
            (settings.TrainableTokens, settings.TrainableTokensByModule) = ([], Parts.OfType<TokenRows>().ToDictionary(r => r.Path, r => r.Ids));
            settings.ModulesToSave = [.. settings.ModulesToSave.Where(name => !_resized.Paths.Any(path => TargetMatcher.WithinSuffix(path, [name])))];
        }
        else
            settings.TrainableTokens = [.. settings.TrainableTokens, .. settings.NewTokenIds.Except(settings.TrainableTokens)];
        settings.NewTokenIds = [];
        return settings;
    }

    public override void Import(ITensorSource source)
    {
        source = _resized.In(source);
        if (_shared)
            _tables.CheckSame(source);
        _tables.Saved = PeftNames.Import(source, Trainable.ToDictionary(NameOf), _tables.All, IsOwnMatrix);
    }

    protected override WholeModules Whole(TuningTarget target)
    {
        WholeModules whole = WholeModules.Choose(options.ModulesToSave, target);
        _resized = ResizedTables.Of(target, whole);
        whole = whole.Without(_resized.Paths);
        _targets = LoraTargets.Choose(options, target, whole);
        target.CheckMatches(new LoraSelectors(options, target, _targets).Unmatched());
        _targetNames = _targets.Names(options, target);
        if (options.Start == LoraStart.Loftq && !_targets.Projections.Any(site => site.Weight is QuantizedWeight))
        {
            throw new ArgumentException(
                $"{nameof(LoraOptions)}.{nameof(LoraOptions.Start)} {LoraStart.Loftq} makes good what quantization lost, and none of the tuned matrices is quantized: quantize the base.",
                nameof(LoraOptions.Start));
        }
        return whole with { Others = [.. whole.Others.Concat(Biases(target, whole)).Distinct()] };
    }

    protected override IEnumerable<TunedPart> Tune(TuningTarget target, Generator generator)
    {
        _shared = target.IsShared;
        _tables = BaseTables.Of(options, target, _targets);
        var factory = new LoraFactory(options, target, generator);
        return _targets.Projections.Select(factory.Tune).Concat(_targets.Embeddings.Select(factory.Tune));
    }

    protected override IEnumerable<TunedPart> TuneBeside(TuningTarget target)
    {
        IReadOnlyList<TokenRows> rows = TokenTargets.Choose(options, target, [.. Parts.Select(p => p.Path)], _resized.Rows);
        _growsHead = options.NewTokenIds.Count > 0 && rows.Count > 1;
        return rows;
    }

    /// <summary>PEFT wraps a tuned module, so that its own bias is one level deeper in its files.</summary>
    protected override string NameOf(Parameter parameter) =>
        Parts.Any(part => part.Wraps(parameter)) ? parameter.ModulePath + ".base_layer.bias" : parameter.Name;

    private IEnumerable<Parameter> Biases(TuningTarget target, WholeModules whole)
    {
        // Modules that train as a whole bring biases of their own.
        var replaced = whole.Projections.Select(site => site.Bias).OfType<Parameter>().ToHashSet();
        return options.Bias switch
        {
            LoraBias.All => target.Parameters.Where(p => p.Name.EndsWith(".bias", StringComparison.Ordinal) && !replaced.Contains(p)),
            LoraBias.LoraOnly => _targets.Projections.Select(site => site.Bias).OfType<Parameter>(),
            _ => [],
        };
    }

    private bool IsOwnMatrix(string name) => Parts.OfType<RequantizedProjection>().Any(part => part.Holds(name));
}
