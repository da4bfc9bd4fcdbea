using System.Numerics.Tensors;
using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.VisionLanguage.Tests.Estimators;

[TestClass]
public sealed class ClipZeroShotClassifierTests
{
    private static readonly string[] s_labels = ["red square", "green stripes", "blue"], s_templates = ["a {}", "a dark {label}", "{} left {}"];

    private readonly MLContext _context = new(seed: 1);
    private readonly TinyClip _clip = new();
    private readonly PictureRow[] _rows = [.. PictureRow.Some(7)];

    [TestCleanup]
    public void Delete() => _clip.Dispose();

    private IDataView Data => _context.Data.LoadFromEnumerable(_rows);

    /// <summary>openai/CLIP's recipe, worked from the two embedders.</summary>
    [TestMethod]
    public void ScoresAreThoseOfAveragedPrompts()
    {
        string[] prompts = [.. s_labels.SelectMany(label => new[] { $"a {label}", $"a dark {label}", $"{label} left {label}" })];
        float[][] texts = Embed(_context.VisionLanguage().ClipTextEmbedder(_clip.Folder), _context.Data.LoadFromEnumerable(prompts.Select(text => new PictureRow { Text = text })));
        float[][] pictures = Embed(_context.VisionLanguage().ClipImageEmbedder(_clip.Folder), Data);
        double[][] classes = [.. texts.Chunk(s_templates.Length).Select(some => Normal([.. Enumerable.Range(0, TinyClip.Width).Select(i => some.Average(text => (double)text[i]))]))];

        ITransformer model = Fit(_context.VisionLanguage().ClipZeroShotClassifier(_clip.Folder, s_labels, s_templates, topK: 2));
        using var _ = (IDisposable)model;
        IDataView scored = model.Transform(Data);
        float[][] scores = [.. scored.GetColumn<float[]>("Score")], topScores = [.. scored.GetColumn<float[]>("TopScores")];
        uint[] predicted = [.. scored.GetColumn<uint>("PredictedLabel")];
        uint[][] top = [.. scored.GetColumn<uint[]>("TopLabels")];
        for (int row = 0; row < _rows.Length; row++)
        {
            double[] expected = Softmax([.. classes.Select(c => Math.Exp(2.6592) * c.Zip(pictures[row], (l, r) => l * r).Sum())]);
            for (int label = 0; label < s_labels.Length; label++)
                Assert.AreEqual(expected[label], scores[row][label], 1e-5);
            int[] order = [.. Enumerable.Range(0, s_labels.Length).OrderByDescending(label => scores[row][label])];
            Assert.AreEqual((uint)order[0] + 1, predicted[row]);
            CollectionAssert.AreEqual(new[] { (uint)order[0] + 1, (uint)order[1] + 1 }, top[row]);
            CollectionAssert.AreEqual(new[] { scores[row][order[0]], scores[row][order[1]] }, topScores[row]);
        }
    }

    [TestMethod]
    public void ColumnsSayWhatTheyAre()
    {
        ITransformer model = Fit(_context.VisionLanguage().ClipZeroShotClassifier(_clip.Folder, s_labels, topK: 9));
        using var _ = (IDisposable)model;
        DataViewSchema schema = model.GetOutputSchema(Data.Schema);
        VBuffer<ReadOnlyMemory<char>> names = default;
        foreach (string column in new[] { "PredictedLabel", "TopLabels" })
        {
            schema[column].GetKeyValues(ref names);
            CollectionAssert.AreEqual(s_labels, names.DenseValues().Select(name => name.ToString()).ToArray());
        }
        schema["Score"].GetSlotNames(ref names);
        CollectionAssert.AreEqual(s_labels, names.DenseValues().Select(name => name.ToString()).ToArray());
        // No more than there are.
        Assert.AreEqual(s_labels.Length, ((VectorDataViewType)schema["TopLabels"].Type).Size);
        string[] values = [.. _context.Transforms.Conversion.MapKeyToValue("TopLabels").Fit(model.Transform(Data)).Transform(model.Transform(Data)).GetColumn<string[]>("TopLabels").First()];
        CollectionAssert.AreEquivalent(s_labels, values);
    }

