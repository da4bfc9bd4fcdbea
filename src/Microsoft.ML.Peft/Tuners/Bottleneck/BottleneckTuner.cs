using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Bottleneck;

/// <summary>A small network at chosen sublayers; files name modules as AdapterHub does.</summary>
internal sealed class BottleneckTuner(BottleneckOptions options) : PartTuner(options)
{
    protected override string FilePrefix => "";

    protected override IEnumerable<TunedPart> Tune(TuningTarget target, Generator generator)
    {
        if (!options.AfterAttention && !options.AfterFeedForward)
            throw new ArgumentException("The adapter stands at none of the model's sublayers: choose the attention, the feed-forward layers, or both.");
        return target.Sites.Sublayers.Where(options.Takes).Select(site => new BottleneckAdapter(site, options, generator)).ToArray();
    }
}

/// <summary>up(activation(down(x))) · scaling at one sublayer.</summary>
internal sealed class BottleneckAdapter : TunedPart, ISublayerTuner
{
    private const double InitialRange = 0.02;

    private readonly Sublayer _site;
    private readonly BottleneckOptions _options;
    private readonly Func<Tensor, Tensor> _activation;
    private readonly Parameter _down, _downBias, _up, _upBias;

    public BottleneckAdapter(Sublayer site, BottleneckOptions options, Generator generator)
    {
        (_site, _options, _activation) = (site, options, Activation.Named(options.Activation));
        long width = site.Width, inner = Math.Max(1, (long)(width / options.ReductionFactor));
        string path = $"{site.Path}.adapters.{options.Name}";
        _down = New($"{path}.adapter_down.0.weight", Noise(inner, width));
        _downBias = New($"{path}.adapter_down.0.bias", zeros([inner], ScalarType.Float32, generator.device));
        _up = New($"{path}.adapter_up.weight", Noise(width, inner));
        _upBias = New($"{path}.adapter_up.bias", zeros([width], ScalarType.Float32, generator.device));

        Tensor Noise(params long[] shape) => normal(0, InitialRange, shape, ScalarType.Float32, generator.device, generator: generator);
    }

    public override string Path => _site.Path;

    public override IReadOnlyList<Parameter> Parameters => [_down, _downBias, _up, _upBias];

    public Tensor Change(Tensor output, Tensor residual, NormSite? norm, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        return (output + Result(Read(output, residual, norm, context))).MoveToOuterDisposeScope();
    }

    public override void Attach(string adapter) => _site.Attach(adapter, this);

    public override void Detach(string adapter) => _site.Detach(adapter);

    private Tensor Read(Tensor output, Tensor residual, NormSite? norm, ForwardContext context)
    {
        if (_options.IsParallel)
            return residual;
        if (!_options.ReadsNormedSum)
            return output;
        Tensor sum = output + residual;
        return norm is null ? sum : norm.Forward(sum, context);
    }

    private Tensor Result(Tensor x)
    {
        Tensor inner = _activation(nn.functional.linear(x, _down.Value, _downBias.Value));
        Tensor result = nn.functional.linear(inner, _up.Value, _upBias.Value);
        return _options.Scaling == 1 ? result : result * _options.Scaling;
    }

    private static Parameter New(string name, Tensor values) => new(name, values.DetachFromDisposeScope(), owned: true);
}
