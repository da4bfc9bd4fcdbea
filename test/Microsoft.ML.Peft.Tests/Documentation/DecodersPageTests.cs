using Microsoft.ML.Data;

namespace Microsoft.ML.Peft.Tests.Documentation;

/// <summary>The code of docs/decoders.md compiles: its lines stand here.</summary>
[TestClass]
public sealed class DecodersPageTests
{
    [TestMethod]
    public void TheCodeOfThePageStandsHere() => PageCode.AssertStandsIn(nameof(DecodersPageTests), "docs/decoders.md");

    internal static void Write(MLContext ml)
    {
        IDataView pairs = ml.Data.LoadFromTextFile<Pair>("pairs.tsv", hasHeader: true);
        using PeftTransformer writer = ml.Peft().Lora("models/smollm2", PeftTask.TextGeneration(), maxEpochs: 1, batchSize: 8).Fit(pairs);
        ml.Model.SaveAtomically(writer, pairs.Schema, "writer.zip");
        writer.SaveAdapter("adapters/writer");

        using var engine = ml.Model.CreatePredictionEngine<Pair, Answer>(writer);
        Console.WriteLine(engine.Predict(new Pair { Prompt = "name[Blue Spice], eatType[coffee shop]\n" }).GeneratedText);
    }

    internal sealed class Pair
    {
        [LoadColumn(0)]
        public string Prompt { get; set; } = "";

        [LoadColumn(1)]
        public string Completion { get; set; } = "";
    }

    internal sealed class Answer
    {
        public string GeneratedText { get; set; } = "";
    }
}
