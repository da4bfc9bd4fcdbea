using Microsoft.ML.Peft.Quantization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>What a tuner makes of a projection: it may change what goes in, and what comes out.</summary>
internal interface IProjectionDelta
{
    /// <summary>Whether the projection is to read <see cref="Input"/>.</summary>
    bool ChangesInput => false;

    /// <summary>What the projection reads in the input's place.</summary>
    /// <param name="input">[..., in]</param>
    /// <param name="context">The call.</param>
    Tensor Input(Tensor input, ForwardContext context) => input;

    /// <summary>Turns the projection's output into the tuned one.</summary>
    /// <param name="input">[..., in]</param>
    /// <param name="output">[..., out], the projection's own result; may be changed in place.</param>
    /// <param name="context">The call.</param>
    Tensor Apply(Tensor input, Tensor output, ForwardContext context);
}

/// <summary>A linear layer, y = x·Wᵀ + b, with slots for tuners: named deltas, and layers that stand in for it.</summary>
internal sealed class Projection
{
    private readonly AdapterSlots<IProjectionDelta> _deltas = new();
    private readonly AdapterSlots<Projection> _replacements = new();

    public Projection(WeightScope scope, long inputs, long outputs, bool bias = true)
        : this(scope, scope.LoadMatrix(outputs, inputs), bias ? scope.Load("bias", Init.Zeros, outputs) : null)
    {
    }

    public Projection(WeightScope scope, WeightStore weight, Parameter? bias) : this(scope.Path, weight, bias) => scope.Sites.Add(this);

    private Projection(string path, WeightStore weight, Parameter? bias) => (Path, Weight, Bias) = (path, weight, bias);

    /// <summary>Module path, as in Hugging Face's model.</summary>
    public string Path { get; }

    public WeightStore Weight { get; }

    public Parameter? Bias { get; }

    /// <summary>Its float parameters: the matrix (unless it is quantized) and the bias.</summary>
    public IReadOnlyList<Parameter> Parameters =>
        [.. Weight is DenseWeight dense ? [dense.Matrix] : Array.Empty<Parameter>(), .. Bias is null ? Array.Empty<Parameter>() : [Bias]];

    public Tensor Forward(Tensor input, ForwardContext context)
    {
        if (context.Rows is { } rows)
            return Forward(input, rows);
        if (_replacements.Of(context) is { } own)
            return own.Forward(input, context);
        return _deltas.Of(context) is { } delta ? Tuned(input, null, delta, context) : Weight.Multiply(input, Bias?.Value);
    }

    /// <summary>Whether a call is the frozen matrix alone: nothing of it trains, and no adapter joins in.</summary>
    public bool IsPlain(ForwardContext context) =>
        IsBare(context) && !Parameters.Any(p => p.Value.requires_grad);

    public void Attach(string adapter, IProjectionDelta delta) => _deltas.Attach(adapter, delta);

    /// <summary>Lets another layer stand in for this one.</summary>
    public void Attach(string adapter, Projection replacement) => _replacements.Attach(adapter, replacement);

    public void Detach(string adapter)
    {
        _deltas.Detach(adapter);
        _replacements.Detach(adapter);
    }

    /// <summary>The same layer over another matrix; it is no place for tuners to find.</summary>
    public Projection Over(WeightStore weight) => new(Path, weight, Bias);

    /// <summary>The same layer with weights of its own; it is no place for tuners.</summary>
    /// <exception cref="NotSupportedException">The matrix is quantized.</exception>
    public Projection Copy() => Weight is DenseWeight dense
        ? new Projection(Path, dense.Copy(Path + ".weight"), Bias?.Copy(Path + ".bias"))
        : throw new NotSupportedException($"'{Path}' is quantized: it cannot train as a whole.");

    private bool IsBare(ForwardContext context) => context.Rows is { } rows
        ? rows.Groups.All(group => IsBare(group.Context))
        : _replacements.Of(context) is null && _deltas.Of(context) is null;

    // The plain output serves where it is there already and the delta lets the input be.
    private Tensor Tuned(Tensor input, Tensor? plain, IProjectionDelta delta, ForwardContext context)
    {
        if (!delta.ChangesInput)
            return delta.Apply(input, plain ?? Weight.Multiply(input, Bias?.Value), context);
        using var scope = NewDisposeScope();
        Tensor changed = delta.Input(input, context);
        return delta.Apply(changed, Weight.Multiply(changed, Bias?.Value), context).MoveToOuterDisposeScope();
    }

    private Tensor Forward(Tensor input, AdapterRows rows)
    {
        using var scope = NewDisposeScope();
        Tensor output = Weight.Multiply(input, Bias?.Value);
        foreach (AdapterGroup group in rows.Groups.Where(group => !IsBare(group.Context)))
        {
            Tensor part = group.Take(input);
            group.Put(output, _replacements.Of(group.Context) is { } own
                ? own.Forward(part, group.Context)
                : Tuned(part, group.Take(output), _deltas.Of(group.Context)!, group.Context));
        }
        return output.MoveToOuterDisposeScope();
    }
}
