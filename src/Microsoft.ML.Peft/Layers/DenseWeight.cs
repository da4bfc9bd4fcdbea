using Microsoft.ML.Peft.Quantization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>A matrix of floats [out, in], or [in, out] where <paramref name="transposed"/> (GPT-2's Conv1D).</summary>
internal sealed class DenseWeight(Parameter matrix, bool transposed = false) : WeightStore
{
    public Parameter Matrix { get; } = matrix;

    public override bool IsTransposed => transposed;

    public override long Inputs => Matrix.Value.size(transposed ? 0 : 1);

    public override long Outputs => Matrix.Value.size(transposed ? 1 : 0);

    public override Tensor Multiply(Tensor input, Tensor? bias)
    {
        if (!transposed && FewProduct.Takes(input, Matrix.Value, bias))
            return FewProduct.Multiply(input, Matrix.Value, bias);
        using Tensor weight = Dequantize();
        return nn.functional.linear(input, weight, bias);
    }

    public override Tensor InputGradient(Tensor gradient)
    {
        using Tensor weight = Dequantize();
        return gradient.mm(weight);
    }

    public override Tensor Rows(Tensor ids)
    {
        using Tensor weight = Dequantize();
        return weight.index_select(0, ids);
    }

    public override Tensor Dequantize() => transposed ? Matrix.Value.t() : Matrix.Value.alias();

    /// <summary>The same matrix with memory of its own.</summary>
    public DenseWeight Copy(string name) => new(Matrix.Copy(name), transposed);

    public override void Merge(Tensor delta)
    {
        using var noGrad = no_grad();
        using Tensor oriented = transposed ? delta.t() : delta.alias();
        Matrix.Substitute(Matrix.Value + oriented);
    }

    public override void Unmerge() => Matrix.Restore();
}
