using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>y = x·Wᵀ + s·(dropout(x)·Aᵀ)·Bᵀ, with A [rank, in] and B [out, rank].</summary>
internal sealed class LoraDelta(Parameter a, Parameter b, double scale, double dropout) : IWeightDelta
{
    public Parameter A { get; } = a;

    public Parameter B { get; } = b;

    public double Scale { get; } = scale;

    public IReadOnlyList<Parameter> Parameters => [A, B];

    public IReadOnlyList<Parameter> Interpolated => MovingOf(A, B);

    /// <summary>Of two factors that which is zero at the start: then the product goes straight from nothing to what it becomes. Both where none is.</summary>
    public static IReadOnlyList<Parameter> MovingOf(Parameter a, Parameter b) => IsZero(b) ? [b] : IsZero(a) ? [a] : [a, b];

    public Tensor Apply(Tensor input, Tensor output, ForwardContext context) =>
        LoraProduct.AddTo(input, output, A.Value, B.Value, Scale, context.NextDropout(dropout));

    /// <summary>The update as a matrix [out, in]; the caller disposes it.</summary>
    public Tensor Matrix()
    {
        using var noGrad = no_grad();
        return B.Value.mm(A.Value).mul_(Scale);
    }

    public IEnumerable<(string Name, Tensor Value)> Export() => Parameters.Select(p => (p.Name, p.Value));

    private static bool IsZero(Parameter factor)
    {
        using Tensor any = factor.Value.any();
        return !any.item<bool>();
    }
}
