using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.VisionLanguage.Tests.Estimators;

[TestClass]
public sealed class FewShotTests
{
    private readonly MLContext _context = new(seed: 1);
    private readonly TinyClip _clip = new();

    [TestCleanup]
    public void Delete() => _clip.Dispose();

    [TestMethod]
    public void ACurveHasAProbeForEachNumberOfShotsAndEachSeed()
    {
        var warnings = new List<string>();
        _context.Log += (_, message) =>
        {
            if (message.Kind == ML.Runtime.ChannelMessageKind.Warning)
                warnings.Add(message.Message);
        };
        FewShotCurve curve = _context.VisionLanguage().ClipFewShot(
            Labelled.Pictures(_context, 30), Labelled.Pictures(_context, 18), _clip.Folder, options: new FewShotOptions { Shots = [1, 4, 16], Seeds = [1, 2] });
        CollectionAssert.AreEqual(
            new[] { (1, 1L, 3), (1, 2L, 3), (4, 1L, 12), (4, 2L, 12), (16, 1L, 30), (16, 2L, 30) },
            curve.Results.Select(result => (result.Shots, result.Seed, result.TrainingRows)).ToArray());
        Assert.IsTrue(curve.Results.All(result => result.C == 0.316));
        Assert.IsNotEmpty(warnings.Where(warning => warning.Contains("'red' 10", StringComparison.Ordinal)));
        Assert.AreEqual(curve.Results[4].Accuracy, curve.Results[5].Accuracy, "All rows were drawn by both seeds.");
        Assert.IsGreaterThanOrEqualTo(curve.MeanAccuracy(1), curve.MeanAccuracy(16));
        Assert.Contains("1, 4, 16", Assert.ThrowsExactly<ArgumentException>(() => curve.MeanAccuracy(2)).Message);
        IDataView rows = curve.ToDataView();
        CollectionAssert.AreEqual(curve.Results.Select(result => result.Accuracy).ToArray(), rows.GetColumn<double>("Accuracy").ToArray());
        CollectionAssert.AreEqual(new[] { 1, 1, 4, 4, 16, 16 }, rows.GetColumn<int>("Shots").ToArray());
    }

    [TestMethod]
    public void VectorsOfAnyOriginServe()
    {
        IDataView train = Vectors(40, seed: 1), test = Vectors(60, seed: 2), validation = Vectors(40, seed: 3);
        FewShotCurve curve = _context.VisionLanguage().FewShot(train, test, "Vector", options: new FewShotOptions { Shots = [1, 8], ValidationSet = validation });
        Assert.HasCount(6, curve.Results);
        Assert.IsGreaterThan(0.9, curve.MeanAccuracy(8));
        // Chosen by the rows drawn for the purpose, each a value of the paper's.
        foreach (FewShotResult result in curve.Results)
            Assert.AreEqual(0, Math.IEEERemainder(8 * Math.Log10(result.C), 1), 1e-9);
        FewShotCurve again = _context.VisionLanguage().FewShot(train, test, "Vector", options: new FewShotOptions { Shots = [1, 8], ValidationSet = validation });
        CollectionAssert.AreEqual(curve.Results.Select(result => result.ToString()).ToArray(), again.Results.Select(result => result.ToString()).ToArray());
    }

    [TestMethod]
    public void WhatIsWrongIsNamed()
    {
        IDataView data = Vectors(6, seed: 1);
        Assert.Contains("'Elsewhere'", Assert.ThrowsExactly<ArgumentException>(() => _context.VisionLanguage().FewShot(data, data, "Elsewhere")).Message);
        Assert.Contains("vector of Single", Assert.ThrowsExactly<ArgumentException>(() => _context.VisionLanguage().FewShot(data, data, "Label")).Message);
        Assert.Contains("'Key'", Assert.ThrowsExactly<ArgumentException>(() => _context.VisionLanguage().FewShot(data, data, "Vector", "Key")).Message);
        Assert.Contains("Shots", Assert.ThrowsExactly<ArgumentException>(
            () => _context.VisionLanguage().FewShot(data, data, "Vector", options: new FewShotOptions { Shots = [0] })).Message);
    }

    private IDataView Vectors(int count, int seed)
    {
        var random = new Random(seed);
        IDataView rows = _context.Data.LoadFromEnumerable(Enumerable.Range(0, count).Select(i => new Row
        {
            Name = i % 2 == 0 ? "even" : "odd",
            Vector = [(float)((i % 2) + (0.2 * random.NextDouble())), (float)random.NextDouble(), (float)random.NextDouble()],
        }).ToArray());
        return _context.Transforms.Conversion.MapValueToKey("Label", "Name").Fit(rows).Transform(rows);
    }

    private sealed class Row
    {
        public string Name { get; set; } = "";

        [VectorType(3)]
        public float[] Vector { get; set; } = [];
    }
}
