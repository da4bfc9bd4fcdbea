using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Layers;

/// <summary>Each term of a mask, alone and with others, beside the same thing said plainly.</summary>
[TestClass]
public sealed class AttentionMaskTests
{
    private const int Rows = 2, Heads = 2, Length = 5;

    private static readonly bool[][] s_real = [[true, true, true, true, true], [true, true, true, false, false]];
    private static readonly int[][] s_texts = [[0, 0, 1, 1, 1], [0, 1, 1, 2, 2]];

    [TestMethod]
    [DataRow(false, false, false, false, false, false, false)]
    [DataRow(true, false, false, false, false, false, false)]
    [DataRow(true, true, false, false, false, false, false)]
    [DataRow(true, false, true, false, false, false, false)]
    [DataRow(true, false, false, true, false, false, false)]
    [DataRow(true, false, false, false, true, false, false)]
    [DataRow(true, false, false, false, false, true, false)]
    [DataRow(false, false, true, false, false, true, false)]
    [DataRow(true, true, true, true, false, true, true)]
    [DataRow(true, false, true, false, true, true, true)]
    [DataRow(true, false, true, true, true, false, false)]
    public void TermsHoldTogether(bool causal, bool window, bool padding, bool packed, bool prefix, bool bias, bool before)
    {
        using var scope = NewDisposeScope();
        int extra = before ? 3 : 0, keys = Length + extra;
        using var generator = new Generator(1);
        Tensor heads = randn([1, Heads, Length, keys], ScalarType.Float32, CPU, generator: generator);
        var mask = new AttentionMask(new MaskTerms
        {
            Queries = Length, Keys = keys, Device = CPU, IsCausal = causal, Window = window ? 2 : null,
            Real = padding ? stack([.. s_real.Select(row => tensor(Enumerable.Repeat(true, extra).Concat(row).ToArray()))]) : null,
            Texts = packed ? stack([.. s_texts.Select(row => tensor(row.Select(t => (long)t).ToArray()))]) : null,
            VisiblePrefix = prefix ? tensor(new long[] { 2, 4 }) : null,
            HeadBias = bias ? heads : null,
        });
        Tensor expected = Plain(mask, heads, extra, causal, window, padding, packed, prefix, bias);
        if (mask.Bias is null)
            Assert.AreEqual(mask.IsTriangle, causal, "No tensor, and yet something is hidden.");
        else
            TensorAssert.Close(Finite(expected), Finite(mask.Bias.expand(Rows, Heads, Length, keys)), 0, 1e-6, "mask");

        PositionSelection read = PositionSelection.At(tensor(new long[] { 4, 1, 2, 0 }).view(2, 2));
        if (mask.Select(read, Rows).Bias is { } selected && selected.shape[2] > 1)
        {
            TensorAssert.Close(
                Finite(stack([expected[0].index_select(1, tensor(new long[] { 4, 1 })), expected[1].index_select(1, tensor(new long[] { 2, 0 }))])),
                Finite(selected.expand(Rows, Heads, 2, keys)), 0, 1e-6, "what is read");
        }
    }

    /// <summary>Packed texts with contexts of their own: of two tokens and of three, whose contexts are of one and of two; two keys stand before them.</summary>
    [TestMethod]
    public void EachTextSeesItsOwnContext()
    {
        using var scope = NewDisposeScope();
        var mask = new AttentionMask(new MaskTerms
        {
            Queries = 5, Keys = 7, Device = CPU, IsCausal = true, Texts = tensor(new long[] { 0, 0, 1, 1, 1 }).unsqueeze(0),
            ContextEnds = tensor(new long[] { 3, 3, 6, 6, 6 }).unsqueeze(0),
        });
        string[] expected = ["1110000", "1111000", "1100110", "1100110", "1100111"];
        bool[] seen = [.. mask.Bias!.isfinite().flatten().data<bool>()];
        CollectionAssert.AreEqual(expected, seen.Chunk(7).Select(row => string.Concat(row.Select(key => key ? '1' : '0'))).ToArray());
    }

    [TestMethod]
    public void ASingleQueryBehindRealKeysNeedsNoTensor()
    {
        using var scope = NewDisposeScope();
        Assert.IsNull(new AttentionMask(new MaskTerms { Queries = 1, Keys = 9, Device = CPU, IsCausal = true }).Bias);
        Assert.IsTrue(new AttentionMask(new MaskTerms { Queries = 9, Keys = 9, Device = CPU, IsCausal = true }).IsTriangle);
        Assert.IsFalse(new AttentionMask(new MaskTerms { Queries = 9, Keys = 9, Device = CPU, IsCausal = true, IsWritten = true }).IsTriangle);
        Assert.IsFalse(new AttentionMask(new MaskTerms { Queries = 9, Keys = 12, Device = CPU, IsCausal = true }).IsTriangle, "Keys stand before: the kernel's triangle begins at the first.");
    }

