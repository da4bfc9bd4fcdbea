using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Documentation;

/// <summary>The code of docs/glm.md compiles: its lines stand here.</summary>
[TestClass]
public sealed class GlmPageTests
{
    [TestMethod]
    public void TheCodeOfThePageStandsHere() => PageCode.AssertStandsIn(nameof(GlmPageTests), "docs/glm.md");

    internal static async Task Write(MLContext ml, IDataView rows)
    {
        PeftTask fill = PeftTask.FillBlanks(generation: new GenerationOptions { MaxNewTokens = 32 });
        PeftTransformer filler = ml.Peft().ZeroShot("models/glm-large", fill).Fit(rows);

        await foreach (BlankUpdate update in filler.FillBlanksAsync("The [MASK] is a river in [MASK]."))
            Console.WriteLine($"{update.Blank} at {update.Offset}: {update.Text}");

        PeftTransformer learnt = ml.Peft().Lora("models/glm-large", PeftTask.FillBlanks()).Fit(rows);

        var words = new Dictionary<string, string> { ["positive"] = "great", ["negative"] = "terrible" };
        PeftTask cloze = PeftTask.ClozeClassification("{Text} It was {mask}.", words, ClozeScoring.SumOfTokens);
        PeftTransformer classifier = ml.Peft().Lora("models/glm-large", cloze).Fit(rows);

        foreach (PeftTransformer made in new[] { filler, learnt, classifier })
            made.Dispose();
    }

    internal static void Pretrain(MLContext ml, string[] texts, IDataView train, IDataView validation)
    {
        GlmFolder.Create("glm-start", new GlmShape { HiddenSize = 128, Layers = 4, Heads = 4, MaxLength = 64 }, texts, vocabularySize: 4000);

        PeftTransformer glm = ml.Peft().GlmPretrain(new GlmPretrain.Options
        {
            BaseModel = "glm-start",
            StartFromScratch = true,
            Task = PeftTask.BlankInfilling(tokenShare: 0.5, sentenceShare: 0.2, documentShare: 0.3),
            ValidationSet = validation,
            Training = new TrainingOptions { MaxEpochs = 4, LearningRate = 1.5e-3, CheckpointFolder = "checkpoints" },
        }).Fit(train);
        glm.SaveMergedModel("glm-pretrained");
    }
}
