using System.Text.Json.Nodes;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Persistence;

/// <summary>
/// A processor with settings of its own, whose rows stay encoded until a batch is made of them: it trains, scores and comes back from an
/// archive. Texts as bytes stand for pictures.
/// </summary>
[TestClass]
public sealed class ProcessorArchiveTests
{
    private readonly MLContext _context = TestDevice.NewContext(seed: 1);
    private readonly TinyBert _bert = new();

    [TestCleanup]
    public void DeleteModel() => _bert.Dispose();

    [TestMethod]
    public void WhatIsEncodedIsDecodedBatchByBatchByTheProcessorThatTheArchiveBrings()
    {
        IDataView rows = Review.Load(_context, 48);
        using PeftTransformer model = Estimator("very").Fit(rows);
        IDataView scored = model.Transform(rows);
        Assert.IsGreaterThan(0.95, _context.MulticlassClassification.Evaluate(scored).MicroAccuracy);
        using var archive = new MemoryStream();
        _context.Model.Save(model, rows.Schema, archive);
        archive.Position = 0;
        using var loaded = (PeftTransformer)TestDevice.NewContext().Model.Load(archive, out _);
        var processor = (EncodedTexts)loaded.Scorer.Task.Processor;
        Assert.AreEqual("very", processor.Opening);
        CollectionAssert.AreEquivalent(model.Scorer.Task.Processor.Files.Keys.ToArray(), processor.Files.Keys.ToArray());
        Table.AreClose(Table.Read(scored, "Score"), Table.Read(loaded.Transform(rows), "Score"), 0, "scores");
    }

    [TestMethod]
    public void ARunUnderOtherSettingsIsNotTakenUp()
    {
        DirectoryInfo folder = Directory.CreateTempSubdirectory("settings-");
        try
        {
            using var source = new CancellationTokenSource();
            FullFineTune first = Estimator("very", folder.FullName);
            first.Settings.Training.CancellationToken = source.Token;
            first.Settings.Training.Progress = new Training.TinyRun.Callback(progress =>
            {
                if (progress.Step == 2)
                    source.Cancel();
            });
            Assert.ThrowsExactly<OperationCanceledException>(() => first.Fit(Review.Load(_context)));
            StringAssert.Contains(
                Assert.ThrowsExactly<InvalidDataException>(() => Estimator("not", folder.FullName).Fit(Review.Load(_context))).Message, "other settings of the inputs");
        }
        finally
        {
            folder.Delete(recursive: true);
        }
    }

    private FullFineTune Estimator(string opening, string? checkpoints = null) => _context.Peft().FullFineTune(new FullFineTune.Options
    {
        BaseModel = _bert.Folder,
        Task = new EncodedTask { Opening = opening },
        EmbedBase = true,
        Training = new TrainingOptions { MaxEpochs = 10, BatchSize = 8, LearningRate = 5e-3, CheckpointFolder = checkpoints },
    });

    /// <summary>Makes tokens of encoded texts, after an opening.</summary>
    internal sealed class EncodedTexts(TextProcessor texts, string opening) : InputProcessor
    {
        public string Opening => opening;

        public override JsonObject Settings => new() { ["opening"] = opening };

        public override IReadOnlyDictionary<string, byte[]> Files => texts.Files;

        public override TextTokenizer TokenizerOrNull => texts.Tokenizer;

        public override Batch Collate(IReadOnlyList<Example> examples, Device device, bool withLabels) =>
            base.Collate([.. examples.Select(Decoded)], device, withLabels);

        private Example Decoded(Example example) => example.With(Fields.Ids, Tokenizer.Encode($"{opening} {System.Text.Encoding.UTF8.GetString(example.Get(Fields.Picture))}").Ids);
    }

    internal sealed class EncodedTask : PeftTask
    {
        // The processor keeps it.
        [NotLearnt]
        public required string Opening { get; init; }

        internal TextColumn Text => new("Text", "Text");

        internal KeyColumn Label => new("Label");

        internal override IReadOnlyList<TaskColumn> Inputs => [Text];

        internal override IReadOnlyList<TaskColumn> Labels => [Label];

        internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
            [SchemaShapes.PredictedKey("PredictedLabel", schema, "Label"), SchemaShapes.Scores("Score", schema, "Label")];

        internal override InputProcessor OpenProcessor(string folder, string? tokenizerFolder) => new EncodedTexts(TextProcessor.Load(tokenizerFolder ?? folder), Opening);

        internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) => new Runtime(this, labels, processor, maxLength);
    }

    private sealed class Runtime(EncodedTask task, LabelSet labels, InputProcessor processor, int maxLength)
        : TaskRuntime<float[]>(task, labels, processor, maxLength)
    {
        public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
        {
            Func<string> text = task.Text.Read(row);
            Func<int>? label = withLabels ? task.Label.Read(row, Labels) : null;
            return OneEach(() => new Example { Ids = [0], Label = label?.Invoke() }.With(Fields.Picture, System.Text.Encoding.UTF8.GetBytes(text())));
        }

        public override Head CreateHead(PretrainedModel model) => model.As<ISequenceClassifier>().CreateSequenceClassificationHead(Labels.Count);

        public override ITaskMetrics CreateMetrics() => new ClassificationMetrics(Labels.Count);

        public override IReadOnlyList<OutputColumn<float[]>> Outputs =>
        [
            OutputColumn<float[]>.Of("PredictedLabel", new KeyDataViewType(typeof(uint), Labels.Count),
                scores => (uint)Classification.ArgMax(scores) + 1, Classification.PredictedLabelAnnotations(Labels)),
            OutputColumn<float[]>.Vector("Score", new VectorDataViewType(NumberDataViewType.Single, Labels.Count),
                scores => scores, Classification.ScoreAnnotations(Labels)),
        ];

        public override IReadOnlyList<float[]> Predict(Tensor answer, Batch batch) => [.. Classification.Probabilities(answer).Chunk(Labels.Count)];
    }
}
