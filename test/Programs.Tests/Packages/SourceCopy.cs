using Microsoft.ML.Peft.TestSupport;

namespace Programs.Tests.Packages;

/// <summary>Copies what a build of the libraries needs, so that packing disturbs no build output in use.</summary>
internal static class SourceCopy
{
    private static readonly string[] BuildOutputs = ["bin", "obj", "TestResults"];

    internal static void To(string target)
    {
        foreach (string file in Directory.EnumerateFiles(RepositoryFolder.Root))
            File.Copy(file, Path.Combine(target, Path.GetFileName(file)));
        foreach (string folder in new[] { "eng", "src" })
            CopyFolder(Path.Combine(RepositoryFolder.Root, folder), Path.Combine(target, folder));
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
}
