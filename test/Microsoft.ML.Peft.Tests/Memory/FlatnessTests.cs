using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Training;

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
        var context = TestDevice.NewContext(seed: 1);
        IDataView data = Review.Load(context);
        var watch = new MemoryWatch(Slack);
        using PeftTransformer model = context.Peft().Lora(new LoraFineTune.Options
        {
            BaseModel = bert.Folder,
            Task = PeftTask.TextClassification(),
            Training = new TrainingOptions { MaxSteps = 1000, MaxEpochs = 1000, BatchSize = 8, Progress = new EveryHundredth(watch) },
        }).Fit(data);
        watch.CheckFlat();
    }

    [TestMethod]
    public void TenThousandPredictionsKeepNothing()
    {
        using var bert = new TinyBert();
        var context = TestDevice.NewContext(seed: 1);
        IDataView data = Review.Load(context);
        using PeftTransformer model = context.Peft().Embed(bert.Folder).Fit(data);
        using var engine = context.Model.CreatePredictionEngine<Review, Embedded>(model, new PredictionEngineOptions { OwnsTransformer = false });
        var watch = new MemoryWatch(Slack);
        for (int i = 0; i < 10_000; i++)
        {
            engine.Predict(new Review { Text = "good film" });
            if (i % 500 == 0)
                watch.Note();
        }
        watch.CheckFlat();
    }

    [TestMethod]
    public void AWatchSeesWhatIsKept()
    {
        var watch = new MemoryWatch(Slack);
        var kept = new List<byte[]>();
        for (int i = 0; i < 20; i++)
        {
            kept.Add(GC.AllocateUninitializedArray<byte>(8 << 20));
            kept[^1].AsSpan().Fill(1);
            watch.Note();
        }
        Assert.ThrowsExactly<AssertFailedException>(watch.CheckFlat);
        GC.KeepAlive(kept);
    }

    private sealed class Embedded
    {
        public float[] Embedding { get; set; } = [];
    }

    private sealed class EveryHundredth(MemoryWatch watch) : IProgress<TrainingProgress>
    {
        public void Report(TrainingProgress value)
        {
            if (value.Step % 100 == 0)
                watch.Note();
        }
    }
}
