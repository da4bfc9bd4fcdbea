using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>Cosine and sine of each position and frequency, [B or 1, S, size / 2].</summary>
internal sealed record Rotation(Tensor Cos, Tensor Sin)
{
    /// <summary>The rotation of the positions that are read.</summary>
    public Rotation Select(PositionSelection rows, long batch) => ReferenceEquals(rows, PositionSelection.All)
        ? this
        : new Rotation(rows.Select(Cos.expand(batch, -1, -1)), rows.Select(Sin.expand(batch, -1, -1)));

    /// <summary>Turns the heads of a projection's output.</summary>
    /// <param name="x">[B, S, heads·size]; may be overwritten, and no graph may need it: libtorch throws where one does.</param>
    /// <param name="heads">How many.</param>
    /// <returns>[B, heads, S, size]</returns>
    public Tensor Turn(Tensor x, int heads) =>
        Attention.Split(PeftNative.Takes(x) && PeftNative.Takes(Cos) ? NativeRotation.Apply(x, this, heads) : Plainly(x, heads), heads);

    private Tensor Plainly(Tensor x, int heads)
    {
        using var scope = NewDisposeScope();
        Tensor split = x.view(x.size(0), x.size(1), heads, -1), cos = Cos.unsqueeze(2), sin = Sin.unsqueeze(2);
        long half = split.size(3) / 2;
        Tensor left = split.narrow(3, 0, half), right = split.narrow(3, half, half);
        return cat([(left * cos) - (right * sin), Elementwise.Add(right * cos, left * sin)], -1).view(x.Sizes()).MoveToOuterDisposeScope();
    }
}

/// <summary>The turn in place; its gradient is the turn back.</summary>
internal sealed class NativeRotation : GradientFunction<NativeRotation, NativeRotation.Settings>
{
    public static Tensor Apply(Tensor x, Rotation rotation, int heads)
    {
        if (is_grad_enabled())
            return Call(new Settings(heads), x, rotation.Cos, rotation.Sin);
        Tensor output = NativeTensor.Dense(x);
        Turn(heads, output, NativeTensor.Dense(rotation.Cos), NativeTensor.Dense(rotation.Sin), back: false);
        return output;
    }

    protected override (Tensor Output, Tensor?[] Saved) Forward(Settings call, IReadOnlyList<Tensor> inputs)
    {
        Tensor output = inputs[0].detach().contiguous(), cos = inputs[1].contiguous(), sin = inputs[2].contiguous();
        Turn(call.Heads, output, cos, sin, back: false);
        // Of a write behind its back libtorch learns by one to none of the elements.
        output.narrow(0, 0, 0).zero_();
        return (output, [cos, sin]);
    }

    protected override Tensor?[] Backward(Settings call, IReadOnlyList<Tensor> saved, Tensor gradient)
    {
        Tensor result = NativeTensor.Empty(gradient.Sizes());
        result.copy_(gradient);
        Turn(call.Heads, result, saved[0], saved[1], back: true);
        return [result, null, null];
    }

    private static void Turn(int heads, Tensor x, Tensor cos, Tensor sin, bool back) => NativeMethods.Rotary(
        NativeMethods.BestIsa, x, cos, sin, back ? 1 : 0,
        x.size(0) * x.size(1), cos.size(0) * cos.size(1), heads, x.size(2) / heads);

    internal sealed record Settings(int Heads);
}
