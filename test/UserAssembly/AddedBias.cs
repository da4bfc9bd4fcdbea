using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Tuners;
using static TorchSharp.torch;

namespace UserAssembly;

/// <summary>A method of fine-tuning: a vector that is added to what chosen projections give.</summary>
internal sealed class AddedBiasOptions : TunerOptions
{
    /// <summary>Projections by name or by the end of their path; null (the default) for the architecture's.</summary>
    public IReadOnlyList<string>? TargetModules { get; set; }

    internal override ITuner Create() => new AddedBiasTuner(this);
}

internal sealed class AddedBiasTuner(AddedBiasOptions options) : PartTuner(options)
{
    protected override IEnumerable<TunedPart> Tune(TuningTarget target, Generator generator)
    {
        IReadOnlyList<string> names = options.TargetModules ?? target.DefaultTargets;
        return target.Sites.Projections.Where(site => TargetMatcher.ByName(site.Path, names)).Select(site => new AddedBias(site, generator.device));
    }
}

/// <summary>The vector of one projection.</summary>
internal sealed class AddedBias(Projection site, Device device) : TunedPart, IProjectionDelta
{
    private readonly Parameter _bias = new(
        site.Path + ".added_bias", zeros(site.Weight.Outputs, ScalarType.Float32, device).DetachFromDisposeScope(), owned: true);

    public override string Path => site.Path;

    public override IReadOnlyList<Parameter> Parameters => [_bias];

    public Tensor Apply(Tensor input, Tensor output, ForwardContext context) => output + _bias.Value;

    public override void Attach(string adapter) => site.Attach(adapter, this);

    public override void Detach(string adapter) => site.Detach(adapter);
}
