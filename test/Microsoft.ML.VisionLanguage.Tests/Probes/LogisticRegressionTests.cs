using Microsoft.ML.Data;
using Microsoft.ML.VisionLanguage.Probes;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tests.Probes;

[TestClass]
public sealed class LogisticRegressionTests
{
    private const int Enough = 5000;

    [TestMethod]
    [DataRow(0.01)]
    [DataRow(1.0)]
    [DataRow(100.0)]
    public void TwoPointsHaveTheirClosedForm(double strength)
    {
        // By symmetry W is (-w, w) without bias, and w = 2·C·σ(-2w).
        using var rows = new LabelledFeatures(tensor(new float[] { -1, 1 }, [2, 1]), [0, 1], 2);
        double[] point = LogisticRegression.Fit(rows, strength, Enough).Minimum.Point;
        double w = point[1];
        Assert.AreEqual(-w, point[0], 1e-9);
        Assert.AreEqual(0, point[2], 1e-9);
        Assert.AreEqual(2 * strength / (1 + Math.Exp(2 * w)), w, 1e-7);
    }

    [TestMethod]
    [DataRow(1e-6)]
    [DataRow(0.316)]
    [DataRow(1e3)]
    public void AnUnpenalisedBiasGivesEachClassItsShare(double strength)
    {
        using LabelledFeatures rows = Clouds(seed: 3, perClass: [30, 12, 5], width: 8, distance: 1);
        LogisticRegression fitted = LogisticRegression.Fit(rows, strength, Enough);
        Assert.IsTrue(fitted.Minimum.Converged);
        using Tensor log = fitted.LogProbabilities(rows);
        double[] expected = [30, 12, 5], found = [.. log.exp().sum(dim: 0).data<double>()];
        for (int i = 0; i < 3; i++)
            Assert.AreEqual(expected[i], found[i], 1e-4);
    }

    // The same objective, in single precision: where C is moderate both converge.
    [TestMethod]
    public void MlNetsOwnTrainerSaysTheSame()
    {
        const double Strength = 0.316;
        using LabelledFeatures rows = Clouds(seed: 2, perClass: [20, 20, 20, 20], width: 12, distance: 1);
        var ml = new MLContext(seed: 1);
        var schema = SchemaDefinition.Create(typeof(Row));
        schema["Features"].ColumnType = new VectorDataViewType(NumberDataViewType.Single, rows.Width);
        schema["Label"].ColumnType = new KeyDataViewType(typeof(uint), rows.Classes);
        float[][] features = [.. rows.Values.to(ScalarType.Float32).data<float>().ToArray().Chunk(rows.Width)];
        // A key that comes from a property counts from 0.
        IDataView data = ml.Data.LoadFromEnumerable(features.Zip(rows.Labels, (values, label) => new Row { Features = values, Label = (uint)label }).ToArray(), schema);
        var trainer = ml.MulticlassClassification.Trainers.LbfgsMaximumEntropy(l1Regularization: 0, l2Regularization: (float)(1 / Strength), optimizationTolerance: 1e-9f);
        float[][] theirs = [.. trainer.Fit(data).Transform(data).GetColumn<float[]>("Score")];
        using Tensor log = LogisticRegression.Fit(rows, Strength, Enough).LogProbabilities(rows);
        double[] ours = log.exp().data<double>().ToArray();
        for (int i = 0; i < ours.Length; i++)
            Assert.AreEqual(ours[i], theirs[i / rows.Classes][i % rows.Classes], 1e-3);
    }

    [TestMethod]
    public void NothingNearItIsBetter()
    {
        using LabelledFeatures rows = Clouds(seed: 5, perClass: [9, 9, 9, 9], width: 6, distance: 1);
        Minimum minimum = LogisticRegression.Fit(rows, 10, Enough).Minimum;
        var random = new Random(1);
        for (int i = 0; i < 20; i++)
        {
            double[] near = Array.ConvertAll(minimum.Point, x => x + (1e-3 * (random.NextDouble() - 0.5)));
            Assert.IsGreaterThan(minimum.Value, Objective(near, rows, 10));
        }
        Assert.AreEqual(Objective(minimum.Point, rows, 10), minimum.Value, 1e-9);
    }

