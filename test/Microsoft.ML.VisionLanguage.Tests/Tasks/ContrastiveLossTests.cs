using Microsoft.ML.Peft.Data;
using Microsoft.ML.VisionLanguage.Tasks;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tests.Tasks;

[TestClass]
public sealed class ContrastiveLossTests
{
    private const double Tolerance = 1e-6;

    // By hand: cosines 1, 0 / 0.6, 0.8, times 2.
    private static readonly float[,] s_pictures = { { 1, 0 }, { 0.6f, 0.8f } }, s_texts = { { 1, 0 }, { 0, 1 } };

    [TestMethod]
    public void TheSoftmaxLossIsThePapers()
    {
        using var scope = NewDisposeScope();
        // Rows pick 0 and 1 out of (2, 0), (1.2, 1.6); columns out of (2, 1.2), (0, 1.6).
        double rows = Math.Log(1 + Math.Exp(-2)) + Math.Log(1 + Math.Exp(-0.4)), columns = Math.Log(1 + Math.Exp(-0.8)) + Math.Log(1 + Math.Exp(-1.6));
        Assert.AreEqual((rows + columns) / 4, ContrastiveLoss.Softmax(Logits(bias: null)).item<float>(), Tolerance);
    }

    [TestMethod]
    public void TheSigmoidLossIsThePapers()
    {
        using var scope = NewDisposeScope();
        // Logits 2, 0 / 1.2, 1.6, less 1: pairs 1 and 0.6 are to be high, -1 and 0.2 low; divided by two rows.
        double expected = (Softplus(-1) + Softplus(-0.6) + Softplus(-1) + Softplus(0.2)) / 2;
        Assert.AreEqual(expected, ContrastiveLoss.Sigmoid(Logits(bias: -1)).item<float>(), Tolerance);
    }

    [TestMethod]
    public void WhatIsAlikeIsNoNegative()
    {
        using var scope = NewDisposeScope();
        Tensor alike = tensor(new[,] { { false, true }, { true, false } });
        Assert.AreEqual(0, ContrastiveLoss.Softmax(Logits(bias: null), alike).item<float>(), Tolerance);
        Assert.AreEqual((Softplus(-1) + Softplus(-0.6)) / 2, ContrastiveLoss.Sigmoid(Logits(bias: -1), alike).item<float>(), Tolerance);
    }

    [TestMethod]
    [DataRow(false, false)]
    [DataRow(false, true)]
    [DataRow(true, false)]
    [DataRow(true, true)]
    public void GradientsAreFiniteDifferences(bool sigmoid, bool masked)
    {
        using var scope = NewDisposeScope();
        using var generator = new Generator(3);
        Tensor Draw(params long[] shape) => normal(0, 1, shape, ScalarType.Float64, CPU, generator: generator).requires_grad_();
        Tensor[] inputs = [Draw(5, 3), Draw(5, 3), Draw(), Draw()];
        Tensor? alike = masked ? Captions.Alike([Row(1), Row(2), Row(1), Row(3), Row(1)], CPU) : null;
        Tensor Loss()
        {
            Tensor logits = ContrastiveLoss.Logits(inputs[0], inputs[1], inputs[2], sigmoid ? inputs[3] : null);
            return sigmoid ? ContrastiveLoss.Sigmoid(logits, alike) : ContrastiveLoss.Softmax(logits, alike);
        }
        Loss().backward();
        foreach (Tensor input in inputs.Take(sigmoid ? 4 : 3))
            AreDifferences(input, () => Loss().item<double>());
    }

    [TestMethod]
    public void RowsOfTheSameTokensAreAlike()
    {
        using var scope = NewDisposeScope();
        Assert.IsNull(Captions.Alike([Row(1), Row(2), Row(1, 2)], CPU));
        Tensor alike = Captions.Alike([Row(1, 2), Row(7), Row(1, 2)], CPU)!;
        CollectionAssert.AreEqual(new[] { false, false, true, false, false, false, true, false, false }, alike.data<bool>().ToArray());
        Assert.AreEqual(2, Captions.CountShared([Row(1, 2), Row(7), Row(1, 2), Row()]));
    }

    [TestMethod]
    public void RecallIsOverAllBatchesAndAcceptsTheSameText()
    {
        using var scope = NewDisposeScope();
        var metrics = new PairMetrics();
        // Two pictures of one text, then one whose text lies nearer to another picture.
        Add(metrics, [Row(1), Row(1)], [[1, 0], [0.8f, 0.6f]], [[0.8f, 0.6f], [1, 0]]);
        Add(metrics, [Row(2)], [[0, 1]], [[0.6f, 0.8f]]);
        var result = metrics.Result.ToDictionary(metric => metric.Name, metric => metric.Value);
        Assert.AreEqual(1, result["Accuracy"]);
        Assert.AreEqual(1, result["ImageToTextRecall@1"]);
        Assert.AreEqual(2.0 / 3, result["TextToImageRecall@1"], Tolerance);
    }

    private static void Add(PairMetrics metrics, Example[] rows, float[][] pictures, float[][] texts)
    {
        Tensor Matrix(float[][] vectors) => tensor(vectors.SelectMany(v => v).ToArray()).view(vectors.Length, -1);
        using var batch = new Batch { Examples = rows };
        metrics.Add(stack([Matrix(pictures), Matrix(texts)], 1), batch);
    }

    private static Example Row(params int[] ids) => new() { Ids = ids };

    private static Tensor Logits(double? bias) => ContrastiveLoss.Logits(
        tensor(s_pictures), tensor(s_texts), tensor((float)Math.Log(2)), bias is { } b ? tensor((float)b) : null);

    private static double Softplus(double x) => Math.Log(1 + Math.Exp(x));

    private static void AreDifferences(Tensor input, Func<double> loss)
    {
        const double Step = 1e-5;
        using var noGrad = no_grad();
        Tensor values = input.view(-1), gradient = input.grad!.view(-1);
        for (long i = 0; i < values.numel(); i++)
        {
            double At(double change)
            {
                values[i].add_(change);
                double there = loss();
                values[i].sub_(change);
                return there;
            }
            Assert.AreEqual((At(Step) - At(-Step)) / (2 * Step), gradient[i].item<double>(), 1e-7);
        }
    }
}
