using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>
/// LoRA that starts as a part of the weight (PiSSA, OLoRA): y = x·(W - s·B₀·A₀)ᵀ + s·(dropout(x)·Aᵀ)·Bᵀ. PEFT takes the part
/// out of the weight; here the weight stays as it is, so that other adapters can share it, and the frozen start is
/// subtracted beside it. What is saved is the update of the plain weight, as PEFT's conversion has it: [A; A₀] and [B, -B₀].
/// </summary>
internal sealed class StartedDelta(LoraDelta trained) : IWeightDelta, IDisposable
{
    private readonly LoraDelta _start = new(
        trained.A.Copy(trained.A.Name), Negated(trained.B), trained.Scale, dropout: 0);

    public IReadOnlyList<Parameter> Parameters => trained.Parameters;

    public Tensor Apply(Tensor input, Tensor output, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        return trained.Apply(input, _start.Apply(input, output, context), context).MoveToOuterDisposeScope();
    }

    public Tensor Matrix()
    {
        using var noGrad = no_grad();
        using Tensor now = trained.Matrix(), start = _start.Matrix();
        return now + start;
    }

    public IEnumerable<(string Name, Tensor Value)> Export() =>
    [
        (trained.A.Name, Joined(trained.A, _start.A, 0)),
        (trained.B.Name, Joined(trained.B, _start.B, 1)),
    ];

    public void Dispose()
    {
        _start.A.Dispose();
        _start.B.Dispose();
    }

    private static Parameter Negated(Parameter b)
    {
        using var noGrad = no_grad();
        return new Parameter(b.Name, b.Value.neg().DetachFromDisposeScope(), owned: true);
    }

    private static Tensor Joined(Parameter trained, Parameter start, long dimension)
    {
        using var noGrad = no_grad();
        return cat([trained.Value, start.Value], dimension);
    }
}
