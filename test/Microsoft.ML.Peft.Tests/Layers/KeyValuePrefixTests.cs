using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Layers;

/// <summary>Keys and values before a call's own, beside every term of a mask, against attention written out query by query.</summary>
[TestClass]
public sealed class KeyValuePrefixTests
{
    private const int Rows = 2, Heads = 4, Size = 8, Length = 6, Count = 3;

    private static readonly bool[][] s_right = [[true, true, true, true, true, true], [true, true, true, true, false, false]];
    private static readonly bool[][] s_left = [[true, true, true, true, true, true], [false, false, true, true, true, true]];
    private static readonly int[][] s_texts = [[0, 0, 0, 1, 1, 1], [0, 0, 1, 1, 2, 2]];

    [TestMethod]
    [DataRow(true, Heads, "", false, false), DataRow(false, Heads, "", false, false)]
    [DataRow(true, 2, "", false, false), DataRow(true, 1, "", false, false)]
    [DataRow(true, Heads, "left", false, false), DataRow(true, 2, "right", false, false), DataRow(false, Heads, "right", false, false), DataRow(false, Heads, "left", false, false)]
    [DataRow(true, Heads, "", true, false), DataRow(true, 2, "right", true, false)]
    [DataRow(true, Heads, "", false, true), DataRow(false, 2, "left", false, true), DataRow(true, 2, "right", true, true)]
    public void EveryTextSeesThePrefix(bool causal, int groups, string padding, bool packed, bool bias)
    {
        using var scope = NewDisposeScope();
        var site = NewSite(groups);
        var prefix = new Prefix(groups);
        site.Attach(ForwardContext.DefaultAdapter, prefix);
        bool[][]? real = padding switch { "left" => s_left, "right" => s_right, _ => null };
        Tensor query = Random(1, Rows, Heads, Length, Size), key = Random(2, Rows, groups, Length, Size), value = Random(3, Rows, groups, Length, Size);
        PrefixColumns columns = PrefixColumns.Of(site, ForwardContext.Inference)!;
        Tensor? own = real is null ? null : stack([.. real.Select(row => tensor(row))]);
        var mask = new AttentionMask(new MaskTerms
        {
            Queries = Length, Keys = Count + Length, Device = CPU, IsCausal = causal, Real = columns.RealWith(own, Rows, Length, CPU),
            Texts = packed ? stack([.. s_texts.Select(row => tensor(row.Select(text => (long)text).ToArray()))]) : null,
            HeadBias = bias ? Slopes() : null,
        });
        Tensor found = site.Attend(query, key, value, mask, ForwardContext.Inference), weights = Random(4, Rows, Length, Heads * Size);
        Tensor expected = Plain(query, key, value, prefix, groups, causal, real, packed ? s_texts : null, bias);
        // What padding says nobody reads.
        Tensor counted = own is null ? weights : weights * own.unsqueeze(-1);
        TensorAssert.Close(expected * (own?.unsqueeze(-1) ?? ones(1)), found * (own?.unsqueeze(-1) ?? ones(1)), 1e-5, 1e-5, "output");
        TensorAssert.Close(tensor(Gradients(prefix, (expected * counted).sum())),
            tensor(Gradients(prefix, (site.Attend(query, key, value, mask, ForwardContext.Inference) * counted).sum())), 1e-5, 1e-4, "the prefix's gradient");

        PositionSelection read = PositionSelection.At(tensor(new long[] { 5, 1, 2, 0 }).view(2, 2));
        Tensor some = read.Select(query.transpose(1, 2).flatten(2)).unflatten(2, Heads, Size).transpose(1, 2).contiguous();
        Tensor of = site.Attend(some, key, value, mask.Select(read, Rows), ForwardContext.Inference), all = read.Select(found);
        if (padding.Length == 0)
            TensorAssert.Close(all, of, 1e-5, 1e-5, "the positions that are read");
    }

    [TestMethod]
    public void DropoutReachesThePrefixToo()
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        AttentionSite Dropping(double rate) => new(Scope(), 0, Heads, Size) { Dropout = rate };
        // All values are one: what comes out is the sum of the probabilities that are left.
        Tensor query = Random(1, Rows, Heads, Length, Size), key = Random(2, Rows, Heads, Length, Size), value = ones(Rows, Heads, Length, Size);
        AttentionSite site = Dropping(0.3);
        site.Attach(ForwardContext.DefaultAdapter, new Prefix(Heads) { One = true });
        Tensor Run(long seed) => site.Attend(query, key, value, null, new ForwardContext { Seeds = new DropoutSeeds(seed) });
        TensorAssert.Close(Run(7), Run(7), 0, 0, "the same seed");
        TensorAssert.Close(ones(Rows, Length, Heads * Size), site.Attend(query, key, value, null, ForwardContext.Inference), 1e-5, 0, "no dropout");
        Tensor mean = stack([.. Enumerable.Range(0, 400).Select(seed => Run(seed))]).mean([0L]);
        Assert.AreEqual(1, mean.mean().item<float>(), 0.02);

