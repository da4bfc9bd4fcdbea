using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.LayerNorms;

/// <summary>Copies of chosen norms, which train in their place.</summary>
internal sealed class LayerNormTuner(LayerNormOptions options) : PartTuner(options)
{
    protected override IReadOnlyList<string> ModulesToSave => options.ModulesToSave;

    protected override bool CanMerge => true;

    protected override IEnumerable<TunedPart> Tune(TuningTarget target, Generator generator)
    {
        target.CheckNames($"{nameof(LayerNormOptions)}.{nameof(options.TargetModules)}", options.TargetModules ?? [], [.. target.Sites.Norms.Select(site => site.Path)]);
        NormSite[] sites = [.. target.Sites.Norms.Where(site => options.TargetModules is not { } names || TargetMatcher.ByName(site.Path, names))];
        return sites.Length > 0 ? sites.Select(site => new OwnNorm(site)) : throw new ArgumentException(
            $"{nameof(LayerNormOptions)}.{nameof(options.TargetModules)} '{string.Join(", ", options.TargetModules!)}' matches no norm of the model.");
    }
}

/// <summary>A norm with weights of the adapter's own.</summary>
internal sealed class OwnNorm(NormSite site) : TunedPart
{
    private readonly NormWeights _own = site.Weights.Copy(site.Path + ".ln_tuning_layers");

    public override string Path => site.Path;

    public override IReadOnlyList<Parameter> Parameters => _own.Parameters;

    public override void Attach(string adapter) => site.Attach(adapter, _own);

    public override void Detach(string adapter) => site.Detach(adapter);

    public override IEnumerable<MergedWeight> MergedWeights() =>
        site.Parameters.Zip(_own.Parameters, (origin, own) => MergedWeight.Of(origin.Name, origin, own));
}
