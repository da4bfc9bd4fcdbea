namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>The last name of a path that may come from another system: <c>C:\models\x\</c> ends in <c>x</c> on Linux too.</summary>
internal static class FolderName
{
    private static readonly char[] s_separators = ['/', '\\'];

    /// <summary>The name; empty where the path has none.</summary>
    public static string Of(string path)
    {
        string trimmed = path.TrimEnd(s_separators);
        return trimmed[(trimmed.LastIndexOfAny(s_separators) + 1)..];
    }
}