    [TestMethod]
    public void FeaturesOfAnotherScaleConvergeToo()
    {
        // CLIP's vectors have a length near 10, and much of it in common.
        using LabelledFeatures rows = Clouds(seed: 7, perClass: [40, 40, 40], width: 64, distance: 0.5, shift: 10);
        foreach (double strength in new[] { 1e-6, 1, 1e6 })
            Assert.IsTrue(LogisticRegression.Fit(rows, strength, Enough).Minimum.Converged, $"C = {strength}");
    }

    [TestMethod]
    public void TheSweepFindsWhatAllValuesFind()
    {
        using LabelledFeatures train = Clouds(seed: 11, perClass: [8, 8, 8], width: 20, distance: 0.8), validation = Clouds(seed: 12, perClass: [30, 30, 30], width: 20, distance: 0.8);
        double chosen = StrengthSweep.Choose(train, validation, Enough);
        Assert.AreEqual(chosen, StrengthSweep.Choose(train, validation, Enough));
        double place = 8 * (Math.Log10(chosen) + 6);
        Assert.AreEqual(Math.Round(place), place, 1e-9, "It is none of the paper's values.");
        double[] coarse = [.. Enumerable.Range(0, 7).Select(i => LogisticRegression.Fit(train, Math.Pow(10, (2 * i) - 6), Enough).Judge(validation).Accuracy)];
        Assert.IsGreaterThanOrEqualTo(coarse.Max(), LogisticRegression.Fit(train, chosen, Enough).Judge(validation).Accuracy);
    }

    [TestMethod]
    public void DrawsAreOfEachClassAndFewerAreAmongMore()
    {
        using LabelledFeatures rows = Clouds(seed: 1, perClass: [10, 3, 10], width: 2, distance: 1);
        int[] two = rows.Draw(_ => 2, seed: 4), eight = rows.Draw(_ => 8, seed: 4);
        Assert.HasCount(6, two);
        CollectionAssert.AreEqual(new[] { 2, 2, 2 }, Enumerable.Range(0, 3).Select(c => two.Count(row => rows.Labels[row] == c)).ToArray());
        Assert.HasCount(8 + 3 + 8, eight);
        CollectionAssert.IsSubsetOf(two, eight);
        CollectionAssert.AreEqual(two, rows.Draw(_ => 2, seed: 4));
        CollectionAssert.AreNotEqual(two, rows.Draw(_ => 2, seed: 5));
    }

    private static LabelledFeatures Clouds(int seed, int[] perClass, int width, double distance, double shift = 0)
    {
        var centres = new Random(0);
        double[][] centre = [.. perClass.Select(_ => Enumerable.Range(0, width).Select(_ => shift + (distance * Normal(centres))).ToArray())];
        var random = new Random(seed);
        int[] labels = [.. perClass.SelectMany((count, index) => Enumerable.Repeat(index, count))];
        float[] values = [.. labels.SelectMany(label => centre[label].Select(mean => (float)(mean + Normal(random))))];
        using Tensor all = tensor(values, [labels.Length, width]);
        return new LabelledFeatures(all, labels, perClass.Length);
    }

    private static double Normal(Random random) => Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());

    // Written out, without torch.
    private static double Objective(double[] point, LabelledFeatures rows, double strength)
    {
        double[] values = rows.Values.data<double>().ToArray();
        double sum = 0.5 * point.Take(rows.Classes * rows.Width).Sum(w => w * w);
        for (int row = 0; row < rows.Count; row++)
        {
            double[] logits = [.. Enumerable.Range(0, rows.Classes).Select(c => point[(rows.Classes * rows.Width) + c]
                + Enumerable.Range(0, rows.Width).Sum(i => point[(c * rows.Width) + i] * values[(row * rows.Width) + i]))];
            sum += strength * (Math.Log(logits.Sum(Math.Exp)) - logits[rows.Labels[row]]);
        }
        return sum;
    }

    private sealed class Row
    {
        public float[] Features { get; set; } = [];

        public uint Label { get; set; }
    }
}
