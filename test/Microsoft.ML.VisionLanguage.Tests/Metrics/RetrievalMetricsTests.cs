using Microsoft.ML.Data;

namespace Microsoft.ML.VisionLanguage.Tests.Metrics;

/// <summary>Figures worked by hand.</summary>
[TestClass]
public sealed class RetrievalMetricsTests
{
    private readonly MLContext _context = new(seed: 1);

    /// <summary>
    /// Directions in a plane. Query at 0°: gallery a at 10° (right), b at 20°, c at 30°, d at 90°. For q1 (a): rank 1. q2 at 95° asks for b: order d 5°, c 65°,
    /// b 75°, a 85°: rank 3. q3 at 28° asks for d: c 2°, b 8°, a 18°, d 62°: rank 4.
    /// </summary>
    [TestMethod]
    public void OneRightRowEach()
    {
        IDataView gallery = View(("a", 10), ("b", 20), ("c", 30), ("d", 90)), queries = View(("a", 0), ("b", 95), ("d", 28));
        RetrievalMetrics metrics = _context.VisionLanguage().EvaluateRetrieval(queries, gallery, "Vector", "Vector", "Id", [1, 3, 4]);
        Assert.AreEqual(3, metrics.Queries);
        Assert.AreEqual(1 / 3.0, metrics.RecallAt(1), 1e-12);
        Assert.AreEqual(2 / 3.0, metrics.RecallAt(3), 1e-12);
        Assert.AreEqual(1, metrics.RecallAt(4), 1e-12);
        Assert.AreEqual(3, metrics.MedianRank);
        Assert.AreEqual((1 + (1 / 3.0) + (1 / 4.0)) / 3, metrics.MeanAveragePrecision, 1e-12);
        CollectionAssert.AreEqual(new[] { 1, 3, 4 }, metrics.Depths.ToArray());
        Assert.Contains("1, 3, 4", Assert.ThrowsExactly<ArgumentOutOfRangeException>(() => metrics.RecallAt(2)).Message);
        Assert.AreEqual("R@1 0.333, R@3 0.667, R@4 1.000, median rank 3, mAP 0.528 (3 queries)", metrics.ToString());
    }

    /// <summary>
    /// Three rows belong to x, at 10°, 40° and 80°; y is at 20° and 50°. From 0°: x y x y x, ranks 1, 3, 5: AP (1/1 + 2/3 + 3/5) / 3. For y from 0°: ranks 2, 4:
    /// AP (1/2 + 2/4) / 2, first rank 2. Two queries: the median is between 1 and 2.
    /// </summary>
    [TestMethod]
    public void SeveralRightRows()
    {
        IDataView gallery = View(("x", 10), ("y", 20), ("x", 40), ("y", 50), ("x", 80)), queries = View(("x", 0), ("y", 0));
        RetrievalMetrics metrics = _context.VisionLanguage().EvaluateRetrieval(queries, gallery, "Vector", "Vector", "Id");
        Assert.AreEqual(0.5, metrics.RecallAt(1), 1e-12);
        Assert.AreEqual(1, metrics.RecallAt(5), 1e-12);
        Assert.AreEqual(1.5, metrics.MedianRank);
        Assert.AreEqual((((1 + (2 / 3.0) + (3 / 5.0)) / 3) + 0.5) / 2, metrics.MeanAveragePrecision, 1e-12);
    }

    /// <summary>A model that says the same of everything finds nothing first.</summary>
    [TestMethod]
    public void OfEqualScoresTheWrongOneIsTheNearer()
    {
        IDataView same = View(("a", 45), ("b", 45), ("c", 45));
        RetrievalMetrics metrics = _context.VisionLanguage().EvaluateRetrieval(same, same, "Vector", "Vector", depths: [1, 3]);
        Assert.AreEqual(0, metrics.RecallAt(1));
        Assert.AreEqual(1, metrics.RecallAt(3));
        Assert.AreEqual(3, metrics.MedianRank);
    }

