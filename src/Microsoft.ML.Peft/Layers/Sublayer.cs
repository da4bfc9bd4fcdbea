using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>What a residual join adds to the stream.</summary>
internal enum SublayerKind
{
    /// <summary>What self-attention found.</summary>
    Attention,

    /// <summary>What attention to another part of the model found.</summary>
    CrossAttention,

    /// <summary>What the feed-forward layers made.</summary>
    FeedForward,
}

/// <summary>What a tuner makes of a sublayer's output (bottleneck adapters, Houlsby et al. 2019).</summary>
internal interface ISublayerTuner
{
    /// <param name="output">[B, P, width], the sublayer's own, dropped out in training.</param>
    /// <param name="residual">[B, P, width], what it will be added to.</param>
    /// <param name="norm">The norm behind the sum; null in models that norm before a sublayer.</param>
    /// <param name="context">The call.</param>
    /// <returns>What is added to the residual in the output's place; a new tensor.</returns>
    Tensor Change(Tensor output, Tensor residual, NormSite? norm, ForwardContext context);
}

/// <summary>A residual join of a model: residual + output, and the norm behind it where the model has one there.</summary>
internal sealed class Sublayer
{
    private readonly AdapterSlots<ISublayerTuner> _tuners = new();

    /// <param name="scope">The module below which AdapterHub names the adapters of this join.</param>
    /// <param name="layer">The layer's number within its stack, from 0.</param>
    /// <param name="kind">What is joined.</param>
    /// <param name="width">The stream's width.</param>
    public Sublayer(WeightScope scope, int layer, SublayerKind kind, long width)
    {
        (Path, Layer, Kind, Width) = (scope.Path, layer, kind, width);
        scope.Sites.Add(this);
    }

    /// <summary>The module below which AdapterHub's files name what is attached here.</summary>
    public string Path { get; }

    public int Layer { get; }

    public SublayerKind Kind { get; }

    public long Width { get; }

    /// <summary>Of the output, in training.</summary>
    public double Dropout { get; init; }

    public void Attach(string adapter, ISublayerTuner tuner) => _tuners.Attach(adapter, tuner);

    public void Detach(string adapter) => _tuners.Detach(adapter);

    /// <summary>Adds a sublayer's output to the stream.</summary>
    /// <param name="residual">[B, P, width]</param>
    /// <param name="output">[B, P, width]; overwritten in training where nothing is attached.</param>
    /// <param name="norm">The norm behind the sum; null where there is none.</param>
    /// <param name="context">The call.</param>
    public Tensor Join(Tensor residual, Tensor output, NormSite? norm, ForwardContext context)
    {
        Tensor sum = IsPlain(context)
            ? context.Residual(residual, output, Dropout)
            : Elementwise.Add(residual, Changed(context.Dropout(output, Dropout), residual, norm, context));
        return norm is null ? sum : norm.Forward(sum, context);
    }

    private bool IsPlain(ForwardContext context) => context.Rows is { } rows
        ? rows.Groups.All(group => _tuners.Of(group.Context) is null)
        : _tuners.Of(context) is null;

    private Tensor Changed(Tensor output, Tensor residual, NormSite? norm, ForwardContext context)
    {
        if (context.Rows is not { } rows)
            return _tuners.Of(context)!.Change(output, residual, norm, context);
        foreach (AdapterGroup group in rows.Groups)
        {
            if (_tuners.Of(group.Context) is { } tuner)
                group.Put(output, tuner.Change(group.Take(output), group.Take(residual), norm, group.Context));
        }
        return output;
    }
}