    /// <summary>Whatever terms there are, a decoder's next token sees what the last one of a whole text does.</summary>
    [TestMethod]
    public void ASingleQuerySeesWhatTheLastOneDoes()
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(1);
        Tensor bias = randn([1, Heads, Length, Length], ScalarType.Float32, CPU, generator: generator), ends = tensor(new long[] { 2, 2, 2, 2, 2, 3, 3, 3, 3, 3 }).view(2, 5);
        for (int terms = 0; terms < 32; terms++)
        {
            bool Has(int term) => (terms >> term & 1) == 1;
            var whole = new MaskTerms
            {
                Queries = Length, Keys = Length, Device = CPU, IsCausal = true, IsWritten = true, Window = Has(0) ? 3 : null,
                Real = Has(1) ? tensor(new[] { false, false, true, true, true, true, true, true, true, true }).view(2, 5) : null,
                VisiblePrefix = Has(2) ? tensor(new long[] { 2, 4 }) : null, ContextEnds = Has(3) ? ends : null, HeadBias = Has(4) ? bias : null,
            };
            MaskTerms last = whole with { Queries = 1, ContextEnds = Has(3) ? ends.narrow(1, 4, 1) : null, HeadBias = Has(4) ? bias.narrow(2, 4, 1) : null };
            Tensor expected = new AttentionMask(whole).Bias!.expand(Rows, Heads, Length, Length).narrow(2, 4, 1);
            Tensor found = (new AttentionMask(last).Bias ?? zeros([1, 1, 1, Length], ScalarType.Float32, CPU)).expand(Rows, Heads, 1, Length);
            TensorAssert.Close(Finite(expected), Finite(found), 0, 0, $"terms {terms:b5}");
        }
    }

    [TestMethod]
    public void AttentionWithDropoutRefusesAPlainTriangle()
    {
        using var scope = NewDisposeScope();
        Tensor x = ones([1, Heads, Length, 4], ScalarType.Float32, CPU);
        var mask = new AttentionMask(new MaskTerms { Queries = Length, Keys = Length, Device = CPU, IsCausal = true });
        Assert.ThrowsExactly<NotSupportedException>(() => Attention.Attend(x, x, x, mask, new DropoutSite(0.5, 1)));
    }

    /// <summary>A bias for each head (as ALiBi's slopes) with grouped heads, one query and several, dropout or none, scores of the usual size or not.</summary>
    [TestMethod]
    [DataRow(1, 0.0, 1.0), DataRow(3, 0.0, 1.0), DataRow(3, 0.5, 1.0), DataRow(1, 0.0, 2.5), DataRow(3, 0.0, 2.5), DataRow(3, 0.5, 2.5)]
    public void HeadsOfAGroupHaveBiasesOfTheirOwn(int queries, double rate, double gain)
    {
        using var scope = NewDisposeScope();
        using var noGrad = no_grad();
        using var generator = new Generator(2);
        Tensor Noise(params long[] shape) => randn(shape, ScalarType.Float32, CPU, generator: generator);
        Tensor query = Noise(Rows, 4, queries, 8), key = Noise(Rows, 2, 6, 8), value = Noise(Rows, 2, 6, 8);
        Tensor slopes = tensor(new[] { -0.5f, -0.25f, -0.125f, -0.0625f }).view(1, 4, 1, 1) * arange(5, -1, -1, ScalarType.Float32, CPU).view(1, 1, 1, 6);
        var mask = new AttentionMask(new MaskTerms { Queries = queries, Keys = 6, Device = CPU, HeadBias = slopes });
        DropoutSite? site = rate > 0 ? new DropoutSite(rate, 7) : null;

        Tensor found = Attention.Attend(query, key, value, mask, site, gain);

        Tensor scores = query.matmul(key.repeat_interleave(2, 1).transpose(-2, -1)) * gain / Math.Sqrt(8) + slopes;
        Tensor probabilities = scores.softmax(-1);
        if (site is not null)
            probabilities = probabilities * Dropout.Drop(ones([Rows, 4, queries, 6], ScalarType.Float32, CPU), site);
        TensorAssert.Close(probabilities.matmul(value.repeat_interleave(2, 1)).transpose(1, 2).flatten(2), found, 1e-5, 1e-5, "attended");
    }

    // The difference of two infinities is no number.
    private static Tensor Finite(Tensor mask) => mask.clamp(min: -1e4);

    private static Tensor Plain(AttentionMask mask, Tensor heads, int extra, bool causal, bool window, bool padding, bool packed, bool prefix, bool bias)
    {
        int keys = Length + extra;
        var values = new float[Rows * Heads * Length * keys];
        int[] prefixes = [2, 4];
        float[] added = heads.data<float>().ToArray();
        int at = 0;
        for (int row = 0; row < Rows; row++)
        {
            for (int head = 0; head < Heads; head++)
            {
                for (int query = 0; query < Length; query++)
                {
                    bool[] seen = [.. Enumerable.Range(0, keys).Select(key =>
                    {
                        int place = query + extra;
                        bool visible = !causal || (key <= place && (!window || key > place - 2));
                        visible &= !packed || key < extra || s_texts[row][key - extra] == s_texts[row][query];
                        visible |= causal && prefix && key < prefixes[row];
                        return visible && (!padding || key < extra || s_real[row][key - extra]);
                    })];
                    if (causal && padding && !seen.Contains(true))
                        seen[query + extra] = true;
                    for (int key = 0; key < keys; key++)
                        values[at++] = seen[key] ? (bias ? added[((head * Length) + query) * keys + key] : 0) : float.NegativeInfinity;
                }
            }
        }
        return tensor(values).view(Rows, Heads, Length, keys);
    }
}
