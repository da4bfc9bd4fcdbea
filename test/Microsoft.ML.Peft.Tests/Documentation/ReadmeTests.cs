using Microsoft.Extensions.AI;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Documentation;

/// <summary>The code of the README compiles: its lines stand here.</summary>
[TestClass]
public sealed class ReadmeTests
{
    [TestMethod]
    public void TheCodeOfThePageStandsHere() => PageCode.AssertStandsIn(nameof(ReadmeTests), "README.md");

    internal static void Classify()
    {
        var ml = new MLContext(seed: 1);
        IDataView reviews = ml.Data.LoadFromTextFile<Review>("reviews.tsv", hasHeader: true);

        var pipeline = ml.Transforms.Conversion.MapValueToKey("Label")
            .Append(ml.Peft().Lora("models/roberta-base", PeftTask.TextClassification(sentence1ColumnName: "Text"), rank: 8))
            .Append(ml.Transforms.Conversion.MapKeyToValue("PredictedLabel"));

        ITransformer model = pipeline.Fit(reviews);
        ml.Model.Save(model, reviews.Schema, "reviews.zip");
    }

    internal static async Task Write(MLContext ml, IDataView pairs, IDataView questions)
    {
        var task = PeftTask.TextGeneration("Prompt", "Completion", generation: new GenerationOptions { MaxNewTokens = 100 });
        PeftTransformer writer = ml.Peft().Lora("models/smollm2", task, rank: 8).Fit(pairs);
        foreach (string text in writer.Transform(questions).GetColumn<string>("GeneratedText"))
            Console.WriteLine(text);

        using IChatClient chat = writer.AsChatClient();
        await foreach (ChatResponseUpdate piece in chat.GetStreamingResponseAsync("Who wrote Faust?"))
            Console.Write(piece.Text);
    }
}
