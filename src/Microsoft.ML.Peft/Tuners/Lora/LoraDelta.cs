using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>y = x·Wᵀ + s·(dropout(x)·Aᵀ)·Bᵀ, with A [rank, in] and B [out, rank].</summary>
internal sealed class LoraDelta(Projection site, Parameter a, Parameter b, double scale, double dropout) : IProjectionDelta
{
    public Projection Site { get; } = site;

    public Parameter A { get; } = a;

    public Parameter B { get; } = b;

    public Tensor Apply(Tensor input, Tensor output, ForwardContext context) =>
        LoraProduct.AddTo(input, output, A.Value, B.Value, scale, context.NextDropout(dropout));

    /// <summary>The update as a matrix [out, in]; the caller disposes it.</summary>
    public Tensor Matrix()
    {
        using var noGrad = no_grad();
        using Tensor product = B.Value.mm(A.Value);
        return product * scale;
    }
}
