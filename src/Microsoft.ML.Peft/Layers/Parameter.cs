using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>
/// A named weight. Frozen, it is a view of a shared checkpoint; trained or merged into, it has memory of its own.
/// </summary>
internal sealed class Parameter(string name, Tensor value, bool owned) : IDisposable
{
    private bool _owned = owned;
    private readonly Stack<Tensor> _beneath = new();

    /// <summary>Full name, as in a Hugging Face checkpoint.</summary>
    public string Name { get; } = name;

    public Tensor Value { get; private set; } = value;

    /// <summary>The values beneath all merges.</summary>
    public Tensor Original => _beneath.Count > 0 ? _beneath.Last() : Value;

    /// <summary>No checkpoint brought it.</summary>
    public bool IsNew { get; } = owned;

    /// <summary>The path of the module that holds it.</summary>
    public string ModulePath => Name[..Math.Max(0, Name.LastIndexOf('.'))];

    /// <summary>Biases and norms (one dimension) take no weight decay by default.</summary>
    public bool IsMatrix => Value.dim() > 1;

    /// <summary>What the learning rate is multiplied by for this weight.</summary>
    public double LearningRateScale { get; set; } = 1;

    /// <summary>Gives the weight memory of its own and lets gradients flow into it.</summary>
    public void MakeTrainable() => Own().requires_grad = true;

    /// <summary>Overwrites the values in place.</summary>
    public void Assign(Tensor source)
    {
        using var noGrad = no_grad();
        Own().copy_(source);
    }

    /// <summary>A weight of the same values with memory of its own.</summary>
    public Parameter Copy(string name)
    {
        using var noGrad = no_grad();
        return new Parameter(name, Value.clone().DetachFromDisposeScope(), owned: true);
    }

    /// <summary>
    /// Lays other values over the weight's own (a merge), whose memory it takes over. A table that two modules share may be
    /// substituted twice.
    /// </summary>
    public void Substitute(Tensor values)
    {
        _beneath.Push(Value);
        Value = values.DetachFromDisposeScope();
    }

    /// <summary>Takes the values of the last <see cref="Substitute"/> away again, to the bit.</summary>
    public void Restore()
    {
        if (!_beneath.TryPop(out Tensor? beneath))
            return;
        Value.Dispose();
        Value = beneath;
    }

    public void Dispose()
    {
        while (_beneath.Count > 0)
            Restore();
        if (_owned)
            Value.Dispose();
    }

    private Tensor Own()
    {
        if (!_owned)
        {
            using var noGrad = no_grad();
            Value = Value.clone().DetachFromDisposeScope();
            _owned = true;
        }
        return Value;
    }
}