    /// <summary>Keys' order is the scores' order: ML.NET's evaluator compares a label's key with the score of that place.</summary>
    [TestMethod]
    public void LabelsOfAKeyColumnGoWithItsKeys()
    {
        IDataView keyed = _context.Transforms.Conversion.MapValueToKey("Label", "Text", keyOrdinality: Transforms.ValueToKeyMappingEstimator.KeyOrdinality.ByValue).Fit(Data).Transform(Data);
        var options = new ClipZeroShotClassifier.Options { BaseModel = _clip.Folder, LabelColumnName = "Label" };
        ITransformer model = _context.VisionLanguage().ClipZeroShotClassifier(options).Fit(keyed);
        using var _ = (IDisposable)model;
        string[] expected = [.. _rows.Select(row => row.Text).Distinct().Order(StringComparer.Ordinal)];
        VBuffer<ReadOnlyMemory<char>> names = default;
        model.GetOutputSchema(keyed.Schema)["PredictedLabel"].GetKeyValues(ref names);
        CollectionAssert.AreEqual(expected, names.DenseValues().Select(name => name.ToString()).ToArray());

        IDataView scored = model.Transform(keyed);
        int[] labels = [.. scored.GetColumn<uint>("Label").Select(key => (int)key - 1)];
        float[][] scores = [.. scored.GetColumn<float[]>("Score")];
        MulticlassClassificationMetrics metrics = _context.MulticlassClassification.Evaluate(scored, topKPredictionCount: 3);
        for (int k = 1; k <= 3; k++)
        {
            double right = labels.Where((label, row) => scores[row].OrderDescending().Take(k).Contains(scores[row][label])).Count() / (double)labels.Length;
            Assert.AreEqual(right, metrics.TopKAccuracyForAllK[k - 1], 1e-9);
        }
        Assert.AreEqual(metrics.TopKAccuracyForAllK[0], metrics.MicroAccuracy, 1e-9);
        Assert.AreEqual(-labels.Select((label, row) => Math.Log(scores[row][label])).Average(), metrics.LogLoss, 1e-4);
    }

    [TestMethod]
    public void LabelsOfAnotherViewAreTheDifferentTexts()
    {
        string[] texts = ["green", "red", "green", "blue", "red"];
        IDataView names = _context.Data.LoadFromEnumerable(texts.Select(text => new { Name = text }));
        var options = new ClipZeroShotClassifier.Options { BaseModel = _clip.Folder, LabelColumnName = "Name", LabelData = names };
        ITransformer model = Fit(_context.VisionLanguage().ClipZeroShotClassifier(options)), listed = Fit(_context.VisionLanguage().ClipZeroShotClassifier(_clip.Folder, ["green", "red", "blue"]));
        using var _ = (IDisposable)model;
        using var __ = (IDisposable)listed;
        Table.AreClose(Table.Read(listed.Transform(Data), "Score"), Table.Read(model.Transform(Data), "Score"), 0, "Score");
    }

    [TestMethod]
    public void ASavedModelNeedsNoTokenizer()
    {
        ITransformer model = Fit(_context.VisionLanguage().ClipZeroShotClassifier(_clip.Folder, s_labels));
        using var _ = (IDisposable)model;
        Assert.IsNull(((PeftTransformer)model).Scorer.Task.Processor.TokenizerOrNull);
        float[][] scores = [.. model.Transform(Data).GetColumn<float[]>("Score")];
        using var engine = _context.Model.CreatePredictionEngine<PictureRow, Answer>(model);
        for (int row = 0; row < _rows.Length; row++)
        {
            Answer answer = engine.Predict(_rows[row]);
            Assert.AreEqual(1, answer.Score.Sum(), 1e-5);
            for (int label = 0; label < s_labels.Length; label++)
                Assert.AreEqual(scores[row][label], answer.Score[label], 1e-5);
        }
    }

    /// <summary>A picture that cannot be read is missing, where that is allowed: it is of no class, and the others' are what they were.</summary>
    [TestMethod]
    public void APictureThatIsMissingHasNoLabel()
    {
        var options = new ClipZeroShotClassifier.Options { BaseModel = _clip.Folder, Labels = s_labels, TopK = 2, Pictures = new() { AllowUnreadable = true } };
        ITransformer model = Fit(_context.VisionLanguage().ClipZeroShotClassifier(options));
        using var _ = (IDisposable)model;
        float[][] expected = [.. model.Transform(Data).GetColumn<float[]>("Score")];
        _rows[1].Image = [1, 2, 3];
        IDataView scored = model.Transform(Data);
        uint[] predicted = [.. scored.GetColumn<uint>("PredictedLabel")];
        uint[][] top = [.. scored.GetColumn<uint[]>("TopLabels")];
        float[][] scores = [.. scored.GetColumn<float[]>("Score")], topScores = [.. scored.GetColumn<float[]>("TopScores")];
        Assert.AreEqual(0u, predicted[1]);
        CollectionAssert.AreEqual(new uint[] { 0, 0 }, top[1]);
        Assert.IsTrue(scores[1].Concat(topScores[1]).All(float.IsNaN));
        Assert.AreNotEqual(0u, predicted[2]);
        for (int label = 0; label < s_labels.Length; label++)
            Assert.AreEqual(expected[2][label], scores[2][label], 1e-5);
    }

    [TestMethod]
    [DataRow("'red' is there more than once", "red", "blue", "red")]
    [DataRow("label 1 of 2 is empty", "red", " ")]
    [DataRow("1 labels, expected two", "red")]
    [DataRow("0 labels, expected two")]
    public void LabelsMustBeDifferentAndNotEmpty(string named, params string[] labels)
    {
        Assert.Contains(named, Assert.Throws<ArgumentException>(() => _context.VisionLanguage().ClipZeroShotClassifier(_clip.Folder, labels)).Message);
        IDataView names = _context.Data.LoadFromEnumerable(labels.Select(text => new { Name = text }));
        if (labels.Distinct().Count() != labels.Length)
            return;
        var options = new ClipZeroShotClassifier.Options { BaseModel = _clip.Folder, LabelColumnName = "Name", LabelData = names };
        Assert.Contains(named, Assert.Throws<ArgumentException>(() => _context.VisionLanguage().ClipZeroShotClassifier(options).Fit(Data)).Message);
    }

