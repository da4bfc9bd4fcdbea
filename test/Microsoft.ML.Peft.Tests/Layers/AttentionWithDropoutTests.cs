using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Layers;

[TestClass]
public sealed class AttentionWithDropoutTests
{
    private const int Batch = 3, Heads = 4, Size = 24;
    private const double Scale = 0.3;
    private static readonly DropoutSite Site = new(0.2, 5);

    public static IEnumerable<object[]> Cases =>
        from type in new[] { ScalarType.Float32, ScalarType.Float64 }
        from lengths in new[] { (37, 37), (1, 50), (50, 7), (150, 200) }
        from mask in new[] { "none", "padding", "causal", "learned" }
        select new object[] { type, lengths.Item1, lengths.Item2, mask };

    [TestMethod]
    [DynamicData(nameof(Cases))]
    public void Equals_plain_operations_under_the_same_mask(ScalarType type, int queries, int keys, string maskKind)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1);
        Tensor Noise(params long[] shape) => randn(shape, type, generator: generator);
        Tensor q = Noise(Batch, queries, Heads * Size), k = Noise(Batch, keys, Heads * Size), v = Noise(Batch, keys, Heads * Size);
        Tensor weights = Noise(Batch, queries, Heads * Size);
        Tensor? mask = Mask(maskKind, queries, keys, Noise);
        Tensor dropped = Dropout.Drop(ones([Batch, Heads, queries, keys], type), Site);

        Tensor[] leaves = [.. new[] { q, k, v }.Concat(maskKind == "learned" ? [mask!] : [])];
        Tensor[] expected = Run(leaves, weights, () => Plain(q, k, v, mask, dropped));
        Tensor[] actual = Run(leaves, weights, () => AttentionWithDropout.Apply(q, k, v, Heads, mask, Site, Scale));
        double tolerance = type == ScalarType.Float64 ? 1e-12 : 2e-5;
        foreach (var (name, i) in new[] { "values", "query", "key", "value", "mask" }.Take(expected.Length).Select((n, i) => (n, i)))
            TensorAssert.Close(expected[i], actual[i], tolerance, tolerance, name);
    }

    [TestMethod]
    public void Only_the_gradients_that_are_asked_for_are_computed()
    {
        using var scope = NewDisposeScope();
        Tensor q = rand(1, 5, 8), k = rand(1, 5, 8), v = rand(1, 5, 8);
        foreach (Tensor asked in new[] { q, k, v })
        {
            asked.requires_grad = true;
            BackwardPass.Run(AttentionWithDropout.Apply(q, k, v, 2, null, Site, Scale).sum());
            Assert.AreEqual(1, new[] { q, k, v }.Count(t => t.grad is not null));
            Assert.IsNotNull(asked.grad);
            asked.requires_grad = false;
            asked.grad = null;
        }
    }

    [TestMethod]
    public void A_row_without_keys_is_zero_and_has_finite_gradients()
    {
        using var scope = NewDisposeScope();
        Tensor q = rand(2, 3, 8).requires_grad_(), k = rand(2, 3, 8).requires_grad_(), v = rand(2, 3, 8).requires_grad_();
        Tensor mask = AttentionMask.Padding(tensor(new[] { true, true, false, false, false, false }).view(2, 3))!.Bias!;
        Tensor attended = AttentionWithDropout.Apply(q, k, v, 2, mask, Site, Scale);
        BackwardPass.Run(attended.sum());
        Assert.AreEqual(0, attended[1].abs().sum().item<float>());
        foreach (Tensor leaf in new[] { q, k, v })
            Assert.IsTrue(leaf.grad!.isfinite().all().item<bool>());
    }

    [TestMethod]
    public void Tensors_stay_flat()
    {
        Step();
        long before = LiveTensors.Settled();
        for (int i = 0; i < 50; i++)
            Step();
        Assert.AreEqual(before, Tensor.TotalCount);

        static void Step()
        {
            using var scope = NewDisposeScope();
            Tensor x = rand(2, 9, 16).requires_grad_();
            BackwardPass.Run(AttentionWithDropout.Apply(AttentionWithDropout.Apply(x, x, x, 2, null, Site, Scale), x, x, 2, null, Site, Scale).sum());
        }
    }

    private static Tensor? Mask(string kind, int queries, int keys, Func<long[], Tensor> noise) => kind switch
    {
        "none" => null,
        "padding" => AttentionMask.Padding(arange(keys).unsqueeze(0) < tensor(new[] { keys, 1, keys / 2 + 1 }).unsqueeze(1))!.Bias,
        "causal" => zeros(1, 1, queries, keys).masked_fill_(ones(queries, keys).triu(Math.Max(1, keys - queries)) == 1, float.NegativeInfinity),
        _ => noise([1, Heads, queries, keys]),
    };

    private static Tensor Plain(Tensor q, Tensor k, Tensor v, Tensor? mask, Tensor dropped)
    {
        Tensor Split(Tensor x) => x.view(Batch, -1, Heads, Size).transpose(1, 2);
        Tensor scores = Split(q).matmul(Split(k).transpose(-2, -1)) * Scale;
        Tensor probabilities = (mask is null ? scores : scores + mask).softmax(-1);
        return (probabilities * dropped).matmul(Split(v)).transpose(1, 2).flatten(2);
    }

    private static Tensor[] Run(Tensor[] leaves, Tensor weights, Func<Tensor> attend)
    {
        foreach (Tensor leaf in leaves)
        {
            leaf.requires_grad = true;
            leaf.grad = null;
        }
        Tensor output = attend();
        BackwardPass.Run((output * weights).sum());
        return [output, .. leaves.Select(leaf => leaf.grad!.clone())];
    }
}
