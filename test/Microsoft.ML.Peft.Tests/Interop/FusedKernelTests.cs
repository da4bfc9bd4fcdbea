using Microsoft.ML.Peft.Interop;

namespace Microsoft.ML.Peft.Tests.Interop;

/// <summary>The kernels between a decoder's matrix products, each on every instruction set, against the formula in doubles.</summary>
[TestClass]
public sealed unsafe class FusedKernelTests
{
    private static readonly int[] s_widths = [1, 2, 7, 16, 17, 64, 100, 1000];

    [TestMethod]
    public void RmsNorm() => Each((isa, width) =>
    {
        const int Rows = 3;
        float[] x = NativeFact.Noise(1, Rows * width), weight = NativeFact.Noise(2, width), gradient = NativeFact.Noise(3, Rows * width);
        float[] output = new float[x.Length], scales = new float[Rows], result = new float[x.Length];
        fixed (float* px = x, pw = weight, po = output, ps = scales, pg = gradient, pr = result)
        {
            NativeMethods.RmsNorm(isa, px, pw, Rows, width, 1e-5, po, ps);
            NativeMethods.RmsNormBackward(isa, px, pw, ps, pg, Rows, width, pr);
        }
        for (int i = 0; i < x.Length; i++)
        {
            int row = i / width * width;
            double scale = 1 / Math.Sqrt(Sum(width, k => (double)x[row + k] * x[row + k] / width) + 1e-5);
            double along = Sum(width, k => (double)gradient[row + k] * weight[k] * x[row + k]);
            AreClose(x[i] * scale * weight[i % width], output[i]);
            AreClose((gradient[i] * weight[i % width] * scale) - (x[i] * along * scale * scale * scale / width), result[i], scale);
        }
    });

    [TestMethod]
    public void RotaryTurnsAndTurnsBack() => Each((isa, half) =>
    {
        const int Rows = 6, Positions = 3, Heads = 2;
        float[] x = NativeFact.Noise(1, Rows * Heads * 2 * half), angles = NativeFact.Noise(2, Positions * half, scale: 3);
        float[] cosine = Array.ConvertAll(angles, MathF.Cos), sine = Array.ConvertAll(angles, MathF.Sin), turned = [.. x];
        fixed (float* px = turned, pc = cosine, ps = sine)
        {
            NativeMethods.Rotary(isa, px, pc, ps, 0, Rows, Positions, Heads, 2 * half);
            for (int i = 0; i < x.Length; i++)
            {
                int at = i % (2 * half), angle = (i / (Heads * 2 * half) % Positions * half) + (at % half);
                double other = at < half ? -x[i + half] : x[i - half];
                AreClose((x[i] * (double)cosine[angle]) + (other * sine[angle]), turned[i]);
            }
            NativeMethods.Rotary(isa, px, pc, ps, 1, Rows, Positions, Heads, 2 * half);
        }
        for (int i = 0; i < x.Length; i++)
            AreClose(x[i], turned[i]);
    });

    [TestMethod]
    public void GatedSilu() => Each((isa, count) =>
    {
        float[] gate = NativeFact.Noise(1, count, scale: 30), up = NativeFact.Noise(2, count), gradient = NativeFact.Noise(3, count);
        float[] output = new float[count], gateGradient = new float[count], upGradient = new float[count];
        fixed (float* pg = gate, pu = up, po = output, pd = gradient, pgg = gateGradient, pug = upGradient)
        {
            NativeMethods.GatedSilu(isa, pg, pu, count, po);
            NativeMethods.GatedSiluBackward(isa, pg, pu, pd, count, pgg, pug);
        }
        for (int i = 0; i < count; i++)
        {
            double g = gate[i], s = 1 / (1 + Math.Exp(-g));
            AreClose(g * s * up[i], output[i], Math.Abs(g));
            AreClose(gradient[i] * up[i] * s * (1 + (g * (1 - s))), gateGradient[i], Math.Abs(g));
            AreClose(gradient[i] * g * s, upGradient[i], Math.Abs(g));
        }
    });

    [TestMethod]
    public void CrossEntropy() => Each((isa, classes) =>
    {
        const int Rows = 4;
        float[] logits = NativeFact.Noise(1, Rows * classes, scale: 20), gradient = [.. logits], losses = new float[Rows];
        long[] labels = [0, classes - 1, -100, classes / 2];
        fixed (float* pg = gradient, pl = losses)
        fixed (long* labelled = labels)
            NativeMethods.CrossEntropy(isa, pg, labelled, Rows, classes, pl);
        for (int row = 0; row < Rows; row++)
        {
            double high = logits.Skip(row * classes).Take(classes).Max(), total = Sum(classes, k => Math.Exp(logits[(row * classes) + k] - high));
            bool counts = labels[row] >= 0;
            AreClose(counts ? Math.Log(total) + high - logits[(row * classes) + labels[row]] : 0, losses[row], 20);
            for (int k = 0; k < classes; k++)
                AreClose(counts ? (Math.Exp(logits[(row * classes) + k] - high) / total) - (k == labels[row] ? 1 : 0) : 0, gradient[(row * classes) + k]);
        }
    });

