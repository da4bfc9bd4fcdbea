namespace Microsoft.ML.Peft.Tests.Architecture;

/// <summary>A line of <c>rooms.txt</c>.</summary>
/// <param name="Pattern">Which files below <c>src</c> it speaks of.</param>
internal sealed record RoomLine(string Pattern)
{
    private const string EachFolder = "/*/", EachFile = "/*.cs", Anywhere = "/*";

    public HashSet<string> Allowed { get; } = [];

    public HashSet<string> Owed { get; } = [];

    /// <summary>Whether it speaks of files of a name, in whatever folder: the parts of a class that stand beside what they speak of.</summary>
    public bool IsOfNames => Pattern.EndsWith(".cs", StringComparison.Ordinal) && !Pattern.EndsWith(EachFile, StringComparison.Ordinal) && Pattern.Contains(Anywhere, StringComparison.Ordinal);

    /// <summary>What the line makes of a file: the room's name; null where it does not speak of it.</summary>
    /// <param name="file">A path below <c>src</c>.</param>
    /// <param name="concrete">Whether the file declares a model or a task that can be made.</param>
    public string? NameOf(string file, bool concrete)
    {
        if (Pattern.EndsWith(EachFolder, StringComparison.Ordinal))
        {
            string above = Pattern[..^2];
            int end = file.StartsWith(above, StringComparison.Ordinal) ? file.IndexOf('/', above.Length) : -1;
            return end < 0 ? null : file[..end];
        }
        if (Pattern.EndsWith(EachFile, StringComparison.Ordinal))
            return concrete && file[..file.LastIndexOf('/')] == Pattern[..^EachFile.Length] ? file : null;
        if (IsOfNames)
        {
            int star = Pattern.IndexOf(Anywhere, StringComparison.Ordinal);
            return file.StartsWith(Pattern[..(star + 1)], StringComparison.Ordinal) && file.EndsWith(Pattern[(star + Anywhere.Length)..], StringComparison.Ordinal) ? Pattern : null;
        }
        return file == Pattern || file.StartsWith(Pattern + "/", StringComparison.Ordinal) ? Pattern : null;
    }
}

/// <summary>Where a type lives.</summary>
/// <param name="Name">A folder, or a file that is a room of its own.</param>
/// <param name="Line">The line that speaks of it.</param>
internal sealed record Room(string Name, RoomLine Line);
