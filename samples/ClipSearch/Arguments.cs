using Samples;

namespace ClipSearch;

/// <summary>The command line.</summary>
internal sealed class Arguments(CommandLineValues values)
{
    private const int UsualCount = 3;

    public static CommandLine Line { get; } = new(
        "Looks for pictures by texts and by pictures: CLIP's vectors in a collection of Microsoft.Extensions.VectorData, in memory or in a file.",
        new("model", "FOLDER", "a CLIP as Hugging Face has it: config.json, weights, tokenizer and preprocessor_config.json"),
        new("data", "FOLDER", "pictures, a folder for each class (the flowers where they lie beside the repository)"),
        new("index", "FILE", "keeps the vectors in a file, so that the next run reads new pictures only (memory)"),
        new("ask", "TEXT", "what to look for (the names of the folders)"),
        new("like", "FILE", "a picture whose like to look for"),
        new("count", "NUMBER", $"how many of the nearest to show ({UsualCount})"));

    /// <exception cref="ArgumentException">None is named.</exception>
    public string Model { get; } = values.ExistingModel("model") ?? throw new ArgumentException("Name a model: --model with the folder of a CLIP.");

    public string Data { get; } = PictureFolder.Of(values.Get("data"));

    /// <summary>The file of vectors; null to keep them in memory.</summary>
    public string? Index { get; } = values.Get("index");

    /// <summary>What to look for; null for the names of the folders.</summary>
    public string? Ask { get; } = values.Get("ask");

    /// <summary>A picture whose like to look for; null for none.</summary>
    public string? Like { get; } = values.ExistingFile("like");

    public int Count { get; } = values.Number("count", UsualCount);
}
