using Samples;

namespace ChatTuning;

/// <summary>Prompts with their completions, and the model that is to learn them.</summary>
internal static class PairData
{
    private const int Namespaces = 12;

    /// <summary>The user's pairs; else tables with what people wrote of them (E2E); else what the SDK's documentation says, with the namespace.</summary>
    public static IReadOnlyList<LabelledText> Load(Arguments arguments)
    {
        if (arguments.Data is { } file)
            return TsvFile.Read(file, arguments.Prompt, arguments.Completion);
        if (Beside(Path.Combine("e2e", "train.tsv")) is { } tables)
            return TsvFile.Read(tables, "mr", "ref");
        return [.. ApiDocs.Commonest(ApiDocs.Load(), Namespaces).Select(row => new LabelledText($"Which .NET namespace is this about? {row.Text}", row.Label))];
    }

    /// <exception cref="ArgumentException">None is named, and none lies beside the repository.</exception>
    public static string Model(Arguments arguments) => arguments.Model ?? Beside(Path.Combine("models", "smollm2-135m-instruct"))
        ?? throw new ArgumentException("Name a model: --model with the folder of a Hugging Face decoder with a chat template, or its .gguf file.");

    private static string? Beside(string path)
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Extensions.sln")))
            folder = folder.Parent;
        string found = Path.GetFullPath(Path.Combine(folder?.FullName ?? "", "..", "shared", "data", path));
        return Path.Exists(found) ? found : null;
    }
}
