using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>
/// Adds s·(dropout(x)·Aᵀ)·Bᵀ to a projection's output, in the output's own memory, and keeps x and the few low-rank rows
/// alone. Those lie the long way, [rank, tokens]: BLAS is three times slower at products that are 8 columns wide.
/// </summary>
internal sealed class LoraProduct : GradientFunction<LoraProduct, LoraProduct.Settings>
{
    /// <param name="input">[..., in]</param>
    /// <param name="output">[..., out], overwritten; no graph may need it.</param>
    /// <param name="a">[rank, in]</param>
    /// <param name="b">[out, rank]</param>
    /// <param name="scale">s</param>
    /// <param name="dropout">Dropout on x.</param>
    public static Tensor AddTo(Tensor input, Tensor output, Tensor a, Tensor b, double scale, DropoutSite? dropout) =>
        dropout is null && FewProduct.TakesBoth(input, a, b)
            ? AddFew(input, output, a, b, scale)
            : Call(new Settings((float)scale, dropout, input.requires_grad), input, output, a, b);

    // A decoder's next token: two small reads, where what surrounds a matrix product would take longer than the product.
    private static Tensor AddFew(Tensor input, Tensor output, Tensor a, Tensor b, double scale)
    {
        using Tensor low = FewProduct.Multiply(input, a, null), change = FewProduct.Multiply(low, b, null);
        return output.add_(change, scale);
    }

    protected override (Tensor Output, Tensor?[] Saved) Forward(Settings call, IReadOnlyList<Tensor> inputs)
    {
        var (input, output, a, b) = (inputs[0], inputs[1].detach(), inputs[2], inputs[3]);
        Tensor low = a.mm(Dropped(call, input).t());
        Flat(output).addmm_(low.t(), b.t(), 1, call.Scale);
        return (output, [input, a, b, low]);
    }

    protected override Tensor?[] Backward(Settings call, IReadOnlyList<Tensor> saved, Tensor gradient)
    {
        var (input, a, b, low) = (saved[0], saved[1], saved[2], saved[3]);
        Tensor above = Flat(gradient), lowGradient = b.t().mm(above.t()).mul_(call.Scale);
        Tensor bGradient = low.mm(above).mul_(call.Scale).t().contiguous();
        Tensor aGradient = lowGradient.mm(Dropped(call, input));
        return [call.InputAsks ? InputGradient(call, lowGradient, a, input.Sizes()) : null, gradient.alias(), aGradient, bGradient];
    }

    private static Tensor InputGradient(Settings call, Tensor lowGradient, Tensor a, long[] shape)
    {
        Tensor gradient = lowGradient.t().mm(a).view(shape);
        return call.Dropout is null ? gradient : Dropout.Drop(gradient, call.Dropout);
    }

    private static Tensor Dropped(Settings call, Tensor input) =>
        Flat(call.Dropout is null ? input : Dropout.Drop(input, call.Dropout));

    private static Tensor Flat(Tensor x) => x.reshape(-1, x.size(-1));

    internal sealed record Settings(float Scale, DropoutSite? Dropout, bool InputAsks);
}