        // The prefix's own dropout leaves a row's keys and values alone: those of the text, all hidden here, are zero.
        AttentionSite own = Dropping(0);
        own.Attach(ForwardContext.DefaultAdapter, new Prefix(Heads) { One = true, Dropout = 0.5 });
        Tensor Sum(long seed) => own.Attend(query, key, value, null, new ForwardContext { Seeds = new DropoutSeeds(seed) });
        Assert.IsGreaterThan(0.01, (Sum(1) - Sum(2)).abs().max().item<float>());
        TensorAssert.Close(Sum(1), Sum(1), 0, 0, "the same seed");
        TensorAssert.Close(ones(Rows, Length, Heads * Size), own.Attend(query, key, value, null, ForwardContext.Inference), 1e-5, 0, "none in inference");
        Assert.IsGreaterThan(1e-3, (Sum(1)[0] - Sum(1)[1]).abs().max().item<float>(), "Rows draw each their own.");
    }

    private static float[] Gradients(Prefix prefix, Tensor loss)
    {
        prefix.Keys.grad = prefix.Values.grad = null;
        BackwardPass.Run(loss, null);
        return [.. prefix.Keys.grad!.flatten().data<float>(), .. prefix.Values.grad!.flatten().data<float>()];
    }

    private static Tensor Plain(
        Tensor query, Tensor key, Tensor value, Prefix prefix, int groups, bool causal, bool[][]? real, int[][]? texts, bool bias)
    {
        Tensor keys = cat([prefix.Keys.transpose(0, 1).unsqueeze(0).expand(Rows, -1, -1, -1), key], 2).repeat_interleave(Heads / groups, 1);
        Tensor values = cat([prefix.Values.transpose(0, 1).unsqueeze(0).expand(Rows, -1, -1, -1), value], 2).repeat_interleave(Heads / groups, 1);
        Tensor scores = query.matmul(keys.transpose(2, 3)) / Math.Sqrt(Size);
        if (bias)
            scores += Slopes();
        bool[] hidden = new bool[Rows * Length * (Count + Length)];
        for (int row = 0, at = 0; row < Rows; row++)
        {
            for (int q = 0; q < Length; q++)
            {
                for (int k = -Count; k < Length; k++, at++)
                    hidden[at] = k >= 0 && ((causal && k > q) || real?[row][k] == false || (texts is not null && texts[row][k] != texts[row][q]));
            }
        }
        Tensor mask = tensor(hidden, [Rows, 1, Length, Count + Length]);
        return scores.masked_fill(mask, float.NegativeInfinity).softmax(-1).matmul(values).transpose(1, 2).flatten(2);
    }

    // A bias that grows with the distance, steeper for each head (ALiBi).
    private static Tensor Slopes()
    {
        Tensor query = arange(Count, Count + Length).unsqueeze(1), key = arange(0, Count + Length).unsqueeze(0);
        return -(query - key).abs().to(ScalarType.Float32) * tensor(new[] { 0.5f, 0.25f, 0.125f, 0.0625f }).view(1, Heads, 1, 1);
    }

    private static AttentionSite NewSite(int groups) => new(Scope(), 0, Heads, Size, groups);

    private static WeightScope Scope() => new ModelWeights(null, "base", CPU, 0.02, seed: 1).Root["attention"];

    private static Tensor Random(ulong seed, params long[] shape)
    {
        using var generator = new Generator(seed, CPU);
        return randn(shape, ScalarType.Float32, CPU, generator: generator);
    }

    private sealed class Prefix(int groups) : IKeyValuePrefix
    {
        public bool One { get; init; }

        public Tensor Keys { get; } = Random(11, KeyValuePrefixTests.Count, groups, Size).requires_grad_();

        public Tensor Values { get; } = Random(12, KeyValuePrefixTests.Count, groups, Size).requires_grad_();

        public int Count => KeyValuePrefixTests.Count;

        public double Dropout { get; init; }

        public (Tensor Keys, Tensor Values) Of(AttentionSite site) => One ? (Keys.detach(), ones_like(Values)) : (Keys.alias(), Values.alias());
    }
}