    [TestMethod]
    public void CrossEntropyOfWhatIsNoNumberIsNone()
    {
        NativeFact.Require();
        foreach (float bad in new[] { float.NaN, float.PositiveInfinity })
        {
            float[] logits = [1, bad, 2];
            long label = 0;
            float loss;
            fixed (float* p = logits)
                NativeMethods.CrossEntropy(NativeMethods.BestIsa, p, &label, 1, 3, &loss);
            Assert.IsFalse(float.IsFinite(loss), $"{bad}");
        }
    }

    [TestMethod]
    public void QueryAttention() => Each((isa, size) =>
    {
        const int Batch = 2, Heads = 4, Groups = 2, Keys = 5, Room = 7;
        const double Scale = 0.3;
        float[] q = NativeFact.Noise(1, Batch * Heads * size), k = NativeFact.Noise(2, Batch * Groups * Room * size), v = NativeFact.Noise(3, k.Length);
        float[] mask = [0, 0, 0, 0, 0, float.NegativeInfinity, 0, 1, float.NegativeInfinity, 0], output = new float[q.Length];
        fixed (float* pq = q, pk = k, pv = v, pm = mask, po = output)
        {
            var call = new QueryCall
            {
                Batch = Batch, Heads = Heads, Groups = Groups, Keys = Keys, Size = size, BatchStride = Groups * Room * size,
                GroupStride = Room * size, MaskBatch = Keys, Query = pq, Key = pk, Value = pv, Mask = pm, Scale = Scale,
            };
            NativeMethods.QueryAttention(isa, call, po);
        }
        for (int head = 0; head < Batch * Heads; head++)
        {
            int batch = head / Heads, at = ((batch * Groups) + (head % Heads / (Heads / Groups))) * Room * size;
            double[] scores = [.. Enumerable.Range(0, Keys).Select(key =>
                Math.Exp((Sum(size, d => (double)q[(head * size) + d] * k[at + (key * size) + d]) * Scale) + mask[(batch * Keys) + key]))];
            for (int d = 0; d < size; d++)
                AreClose(Sum(Keys, key => scores[key] * v[at + (key * size) + d]) / scores.Sum(), output[(head * size) + d]);
        }
    });

    [TestMethod]
    public void FewProduct() => Each((isa, columns) =>
    {
        const int Rows = 19;
        foreach (int tokens in new[] { 1, 2, 3, 4, 5, 9 })
        {
            // What bfloat16 holds, so that both kernels have one answer.
            float[] matrix = Array.ConvertAll(NativeFact.Noise(1, Rows * columns), value => BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(value) & 0xFFFF0000)), bias = NativeFact.Noise(2, Rows), x = NativeFact.Noise(3, tokens * columns), y = new float[tokens * Rows];
            float[] brief = new float[y.Length];
            ushort[] halves = Array.ConvertAll(matrix, value => (ushort)(BitConverter.SingleToUInt32Bits(value) >> 16));
            fixed (float* pm = matrix, pb = bias, px = x, py = y, ph = brief)
            fixed (ushort* words = halves)
            {
                NativeMethods.FewProduct(isa, pm, tokens == 1 ? null : pb, Rows, columns, px, tokens, py);
                NativeMethods.FewProductBFloat16(isa, words, tokens == 1 ? null : pb, Rows, columns, px, tokens, ph);
            }
            CollectionAssert.AreEqual(y, brief);
            for (int i = 0; i < y.Length; i++)
            {
                int token = i / Rows, row = i % Rows;
                AreClose(Sum(columns, k => (double)matrix[(row * columns) + k] * x[(token * columns) + k]) + (tokens == 1 ? 0 : bias[row]), y[i], columns);
            }
        }
    });

    private static void Each(Action<int, int> test)
    {
        NativeFact.Require();
        foreach (int isa in NativeFact.InstructionSets)
            foreach (int width in s_widths)
                test(isa, width);
    }

    private static double Sum(int count, Func<int, double> term) => Enumerable.Range(0, count).Sum(term);

    /// <param name="expected">In doubles.</param>
    /// <param name="actual">In floats.</param>
    /// <param name="size">How large the numbers are that it is made of.</param>
    private static void AreClose(double expected, float actual, double size = 1) =>
        Assert.AreEqual(expected, actual, 2e-6 * (1 + Math.Max(size, Math.Abs(expected))));
}
