using Microsoft.ML.Peft.Quantization;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>x·Wᵀ + b over a frozen packed matrix: it keeps no tensor, and the backward pass unpacks the matrix again.</summary>
internal sealed class QuantizedProduct : GradientFunction<QuantizedProduct, QuantizedProduct.Settings>
{
    public static Tensor Apply(Tensor input, PackedMatrix matrix, Tensor? bias, bool rounded)
    {
        // Decoding asks some hundred times a token, and needs nothing of what a backward pass does.
        if (!is_grad_enabled())
            return Multiply(matrix, rounded, input, bias);
        Tensor[] inputs = bias is null ? [input] : [input, bias];
        return Call(new Settings(matrix, rounded, input.Sizes(), [.. inputs.Select(i => i.requires_grad)]), inputs);
    }

    protected override (Tensor Output, Tensor?[] Saved) Forward(Settings call, IReadOnlyList<Tensor> inputs) =>
        (Multiply(call.Matrix, call.Rounded, inputs[0], inputs.ElementAtOrDefault(1)), []);

    protected override Tensor?[] Backward(Settings call, IReadOnlyList<Tensor> saved, Tensor gradient)
    {
        Tensor rows = gradient.reshape(-1, call.Matrix.Outputs);
        Tensor? input = call.Asks[0] ? call.Matrix.InputGradient(rows).view(call.Shape) : null;
        return [input, call.Asks.Length > 1 && call.Asks[1] ? rows.sum([0L]) : null];
    }

    private static Tensor Multiply(PackedMatrix matrix, bool rounded, Tensor input, Tensor? bias) =>
        rounded ? matrix.RoundedProduct(input, bias) : matrix.Product(input, bias);

    /// <param name="Matrix">W</param>
    /// <param name="Rounded">Whether the forward pass rounds x to 8 bits.</param>
    /// <param name="Shape">Of x.</param>
    /// <param name="Asks">Which of x and b ask for gradients.</param>
    internal sealed record Settings(PackedMatrix Matrix, bool Rounded, long[] Shape, bool[] Asks);
}
