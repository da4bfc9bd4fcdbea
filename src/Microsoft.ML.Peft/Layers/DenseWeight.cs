using Microsoft.ML.Peft.Quantization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>A matrix of floats.</summary>
internal sealed class DenseWeight(Parameter matrix) : WeightStore
{
    public Parameter Matrix { get; } = matrix;

    public override long Inputs => Matrix.Value.shape[1];

    public override long Outputs => Matrix.Value.shape[0];

    public override Tensor Multiply(Tensor input, Tensor? bias) => nn.functional.linear(input, Matrix.Value, bias);

    public override Tensor Dequantize() => Matrix.Value.alias();

    public override void Merge(Tensor delta)
    {
        using var noGrad = no_grad();
        Matrix.Cover(Matrix.Value + delta);
    }

    public override void Unmerge() => Matrix.Uncover();
}
