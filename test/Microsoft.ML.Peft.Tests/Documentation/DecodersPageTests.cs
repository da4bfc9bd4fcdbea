using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Documentation;

/// <summary>The code of docs/decoders.md compiles: its lines stand here.</summary>
[TestClass]
public sealed class DecodersPageTests
{
    [TestMethod]
    public void TheCodeOfThePageStandsHere() => PageCode.AssertStandsIn(nameof(DecodersPageTests), "docs/decoders.md");

    internal static void Write(MLContext ml)
    {
        // A line feed ends each prompt, in training and in use.
        static string Ask(string table) => table + "\n";

        IDataView pairs = ml.Data.LoadFromEnumerable(File.ReadLines("pairs.tsv").Skip(1).Select(line => line.Split('\t'))
            .Select(cells => new Pair { Prompt = Ask(cells[0]), Completion = cells[1] }));
        using PeftTransformer writer = ml.Peft().Lora("models/smollm2", PeftTask.TextGeneration(), maxEpochs: 1, batchSize: 8).Fit(pairs);
        ml.Model.SaveAtomically(writer, pairs.Schema, "writer.zip");
        writer.SaveAdapter("adapters/writer");

        using var engine = ml.Model.CreatePredictionEngine<Pair, Answer>(writer);
        Console.WriteLine(engine.Predict(new Pair { Prompt = Ask("name[Blue Spice], eatType[coffee shop]") }).GeneratedText);

        using PeftTransformer translator = ml.Peft().Lora("models/flan-t5-small", PeftTask.TextGeneration(), maxEpochs: 3).Fit(pairs);
    }

    internal sealed class Pair
    {
        public string Prompt { get; set; } = "";

        public string Completion { get; set; } = "";
    }

    internal sealed class Answer
    {
        public string GeneratedText { get; set; } = "";
    }
}
