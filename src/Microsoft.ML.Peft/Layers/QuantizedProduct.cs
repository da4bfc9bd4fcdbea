using Microsoft.ML.Peft.Quantization;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>x·Wᵀ + b over a frozen packed matrix: it keeps no tensor, and the backward pass unpacks the matrix again.</summary>
internal sealed class QuantizedProduct : GradientFunction<QuantizedProduct, QuantizedProduct.Settings>
{
    public static Tensor Apply(Tensor input, PackedMatrix matrix, Tensor? bias)
    {
        bool inputAsks = input.requires_grad, biasAsks = bias?.requires_grad == true;
        if (!is_grad_enabled() || !(inputAsks || biasAsks))
            return Multiply(input, matrix, bias);
        Tensor[] inputs = bias is null ? [input] : [input, bias];
        return Call(new Settings(matrix, input.shape, [inputAsks, biasAsks]), inputs);
    }

    protected override (Tensor Output, Tensor?[] Saved) Forward(Settings call, IReadOnlyList<Tensor> inputs) =>
        (Multiply(inputs[0], call.Matrix, inputs.ElementAtOrDefault(1)), []);

    protected override Tensor?[] Backward(Settings call, IReadOnlyList<Tensor> saved, Tensor gradient)
    {
        Tensor rows = gradient.reshape(-1, call.Matrix.Outputs);
        Tensor? input = call.Asks[0] ? call.Matrix.InputGradient(rows).view(call.Shape) : null;
        return [input, call.Asks[1] ? rows.sum([0]) : null];
    }

    private static Tensor Multiply(Tensor input, PackedMatrix matrix, Tensor? bias)
    {
        using Tensor rows = input.reshape(-1, matrix.Inputs);
        using Tensor product = matrix.Product(rows, bias);
        return product.view([.. input.shape[..^1], matrix.Outputs]);
    }

    internal sealed record Settings(PackedMatrix Matrix, long[] Shape, bool[] Asks);
}
