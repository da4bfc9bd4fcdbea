using Microsoft.ML.Peft.Quantization;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>What a tuner adds to a projection.</summary>
internal interface IProjectionDelta
{
    /// <summary>Turns the projection's output into the tuned one.</summary>
    /// <param name="input">[..., in]</param>
    /// <param name="output">[..., out], the projection's own result; may be changed in place.</param>
    /// <param name="context">The call.</param>
    Tensor Apply(Tensor input, Tensor output, ForwardContext context);
}

/// <summary>A linear layer, y = x·Wᵀ + b, with a slot for tuners: weight store, bias and named deltas.</summary>
internal sealed class Projection
{
    // Replaced whole, never changed: a forward that runs meanwhile sees the old set or the new one.
    private volatile IReadOnlyDictionary<string, IProjectionDelta> _deltas = new Dictionary<string, IProjectionDelta>();

    public Projection(WeightScope scope, long inputs, long outputs, bool bias = true)
        : this(scope, new DenseWeight(scope.Load("weight", Init.Normal, outputs, inputs)), bias ? scope.Load("bias", Init.Zeros, outputs) : null)
    {
    }

    public Projection(WeightScope scope, WeightStore weight, Parameter? bias)
    {
        (Path, Weight, Bias) = (scope.Path, weight, bias);
        scope.Sites.Add(this);
    }

    /// <summary>Module path, as in Hugging Face's model.</summary>
    public string Path { get; }

    public WeightStore Weight { get; }

    public Parameter? Bias { get; }

    /// <summary>Its float parameters: the matrix (unless it is quantized) and the bias.</summary>
    public IReadOnlyList<Parameter> Parameters =>
        [.. Weight is DenseWeight dense ? [dense.Matrix] : Array.Empty<Parameter>(), .. Bias is null ? Array.Empty<Parameter>() : [Bias]];

    public Tensor Forward(Tensor input, ForwardContext context)
    {
        Tensor output = Weight.Multiply(input, Bias?.Value);
        return context.Adapter is { } adapter && _deltas.TryGetValue(adapter, out IProjectionDelta? delta)
            ? delta.Apply(input, output, context)
            : output;
    }

    /// <summary>Whether a call is the frozen matrix alone: nothing of it trains, and no adapter joins in.</summary>
    public bool IsPlain(ForwardContext context) =>
        !(context.Adapter is { } adapter && _deltas.ContainsKey(adapter)) && !Parameters.Any(p => p.Value.requires_grad);

    public void Attach(string adapter, IProjectionDelta delta) =>
        _deltas = new Dictionary<string, IProjectionDelta>(_deltas) { [adapter] = delta };

    public void Detach(string adapter) =>
        _deltas = _deltas.Where(d => d.Key != adapter).ToDictionary(d => d.Key, d => d.Value);
}
