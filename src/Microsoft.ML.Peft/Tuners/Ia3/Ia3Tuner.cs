using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Ia3;

/// <summary>A vector a chosen projection, of ones at first.</summary>
internal sealed class Ia3Tuner(Ia3Options options) : PartTuner(options)
{
    protected override IReadOnlyList<string> ModulesToSave => options.ModulesToSave;

    protected override bool CanMerge => true;

    protected override IEnumerable<TunedPart> Tune(TuningTarget target, Generator generator)
    {
        IReadOnlyList<string> names = options.TargetModules ?? target.DefaultTargets;
        Projection[] sites = [.. target.Sites.Projections.Where(site => TargetMatcher.ByName(site.Path, names))];
        if (sites.Length == 0)
            throw new ArgumentException($"{nameof(Ia3Options)}.{nameof(options.TargetModules)} '{string.Join(", ", names)}' matches no projection of the model.");
        target.CheckNames($"{nameof(Ia3Options)}.{nameof(options.TargetModules)}", names, [.. target.Sites.Projections.Select(site => site.Path)]);
        target.CheckNames($"{nameof(Ia3Options)}.{nameof(options.FeedForwardModules)}", options.FeedForwardModules, [.. sites.Select(site => site.Path)]);
        return sites.Select(site => new ScaledProjection(site, TargetMatcher.ByName(site.Path, options.FeedForwardModules), target.Weights.Device));
    }
}

/// <summary>A projection whose input or output is scaled, number by number.</summary>
internal sealed class ScaledProjection : TunedPart, IProjectionDelta
{
    private readonly Projection _site;
    private readonly Parameter _scale;

    /// <param name="site">The projection.</param>
    /// <param name="ofInput">Whether the input is scaled.</param>
    /// <param name="device">Where the vector is made.</param>
    public ScaledProjection(Projection site, bool ofInput, Device device)
    {
        (_site, ChangesInput) = (site, ofInput);
        long[] shape = ofInput ? [1, site.Weight.Inputs] : [site.Weight.Outputs, 1];
        _scale = new Parameter(site.Path + ".ia3_l", ones(shape, ScalarType.Float32, device).DetachFromDisposeScope(), owned: true);
    }

    public override string Path => _site.Path;

    public override IReadOnlyList<Parameter> Parameters => [_scale];

    public bool ChangesInput { get; }

    public Tensor Input(Tensor input, ForwardContext context) => input * Flat();

    public Tensor Apply(Tensor input, Tensor output, ForwardContext context) => ChangesInput ? output : output * Flat();

    public override void Attach(string adapter) => _site.Attach(adapter, this);

    public override void Detach(string adapter) => _site.Detach(adapter);

    public override void Merge(string adapter)
    {
        using var noGrad = no_grad();
        using (Tensor weight = _site.Weight.Dequantize(), update = weight * (_scale.Value - 1))
            _site.Weight.Merge(update);
        if (!ChangesInput)
            _site.Bias?.Substitute(_site.Bias.Value * Flat());
        Detach(adapter);
    }

    public override void Unmerge(string adapter)
    {
        _site.Weight.Unmerge();
        if (!ChangesInput)
            _site.Bias?.Restore();
        Attach(adapter);
    }

    public override IEnumerable<MergedWeight> MergedWeights()
    {
        var matrix = (_site.Weight as DenseWeight)?.Matrix;
        yield return new MergedWeight(
            _site.Path + ".weight", matrix, matrix?.Value.Sizes() ?? [_site.Weight.Outputs, _site.Weight.Inputs],
            weight => weight * (matrix is not null && _site.Weight.IsTransposed ? _scale.Value.detach().t() : _scale.Value.detach()))
        {
            Packed = (_site.Weight as QuantizedWeight)?.Matrix,
        };
        if (!ChangesInput && _site.Bias is { } bias)
            yield return new MergedWeight(bias.Name, bias, bias.Value.Sizes(), value => value * Flat().detach());
    }

    private Tensor Flat() => _scale.Value.view(-1);
}