    [TestMethod]
    public void PairsNeedNoIds()
    {
        IDataView pairs = _context.Data.LoadFromEnumerable(new[] { Pair(0, 1), Pair(90, 89), Pair(45, 85) });
        // From text to picture: 0° to 1° is first; 90° to 89° is first; 45° to 85°: 1° is 44° away, 89° is 44° away too, 85° is 40° away: first.
        Assert.AreEqual(1, _context.VisionLanguage().EvaluateRetrieval(pairs, pairs).RecallAt(1));
        // From picture to text: 1° to 0° is first, 89° to 90° is first, 85° to 45°: 90° is nearer, so it is second.
        RetrievalMetrics back = _context.VisionLanguage().EvaluateRetrieval(pairs, pairs, "ImageEmbedding", "TextEmbedding");
        Assert.AreEqual(2 / 3.0, back.RecallAt(1), 1e-12);
        Assert.AreEqual(2.5 / 3, back.MeanAveragePrecision, 1e-12);
    }

    /// <summary>Ranks 1 and 3, and one that is not among the three: recall 1/3, 1/3, 2/3; the median is 3; AP 1, 1/3 and 0.</summary>
    [TestMethod]
    public void WhatARetrieverGave()
    {
        IDataView found = _context.Data.LoadFromEnumerable(new[] { Answer("a", "a", "b", "c"), Answer("c", "a", "b", "c"), Answer("z", "a", "b", "c") });
        RetrievalMetrics metrics = _context.VisionLanguage().EvaluateRetrieval(found, depths: [1, 2, 3]);
        Assert.AreEqual(1 / 3.0, metrics.RecallAt(1), 1e-12);
        Assert.AreEqual(1 / 3.0, metrics.RecallAt(2), 1e-12);
        Assert.AreEqual(2 / 3.0, metrics.RecallAt(3), 1e-12);
        Assert.AreEqual(3, metrics.MedianRank);
        Assert.AreEqual(4 / 9.0, metrics.MeanAveragePrecision, 1e-12);
        CollectionAssert.AreEqual(new[] { 1 }, _context.VisionLanguage().EvaluateRetrieval(found).Depths.ToArray());
        Assert.Contains("at 4", Assert.Throws<ArgumentException>(() => _context.VisionLanguage().EvaluateRetrieval(found, depths: [4])).Message);
        IDataView lost = _context.Data.LoadFromEnumerable(new[] { Answer("z", "a", "b", "c") });
        Assert.AreEqual(double.PositiveInfinity, _context.VisionLanguage().EvaluateRetrieval(lost).MedianRank);
    }

    [TestMethod]
    public void WhatDoesNotFitIsNamed()
    {
        IDataView gallery = View(("a", 10), ("b", 20));
        string Message(IDataView queries, string column = "Vector", string? id = "Id", int[]? depths = null) =>
            Assert.Throws<ArgumentException>(() => _context.VisionLanguage().EvaluateRetrieval(queries, gallery, column, "Vector", id, depths)).Message;

        Assert.Contains("Row 1 of the queries has the id 'q'", Message(View(("a", 0), ("q", 0))));
        Assert.Contains("have no column 'Other'", Message(gallery, "Other"));
        Assert.Contains("have no column 'Id'", Message(gallery, "Id"));
        Assert.Contains("'Name' is missing", Message(gallery, id: "Name"));
        Assert.Contains("above 0", Message(gallery, depths: [0]));
        Assert.Contains("no row", Message(View()));
        Assert.Contains("3 numbers", Message(_context.Data.LoadFromEnumerable(new[] { new Row { Id = "a", Vector = [1, 2, 3] } })));
    }

    private IDataView View(params (string Id, double Degrees)[] rows) =>
        _context.Data.LoadFromEnumerable(rows.Select(row => new Row { Id = row.Id, Vector = Direction(row.Degrees) }));

    // Of any length: directions count.
    private static float[] Direction(double degrees) => [(float)(3 * Math.Cos(degrees * Math.PI / 180)), (float)(3 * Math.Sin(degrees * Math.PI / 180))];

    private static Row Answer(string id, params string[] found) => new() { Id = id, Ids = found };

    private static Row Pair(double text, double picture) => new() { TextEmbedding = Direction(text), ImageEmbedding = Direction(picture) };

    private sealed class Row
    {
        public string Id { get; set; } = "";

        public float[] Vector { get; set; } = [];

        public float[] TextEmbedding { get; set; } = [];

        public float[] ImageEmbedding { get; set; } = [];

        [VectorType(3)]
        public string[] Ids { get; set; } = ["", "", ""];
    }
}
