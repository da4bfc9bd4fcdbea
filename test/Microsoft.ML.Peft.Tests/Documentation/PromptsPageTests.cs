using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Documentation;

/// <summary>The code of docs/prompts.md compiles: its lines stand here.</summary>
[TestClass]
public sealed class PromptsPageTests
{
    [TestMethod]
    public void TheCodeOfThePageStandsHere() => PageCode.AssertStandsIn(nameof(PromptsPageTests), "docs/prompts.md");

    internal static void Write(MLContext ml, IDataView rows)
    {
        PeftTask both = PeftTask.Several(new Dictionary<string, PeftTask>
        {
            ["topic"] = PeftTask.TextClassification("Text", null, "TopicKey", "PredictedTopic", "TopicScore"),
            ["names"] = PeftTask.TokenClassification("Text", "NameKeys", "PredictedNames", "NameScore"),
        }, taskColumnName: "Task");
        PeftTransformer model = ml.Peft().PTuneV2("models/all-MiniLM-L6-v2", both).Fit(rows);

        var pipeline = ml.Transforms.Conversion.MapValueToKey("Label")
            .Append(ml.Peft().PromptTune(new PromptTune.Options
            {
                BaseModel = "models/all-MiniLM-L6-v2",
                Task = PeftTask.TextClassification(),
                Prompt = new PromptOptions { VirtualTokens = 20, Start = VirtualTokenStart.Text, StartText = "Is this message spam or not?" },
            }));

        PeftTask task = PeftTask.ClozeClassification("{Text} It was {mask}.", new Dictionary<string, string> { ["positive"] = "great", ["negative"] = "terrible" });
        PeftTransformer asIs = ml.Peft().ZeroShot("models/bert", task).Fit(rows);
        PeftTransformer tuned = ml.Peft().Lora("models/bert", task).Fit(rows);

        foreach (IDisposable made in new IDisposable[] { model, (IDisposable)pipeline.Fit(rows), asIs, tuned })
            made.Dispose();
    }
}
