using Microsoft.ML.Peft;

namespace AskText;

/// <summary>Questions to learn, and others, over other paragraphs, to be judged by.</summary>
internal sealed record Questions(IReadOnlyList<SquadQuestion> Train, IReadOnlyList<SquadQuestion> Test)
{
    // Of so many paragraphs one is kept from training.
    private const int Kept = 5;

    /// <exception cref="ArgumentException">None are named, and none lie beside the repository.</exception>
    public static Questions Load(Arguments arguments)
    {
        IReadOnlyList<SquadQuestion> all = SquadFile.Read(arguments.Data ?? Beside()
            ?? throw new ArgumentException("Name questions: --data with a file in SQuAD's JSON, such as train-v1.1.json."));
        string[] paragraphs = [.. all.Select(question => question.Context).Distinct()];
        HashSet<string> kept = [.. paragraphs.Where((_, i) => i % Kept == Kept - 1)];
        return new([.. all.Where(question => !kept.Contains(question.Context)).Take(arguments.Rows)], [.. all.Where(question => kept.Contains(question.Context))]);
    }

    private static string? Beside()
    {
        DirectoryInfo? folder = new(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Extensions.sln")))
            folder = folder.Parent;
        string found = Path.GetFullPath(Path.Combine(folder?.FullName ?? "", "..", "shared", "data", "xquad-en", "train.json"));
        return File.Exists(found) ? found : null;
    }
}
