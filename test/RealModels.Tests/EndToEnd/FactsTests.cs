using System.Text.Json.Nodes;
using Microsoft.ML;
using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.TestSupport;

namespace RealModels.Tests.EndToEnd;

/// <summary>
/// Facts of T-REx on SmolLM2: a relation's template and its paraphrases, as far as they end in the gap, beside P-tuning with the template's words as anchors.
/// Answers of several tokens stay in the test part, where nobody finds them.
/// </summary>
[TestClass]
public sealed class FactsTests
{
    private const int Epochs = 20;

    private static readonly string Model = Path.Combine(SharedData.Models, "smollm2-135m-instruct");

    private readonly MLContext _ml = TestDevice.NewContext(seed: 1);

    [TestMethod, TestCategory("EndToEnd")]
    [DataRow("P36"), DataRow("P37"), DataRow("P103"), DataRow("P19"), DataRow("P140"), DataRow("P30"), DataRow("P176"), DataRow("P106"), DataRow("P17"), DataRow("P27")]
    public void ARelationsPromptIsLearnt(string relation)
    {
        LongTests.Require();
        SharedData.RequireFolder(Model);
        Fact[] train = [.. Facts("train", relation)], test = [.. Facts("test", relation)];
        string commonest = train.GroupBy(fact => fact.Answer).MaxBy(group => group.Count())!.Key;
        string[] patterns = [.. Patterns(relation)];
        var found = patterns.Select(pattern => Measure(ByHand(pattern, train), test)).ToArray();
        string anchored = $"{{prompt:6}} {patterns[0]}";
        var learnt = Measure(Tuned(anchored, train), test);
        for (int i = 0; i < patterns.Length; i++)
            Print(relation, patterns[i], found[i]);
        Print(relation, $"P-tuning, {anchored}", learnt);
        Console.WriteLine(FormattableString.Invariant(
            $"trex, {relation}: always {commonest}: {test.Count(fact => fact.Answer == commonest) / (double)test.Length:f4}; {test.Length} rows; {train.Length} to train on"));
        Assert.IsGreaterThan(found[0].First, learnt.First);
    }

    private PeftTransformer ByHand(string pattern, Fact[] rows) => _ml.Peft().ZeroShot(Model, PeftTask.FactualProbing(pattern)).Fit(_ml.Data.LoadFromEnumerable(rows));

    private PeftTransformer Tuned(string pattern, Fact[] rows) => _ml.Peft().PTune(new PTune.Options
    {
        BaseModel = Model,
        Task = PeftTask.FactualProbing(pattern, skipLongAnswers: true),
        Prompt = new PTuningOptions { VirtualTokens = 6, EncoderHiddenSize = 256, Start = VirtualTokenStart.Text, StartText = "Here is a well known fact:" },
        Training = new TrainingOptions { MaxEpochs = Epochs, BatchSize = 16 },
    }).Fit(_ml.Data.LoadFromEnumerable(rows));

    private (double First, double Ten) Measure(PeftTransformer model, Fact[] test)
    {
        using (model)
        {
            string[][] predicted = [.. model.Transform(_ml.Data.LoadFromEnumerable(test)).GetColumn<string[]>("PredictedAnswers")];
            string[] right = [.. test.Select(fact => fact.Answer)];
            return (TextMetrics.PrecisionAt(predicted, right, 1), TextMetrics.PrecisionAt(predicted, right, 10));
        }
    }

    private static void Print(string relation, string pattern, (double First, double Ten) found) =>
        Console.WriteLine(FormattableString.Invariant($"trex, {relation}, {pattern}: P@1 {found.First:f4}, P@10 {found.Ten:f4}"));

    /// <summary>The template and its paraphrases without what stands behind the gap, where that is a full stop alone.</summary>
    private static IEnumerable<string> Patterns(string relation)
    {
        JsonNode known = Lines("relations").Single(line => Said(line, "relation") == relation);
        return known["paraphrases"]!.AsArray().Select(text => text!.ToString()).Prepend(Said(known, "template")).Select(text => text.TrimEnd(' ', '.'))
            .Where(text => text.EndsWith("[Y]", StringComparison.Ordinal))
            .Select(text => text.Replace("[X]", "{Subject}", StringComparison.Ordinal).Replace("[Y]", "{mask}", StringComparison.Ordinal));
    }

    private static IEnumerable<Fact> Facts(string part, string relation) => Lines(part).Where(line => Said(line, "relation") == relation)
        .Select(line => new Fact { Subject = Said(line, "sub_label"), Answer = Said(line, "obj_label") });

    private static IEnumerable<JsonNode> Lines(string file) =>
        File.ReadLines(SharedData.Require(Path.Combine(SharedData.Data, "trex"), file + ".jsonl")).Select(line => JsonNode.Parse(line)!);

    private static string Said(JsonNode row, string key) => row[key]!.ToString();

    private sealed class Fact
    {
        public string Subject { get; set; } = "";

        public string Answer { get; set; } = "";
    }
}