    [TestMethod]
    [DataRow("Templates is empty")]
    [DataRow("'a photo' (2 of 2) has no '{}'", "a {}", "a photo")]
    [DataRow("'a {name}' (1 of 1) has no '{}'", "a {name}")]
    [DataRow("'' (2 of 2) has no '{}'", "a {}", null)]
    public void TemplatesMustSayWhereTheLabelStands(string named, params string[] templates) => Assert.Contains(
        named, Assert.Throws<ArgumentException>(() => _context.VisionLanguage().ClipZeroShotClassifier(_clip.Folder, s_labels, templates)).Message);

    [TestMethod]
    public void LabelsAreGivenOnce()
    {
        Refused("There are no labels", new() { BaseModel = _clip.Folder });
        Refused("one of the two", new() { BaseModel = _clip.Folder, Labels = s_labels, LabelColumnName = "Text" });
        Refused("LabelData is given", new() { BaseModel = _clip.Folder, Labels = s_labels, LabelData = Data });
        Refused("'Name' is missing", new() { BaseModel = _clip.Folder, LabelColumnName = "Name", LabelData = Data });
        Refused("must be keys or text", new() { BaseModel = _clip.Folder, LabelColumnName = "Number", LabelData = Data });
        Refused("TopK", new() { BaseModel = _clip.Folder, Labels = s_labels, TopK = 0 });
        Refused("Two output columns", new() { BaseModel = _clip.Folder, Labels = s_labels, ScoreColumnName = "PredictedLabel" });
    }

    [TestMethod]
    public void ALabelBeyondTheModelsLengthIsNamedUnlessItIsCut()
    {
        string[] labels = ["red", "green green green green green green green green green green"];
        ClipZeroShotClassifier.Options options = new() { BaseModel = _clip.Folder, Labels = labels, Templates = ["a {}"] };
        string message = Assert.ThrowsExactly<InvalidOperationException>(() => Fit(_context.VisionLanguage().ClipZeroShotClassifier(options))).Message;
        Assert.Contains("Label 'green green", message);
        Assert.Contains("13 tokens, and the model reads 10", message);
        options.TruncateTexts = true;
        ((IDisposable)Fit(_context.VisionLanguage().ClipZeroShotClassifier(options))).Dispose();
    }

    [TestMethod]
    public void APictureColumnOfNumbersIsRefused() => Assert.Contains("must be a picture", Assert.ThrowsExactly<ArgumentException>(() => Fit(
        _context.VisionLanguage().ClipZeroShotClassifier(_clip.Folder, s_labels, imageColumnName: "Number"))).Message);

    /// <summary>A checkpoint whose towers end in different spaces is no model.</summary>
    [TestMethod]
    public void TowersOfDifferentWidthAreRefused()
    {
        using var other = new TinyClip(change: config => config["projection_dim"] = TinyClip.Width + 4);
        File.Copy(Path.Combine(other.Folder, "config.json"), Path.Combine(_clip.Folder, "config.json"), overwrite: true);
        Assert.Contains("_projection.weight", Assert.Throws<InvalidDataException>(() => Fit(_context.VisionLanguage().ClipZeroShotClassifier(_clip.Folder, s_labels))).Message);
    }

    [TestMethod]
    public void ThePapersTemplatesAreEighty()
    {
        Assert.HasCount(80, ClipTemplates.ImageNet);
        Assert.HasCount(80, ClipTemplates.ImageNet.Distinct());
        Assert.IsTrue(ClipTemplates.ImageNet.All(template => template.Split("{}").Length == 2));
    }

    private void Refused(string named, ClipZeroShotClassifier.Options options) =>
        Assert.Contains(named, Assert.Throws<ArgumentException>(() => _context.VisionLanguage().ClipZeroShotClassifier(options)).Message);

    private ITransformer Fit(IEstimator<ITransformer> estimator) => estimator.Fit(Data);

    private static float[][] Embed(IEstimator<ITransformer> embedder, IDataView data)
    {
        ITransformer model = embedder.Fit(data);
        using var _ = (IDisposable)model;
        return [.. model.Transform(data).GetColumn<float[]>("Embedding")];
    }

    private static double[] Normal(double[] vector) => Array.ConvertAll(vector, value => value / TensorPrimitives.Norm<double>(vector));

    private static double[] Softmax(double[] logits) => Array.ConvertAll(logits, logit => Math.Exp(logit) / logits.Sum(Math.Exp));

    private sealed class Answer
    {
        public float[] Score { get; set; } = [];
    }
}
