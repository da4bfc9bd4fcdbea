using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>
/// A named weight. Frozen, it is a view of a shared checkpoint; trained or merged into, it has memory of its own.
/// </summary>
internal sealed class Parameter(string name, Tensor value, bool owned) : IDisposable
{
    private bool _owned = owned;

    /// <summary>Full name, as in a Hugging Face checkpoint.</summary>
    public string Name { get; } = name;

    public Tensor Value { get; private set; } = value;

    public bool Trainable => Value.requires_grad;

    /// <summary>The path of the module that holds it.</summary>
    public string ModulePath => Name[..Math.Max(0, Name.LastIndexOf('.'))];

    /// <summary>Biases and norms (one dimension) take no weight decay by default.</summary>
    public bool IsMatrix => Value.dim() > 1;

    /// <summary>Gives the weight memory of its own and lets gradients flow into it.</summary>
    public void MakeTrainable() => Own().requires_grad_(true);

    public void Freeze() => Value.requires_grad_(false);

    /// <summary>Makes the weight writable, copying it once if it is shared.</summary>
    public Tensor Own()
    {
        if (!_owned)
            Replace(Value.detach().clone());
        return Value;
    }

    /// <summary>Overwrites the values in place.</summary>
    public void Assign(Tensor source)
    {
        using var noGrad = no_grad();
        Own().copy_(source).Dispose();
    }

    public void Dispose()
    {
        if (_owned)
            Value.Dispose();
    }

    private void Replace(Tensor own)
    {
        Value = own.DetachFromDisposeScope();
        _owned = true;
    }
}
