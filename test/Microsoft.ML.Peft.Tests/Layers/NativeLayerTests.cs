using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Tests.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Layers;

/// <summary>Layers with a kernel of their own, outputs and gradients, against the same in torch's operations.</summary>
[TestClass]
public sealed class NativeLayerTests
{
    private const int Rows = 2, Length = 5, Heads = 3, Size = 8;
    private const double Gain = 1.7;

    [TestInitialize]
    public void Begin()
    {
        NativeFact.Require();
        manual_seed(1);
    }

    [TestMethod]
    public void RmsNorm() => AreAlike(
        [randn(Rows, Length, 24), randn(24)],
        inputs => NativeRmsNorm.Apply(inputs[0], inputs[1], 1e-6),
        inputs => inputs[0] * (inputs[0].square().mean([-1L], keepdim: true) + 1e-6).rsqrt() * inputs[1]);

    [TestMethod]
    public void RmsNormOfWhatIsNotDense() => AreAlike(
        [randn(24, Length), randn(24)],
        inputs => NativeRmsNorm.Apply(inputs[0].t(), inputs[1], 1e-6),
        inputs => inputs[0].t() * (inputs[0].t().square().mean([-1L], keepdim: true) + 1e-6).rsqrt() * inputs[1]);

    [TestMethod]
    public void Gated() => AreAlike(
        [randn(Rows, Length, 24), randn(Rows, Length, 24)],
        inputs => GatedSilu.Of(inputs[0], inputs[1]),
        inputs => nn.functional.silu(inputs[0]) * inputs[1]);

    [TestMethod]
    [DataRow(1)]
    [DataRow(Rows)]
    public void Rotation(int batches)
    {
        Tensor angles = randn(batches, Length, Size / 2);
        var rotation = new Rotation(angles.cos(), angles.sin());
        AreAlike(
            [randn(Rows, Length, Heads * Size)],
            // A copy, since the kernel writes where it reads.
            inputs => rotation.Turn(inputs[0].clone(), Heads),
            inputs => Turned(inputs[0], angles));
    }

    [TestMethod]
    public void AGraphThatNeedsTheTurnedValuesIsRefused()
    {
        Tensor angles = randn(1, Length, Size / 2), x = randn(Rows, Length, Heads * Size).requires_grad_(), power = x.exp();
        Tensor turned = new Rotation(angles.cos(), angles.sin()).Turn(power, Heads);
        Assert.Throws<Exception>(() => BackwardPass.Run(turned.sum()));
    }

    [TestMethod]
    public void AttentionOfOneQuery()
    {
        using var none = no_grad();
        Tensor query = randn(Rows, 1, 4 * Size), keys = randn(Rows, 2, 9, Size), values = randn(Rows, 2, 9, Size);
        Tensor mask = zeros(Rows, 1, 1, 6).masked_fill_(rand(Rows, 1, 1, 6).lt(0.3), float.NegativeInfinity);
        (Tensor key, Tensor value) = (keys.narrow(2, 0, 6), values.narrow(2, 0, 6));
        // As ALiBi's and T5's: a bias of its own for each head, and for each row or all.
        Tensor byHead = randn(Rows, 4, 1, 6);
        foreach (Tensor? bias in new[] { null, mask, mask.narrow(0, 0, 1), byHead, byHead.narrow(0, 0, 1), byHead + mask, byHead.transpose(0, 1).contiguous().transpose(0, 1) })
        {
            Assert.IsTrue(QueryAttention.Takes(Attention.Split(query, 4), key, value, bias));
            Tensor found = QueryAttention.Attend(Attention.Split(query, 4), key, value, bias, Gain / Math.Sqrt(Size));
            Tensor expected = nn.functional.scaled_dot_product_attention(
                Attention.Split(query * Gain, 4), key.repeat_interleave(2, 1), value.repeat_interleave(2, 1), bias!);
            AreClose(expected.transpose(1, 2).flatten(2), found);
        }
        // What it would read past or not broadcast goes another way.
        foreach (Tensor bias in new[] { randn(Rows, 2, 1, 6), randn(Rows, 4, 1, 5), randn(Rows, 4, 2, 6), randn(1, 6), randn(Rows + 1, 1, 1, 6) })
            Assert.IsFalse(QueryAttention.Takes(Attention.Split(query, 4), key, value, bias), string.Join(' ', bias.shape));
    }

    [TestMethod]
    public void AttentionOfOneQueryWithoutTheKernel()
    {
        // A gradient is asked for, so the kernel is not.
        Tensor query = Attention.Split(randn(Rows, 1, 4 * Size), 4).requires_grad_(), key = randn(Rows, 2, 6, Size), value = randn(Rows, 2, 6, Size);
        foreach (Tensor bias in new[] { randn(Rows, 1, 1, 6), randn(Rows, 4, 1, 6), randn(1, 4, 1, 6) })
        {
            Assert.IsFalse(QueryAttention.Takes(query, key, value, bias));
            Tensor expected = nn.functional.scaled_dot_product_attention(query, key.repeat_interleave(2, 1), value.repeat_interleave(2, 1), bias);
            AreClose(expected.transpose(1, 2).flatten(2), Attention.Attend(query, key, value, new AttentionMask(new MaskTerms { Queries = 1, Keys = 6, Device = CPU, HeadBias = bias }), null));
        }
    }

    [TestMethod]
    public void FewTokens()
    {
        Tensor weight = randn(10, 24), bias = randn(10);
        foreach (int tokens in new[] { 0, 1, 3, 4 })
            AreClose(nn.functional.linear(randnOf(tokens, out Tensor x), weight, bias), FewProduct.Multiply(x, weight, bias));
        Assert.IsFalse(FewProduct.Takes(randn(5, 24), weight, bias));
        Assert.IsFalse(FewProduct.Takes(randn(1, 24).requires_grad_(), weight, bias));

        static Tensor randnOf(int tokens, out Tensor x) => x = randn(1, tokens, 24);
    }

    private static Tensor Turned(Tensor x, Tensor angles)
    {
        Tensor split = Attention.Split(x, Heads), cos = angles.cos().unsqueeze(1), sin = angles.sin().unsqueeze(1);
        Tensor left = split.narrow(3, 0, Size / 2), right = split.narrow(3, Size / 2, Size / 2);
        return cat([(left * cos) - (right * sin), (right * cos) + (left * sin)], -1);
    }

    private static void AreAlike(Tensor[] values, Func<Tensor[], Tensor> native, Func<Tensor[], Tensor> plain)
    {
        Tensor[] ours = [.. values.Select(v => v.clone().requires_grad_())], theirs = [.. values.Select(v => v.clone().requires_grad_())];
        Tensor output = native(ours), expected = plain(theirs), gradient = randn(expected.shape);
        AreClose(expected, output);
        BackwardPass.Run(output, gradient);
        BackwardPass.Run(expected, gradient);
        foreach (var (mine, other) in ours.Zip(theirs))
            AreClose(other.grad!, mine.grad!);
        using var none = no_grad();
        AreClose(expected, native(values));
    }

    private static void AreClose(Tensor expected, Tensor actual)
    {
        CollectionAssert.AreEqual(expected.shape, actual.shape);
        double distance = expected.numel() == 0 ? 0 : (expected - actual).abs().max().ToDouble();
        Assert.IsLessThan(1e-5, distance);
    }
}
