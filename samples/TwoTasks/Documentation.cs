using Microsoft.ML;
using Microsoft.ML.Data;
using Samples;

namespace TwoTasks;

/// <summary>A sentence of the API documentation: of which namespace it is, or which of its words are names in code.</summary>
internal sealed class Sentence
{
    public const string NamespaceTask = "namespace", NameTask = "names";

    public string Text { get; set; } = "";

    /// <summary>What the row teaches.</summary>
    public string Task { get; set; } = "";

    public string Namespace { get; set; } = "";

    /// <summary>For each word "name" or "word".</summary>
    public string[] Kinds { get; set; } = [];

    /// <summary>Every second row teaches the one task, the others the other: none teaches both.</summary>
    public static IEnumerable<Sentence> Of(IEnumerable<LabelledText> rows) => rows.Select((row, i) =>
    {
        var words = ApiDocs.Words(row);
        return new Sentence
        {
            Text = string.Join(' ', words.Select(word => word.Word)),
            Task = i % 2 == 0 ? NamespaceTask : NameTask,
            Namespace = row.Label,
            Kinds = [.. words.Select(word => word.IsName ? "name" : "word")],
        };
    });
}

/// <summary>What both heads say of a sentence, and what is true.</summary>
internal sealed class Answer
{
    public string Text { get; set; } = "";

    public string PredictedNamespace { get; set; } = "";

    public string[] PredictedKinds { get; set; } = [];

    public string[] Kinds { get; set; } = [];

    public IEnumerable<string> Names => Text.Split(' ').Zip(PredictedKinds).Where(word => word.Second == "name").Select(word => word.First);
}
