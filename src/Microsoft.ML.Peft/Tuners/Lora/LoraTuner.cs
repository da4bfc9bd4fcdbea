using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>Low-rank updates of chosen projections (Hu et al. 2021), attached as PEFT attaches them.</summary>
internal sealed class LoraTuner(LoraOptions options) : ITuner
{
    private readonly List<LoraDelta> _deltas = [];
    private IReadOnlyList<Parameter> _saved = [];
    private bool _merged;

    public string Key => options.Key;

    public bool TouchesBase => true;

    public IReadOnlyList<Parameter> Trainable => [.. _deltas.SelectMany(d => new[] { d.A, d.B }), .. _saved];

    public void Attach(TuningTarget target, long seed)
    {
        IReadOnlyList<Parameter> modules = SavedModules(target);
        var whole = modules.Select(p => p.ModulePath).ToHashSet(StringComparer.Ordinal);
        var sites = LoraTargets.Choose(options, target).Where(site => !whole.Contains(site.Path)).ToList();
        if (sites.Count == 0)
            throw LoraTargets.Nothing(options, target);

        using var generator = new Generator((ulong)seed, target.Weights.Device);
        foreach (Projection site in sites)
        {
            LoraDelta delta = Create(site, target, generator);
            _deltas.Add(delta);
            site.Attach(ForwardContext.DefaultAdapter, delta);
        }
        _saved = [.. modules.Concat(Biases(target)).Distinct()];
        foreach (Parameter parameter in Trainable)
            parameter.MakeTrainable();
    }

    public IReadOnlyList<(string Name, Tensor Value)> Export() => [.. Trainable.Select(p => (PeftNames.Prefix + FileName(p), p.Value))];

    public void Import(ITensorSource source) => PeftNames.Import(source, Trainable.ToDictionary(FileName));

    public bool TryMerge()
    {
        if (_merged)
            return true;
        foreach (LoraDelta delta in _deltas)
        {
            using Tensor update = delta.Matrix();
            delta.Site.Weight.Merge(update);
            delta.Site.Detach(ForwardContext.DefaultAdapter);
        }
        return _merged = true;
    }

    public void Unmerge()
    {
        if (!_merged)
            return;
        foreach (LoraDelta delta in _deltas)
        {
            delta.Site.Weight.Unmerge();
            delta.Site.Attach(ForwardContext.DefaultAdapter, delta);
        }
        _merged = false;
    }

    public void Dispose()
    {
        foreach (LoraDelta delta in _deltas)
        {
            delta.Site.Detach(ForwardContext.DefaultAdapter);
            delta.A.Dispose();
            delta.B.Dispose();
        }
    }

    private LoraDelta Create(Projection site, TuningTarget target, Generator generator)
    {
        int rank = TargetMatcher.ByEnd(site.Path, options.RankPattern, options.Rank);
        double alpha = TargetMatcher.ByEnd(site.Path, options.AlphaPattern, options.Alpha);
        double scale = alpha / (options.UseRankStabilizedScaling ? Math.Sqrt(rank) : rank);
        long inputs = site.Weight.Inputs;
        Device device = target.Weights.Device;
        string nameOfA = site.Path + ".lora_A.weight";
        target.CheckSaved(nameOfA, rank, inputs);

        // Kaiming's uniform start with a = √5, as PEFT's: ±1/√in. B starts at 0, so the update does too.
        double bound = 1 / Math.Sqrt(inputs);
        using var noGrad = no_grad();
        Tensor a = rand([rank, inputs], device: device, generator: generator).mul_(2 * bound).sub_(bound);
        Tensor b = zeros([site.Weight.Outputs, rank], device: device);
        return new LoraDelta(
            site, new Parameter(nameOfA, a.DetachFromDisposeScope(), owned: true),
            new Parameter(site.Path + ".lora_B.weight", b.DetachFromDisposeScope(), owned: true), scale, options.Dropout);
    }

    private IReadOnlyList<Parameter> SavedModules(TuningTarget target)
    {
        bool Saved(Parameter p) => p.ModulePath.Split('.').Any(options.ModulesToSave.Contains);
        return [.. target.HeadParameters.Concat(target.Weights.All.Where(Saved)).Distinct()];
    }

    private IEnumerable<Parameter> Biases(TuningTarget target) => options.Bias switch
    {
        LoraBias.All => target.Weights.All.Where(p => p.Name.EndsWith(".bias", StringComparison.Ordinal)),
        LoraBias.LoraOnly => _deltas.Select(d => d.Site.Bias).OfType<Parameter>(),
        _ => [],
    };

    /// <summary>PEFT wraps a tuned module, so that its own bias is one level deeper in its files.</summary>
    private string FileName(Parameter parameter) => _deltas.Any(d => ReferenceEquals(d.Site.Bias, parameter))
        ? parameter.ModulePath + ".base_layer.bias"
        : parameter.Name;
}
