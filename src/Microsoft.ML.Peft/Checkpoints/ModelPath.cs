using System.Text.RegularExpressions;

namespace Microsoft.ML.Peft.Checkpoints;

/// <summary>Whether what is named as a model or an adapter is there: said when it is named, not when it is read.</summary>
internal static partial class ModelPath
{
    /// <param name="path">A folder or a file.</param>
    /// <param name="setting">Where it was named.</param>
    /// <exception cref="DirectoryNotFoundException">There is neither.</exception>
    public static void Check(string path, string setting)
    {
        if (Directory.Exists(path) || File.Exists(path))
            return;
        string place = Path.IsPathRooted(path) ? "" : $" below the current directory '{Directory.GetCurrentDirectory()}'";
        string hub = HubId().IsMatch(path) ? " If it is the name of a model on the Hugging Face hub: none is fetched from there; download it and name its folder." : "";
        throw new DirectoryNotFoundException($"{setting}: there is no folder or file '{path}'{place}.{hub}");
    }

    [GeneratedRegex(@"^[\w-][\w.-]*/[\w-][\w.-]*$")]
    private static partial Regex HubId();
}

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
