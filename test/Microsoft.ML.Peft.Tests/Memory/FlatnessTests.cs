using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Memory;

/// <summary>Tensors and memory stay where they are over long runs.</summary>
[TestClass]
public sealed class FlatnessTests
{
    private const long Slack = 32L << 20;

    [TestMethod]
    public void AThousandStepsKeepNothing()
    {
        using var bert = new TinyBert();
        var context = new MLContext(seed: 1);
        IDataView data = Review.Load(context);
        var watch = new Watch();
        using PeftTransformer model = context.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = bert.Folder,
            Task = PeftTask.TextClassification(),
            Training = new TrainingOptions { MaxSteps = 1000, MaxEpochs = 1000, BatchSize = 8, Progress = watch },
        }).Fit(data);
        watch.CheckFlat();
    }

    [TestMethod]
    public void TenThousandPredictionsKeepNothing()
    {
        using var bert = new TinyBert();
        var context = new MLContext(seed: 1);
        IDataView data = Review.Load(context);
        using PeftTransformer model = context.Peft().Embed(bert.Folder).Fit(data);
        using var engine = context.Model.CreatePredictionEngine<Review, Embedded>(model, new PredictionEngineOptions { OwnsTransformer = false });
        var watch = new Watch();
        for (int i = 0; i < 10_000; i++)
        {
            engine.Predict(new Review { Text = "good film" });
            watch.Note(i);
        }
        watch.CheckFlat();
    }

    private sealed class Embedded
    {
        public float[] Embedding { get; set; } = [];
    }

    /// <summary>Compares live tensors and resident memory after a tenth of a run with those at its end.</summary>
    private sealed class Watch : IProgress<TrainingProgress>
    {
        private readonly List<(long Tensors, long Bytes)> _notes = [];

        public void Report(TrainingProgress value) => Note(value.Step);

        public void Note(int step)
        {
            if (step % 100 == 0)
                _notes.Add((Tensor.TotalCount, Environment.WorkingSet));
        }

        public void CheckFlat()
        {
            Assert.IsGreaterThanOrEqualTo(10, _notes.Count);
            var (early, late) = (_notes[_notes.Count / 10], _notes[^1]);
            Assert.AreEqual(early.Tensors, late.Tensors, "live tensors");
            Assert.IsLessThan(early.Bytes + Slack, late.Bytes, "resident memory");
        }
    }
}
