using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>
/// A tuner that is a list of tuned places, and of modules that train as a whole beside them (the task's head among these): a
/// method says which, and no more.
/// </summary>
internal abstract class PartTuner(TunerOptions options) : ITuner
{
    private readonly List<TunedPart> _parts = [];
    private string _adapter = ForwardContext.DefaultAdapter;
    private bool _merged;

    public string Key => options.Key;

    public bool TouchesBase => true;

    /// <summary>The tuned places, in the order in which they were attached and are merged.</summary>
    public IReadOnlyList<TunedPart> Parts => _parts;

    public IReadOnlyList<Parameter> Trainable => [.. _parts.SelectMany(part => part.Parameters), .. InPlace];

    public IReadOnlyList<Parameter> InPlace { get; private set; } = [];

    public IReadOnlyList<Parameter> Interpolated => [.. _parts.SelectMany(part => part.Interpolated), .. InPlace];

    /// <summary>Modules that train as a whole beside the head.</summary>
    protected virtual IReadOnlyList<string> ModulesToSave => [];

    /// <summary>What the method's files put before the model's own names.</summary>
    protected virtual string FilePrefix => PeftNames.Prefix;

    /// <summary>Whether what was learnt can be said as a change of the model's weights.</summary>
    protected virtual bool CanMerge => false;

    public void Attach(TuningTarget target, long seed, string adapter = ForwardContext.DefaultAdapter)
    {
        _adapter = adapter;
        WholeModules whole = Whole(target);
        InPlace = whole.Others;
        target.CheckChanges(InPlace);
        using var generator = new Generator((ulong)seed, target.Weights.Device);
        using (no_grad())
            _parts.AddRange(Tune(target, generator));
        _parts.AddRange(whole.Parts());
        _parts.AddRange(TuneBeside(target));
        _parts.ForEach(part => part.Attach(adapter));
        foreach (Parameter parameter in Trainable)
            parameter.MakeTrainable();
    }

    public virtual IReadOnlyList<(string Name, Tensor Value)> Export() =>
        [.. _parts.SelectMany(part => part.Export()).Concat(InPlace.Select(p => (NameOf(p), p.Value))).Select(t => (FileName(t.Item1), t.Item2))];

    public virtual void Import(ITensorSource source) =>
        PeftNames.Import(source, Trainable.ToDictionary(NameOf), new Dictionary<string, Parameter>(), prefix: FilePrefix);

    public virtual TunerOptions SettingsForExport(TunerOptions given) => given;

    public IReadOnlyList<MergedWeight> MergedWeights() => CanMerge
        ? [.. _parts.SelectMany(part => part.MergedWeights()), .. InPlace.Select(p => MergedWeight.Of(p.Name, p, p))]
        : throw new NotSupportedException($"What '{Key}' learns is no change of the model's weights: it cannot be merged.");

    public bool TryMerge()
    {
        if (_merged || !CanMerge)
            return _merged;
        _parts.ForEach(part => part.Merge(_adapter));
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

    /// <summary>The tuned places, with their first values; gradients are off.</summary>
    /// <exception cref="ArgumentException">An option matches nothing in this model.</exception>
    protected abstract IEnumerable<TunedPart> Tune(TuningTarget target, Generator generator);

    /// <summary>The modules that train as a whole.</summary>
    protected virtual WholeModules Whole(TuningTarget target) => WholeModules.Choose(ModulesToSave, target);

    /// <summary>Places that are tuned beside all others; none by default.</summary>
    /// <exception cref="ArgumentException">One is tuned already.</exception>
    protected virtual IEnumerable<TunedPart> TuneBeside(TuningTarget target) => [];

    /// <summary>What a trained parameter of the model is called in the method's files, without the prefix.</summary>
    protected virtual string NameOf(Parameter parameter) => parameter.Name;

    /// <summary>A parameter's name in the method's files.</summary>
    protected virtual string FileName(string name) => FilePrefix + name;
}
