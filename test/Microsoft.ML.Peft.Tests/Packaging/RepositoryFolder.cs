namespace Microsoft.ML.Peft.Tests.Packaging;

/// <summary>The checkout that the tests were built from.</summary>
internal static class RepositoryFolder
{
    private static readonly string[] BuildOutputs = ["bin", "obj", "TestResults"];

    internal static string Root { get; } = Find();

    internal static string TestFolder(string name) => Path.Combine(Root, "test", "Microsoft.ML.Peft.Tests", name);

    /// <summary>Copies what a build of the libraries needs, so that packing disturbs no build output in use.</summary>
    internal static void CopySourcesTo(string target)
    {
        foreach (string file in Directory.EnumerateFiles(Root))
            File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
        foreach (string folder in new[] { "eng", "src" })
            CopyFolder(Path.Combine(Root, folder), Path.Combine(target, folder));
        Directory.CreateDirectory(Path.Combine(target, "artifacts", "packages"));
    }

    private static void CopyFolder(string source, string target)
    {
        Directory.CreateDirectory(target);
        foreach (string file in Directory.EnumerateFiles(source))
            File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
        foreach (string folder in Directory.EnumerateDirectories(source))
            if (!BuildOutputs.Contains(Path.GetFileName(folder)))
                CopyFolder(folder, Path.Combine(target, Path.GetFileName(folder)));
    }

    private static string Find()
    {
        string? folder = AppContext.BaseDirectory;
        while (folder is not null && !File.Exists(Path.Combine(folder, "Extensions.sln")))
            folder = Path.GetDirectoryName(folder);
        return folder ?? throw new DirectoryNotFoundException("The tests run outside their checkout.");
    }
}
