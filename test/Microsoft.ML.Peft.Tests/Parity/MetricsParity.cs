using System.Text.Json.Nodes;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>Scores of given texts and labels.</summary>
internal static class MetricsParity
{
    /// <summary>Every number within a section.</summary>
    public const string Expectations = @"^\$\.(bleu|rouge|entities|squad)\.(score\w*|precisions|brevity_penalty|rouge\w+|precision|recall|f1|exact_match)$";

    public const string CiderExpectations = @"^\$\.(score|each)$";

    private static readonly Dictionary<string, Action<ParityCase, JsonObject>> Sections = new()
    {
        ["bleu"] = Bleu,
        ["rouge"] = Rouge,
        ["entities"] = Entities,
        ["squad"] = Squad,
    };

    public static void Run(ParityCase parity)
    {
        var found = parity.Json.Where(section => section.Value is JsonObject).ToArray();
        Assert.IsNotEmpty(found);
        foreach (var (name, section) in found)
            Sections[name](parity, section!.AsObject());
    }

    public static void RunCider(ParityCase parity)
    {
        CiderScore score = TextMetrics.Cider(Texts(parity.Json["hypotheses"]!), Groups(parity.Json["references"]!));
        Check(parity, "score", parity.Json["score"]!, score.Score);
        Check(parity, "each", parity.Json["each"]!, [.. score.Each]);
    }

    private static void Bleu(ParityCase parity, JsonObject expected)
    {
        string[] hypotheses = Texts(expected["hypotheses"]!);
        string[][] references = Groups(expected["references"]!);
        BleuScore score = TextMetrics.Bleu(hypotheses, references);
        Check(parity, "bleu", expected["score"]!, score.Score);
        Check(parity, "precisions", expected["precisions"]!, [.. score.Precisions]);
        Check(parity, "brevity penalty", expected["brevity_penalty"]!, score.BrevityPenalty);
        Check(parity, "lower case", expected["score_lowercase"]!, TextMetrics.Bleu(hypotheses, references, lowercase: true).Score);
        string[][] first = [.. references.Select(group => group[..1])];
        Check(parity, "first reference", expected["score_first_reference_only"]!, TextMetrics.Bleu(hypotheses, first).Score);
    }

    private static void Rouge(ParityCase parity, JsonObject expected)
    {
        JsonNode texts = parity.Json["bleu"]!;
        RougeScore score = TextMetrics.Rouge(Texts(texts["hypotheses"]!), Groups(texts["references"]!));
        Check(parity, "rouge1", expected["rouge1"]!, score.Rouge1);
        Check(parity, "rouge2", expected["rouge2"]!, score.Rouge2);
        Check(parity, "rougeL", expected["rougeL"]!, score.RougeL);
    }

    private static void Entities(ParityCase parity, JsonObject expected)
    {
        EntityScore score = TextMetrics.Entities(Groups(expected["gold"]!), Groups(expected["predicted"]!));
        Check(parity, "precision", expected["precision"]!, score.Precision);
        Check(parity, "recall", expected["recall"]!, score.Recall);
        Check(parity, "entity f1", expected["f1"]!, score.F1);
    }

    private static void Squad(ParityCase parity, JsonObject expected)
    {
        JsonArray items = expected["items"]!.AsArray();
        SquadScore score = TextMetrics.Squad(
            [.. items.Select(item => item!["predicted"]!.GetValue<string>())], [.. items.Select(item => Texts(item!["answers"]!))]);
        Check(parity, "exact match", expected["exact_match"]!, score.ExactMatch);
        Check(parity, "answer f1", expected["f1"]!, score.F1);
    }

    private static void Check(ParityCase parity, string name, JsonNode expected, params double[] actual) =>
        parity.Texts.Close(expected, actual, (_, _) => parity.Absolute, $"{parity.Name}: {name}");

    private static string[] Texts(JsonNode list) => [.. list.AsArray().Select(text => text!.GetValue<string>())];

    private static string[][] Groups(JsonNode list) => [.. list.AsArray().Select(group => Texts(group!))];
}
