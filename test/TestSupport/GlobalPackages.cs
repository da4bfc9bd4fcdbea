namespace Microsoft.ML.Peft.TestSupport;

/// <summary>NuGet's folder of unpacked packages.</summary>
public static class GlobalPackages
{
    public static string Root { get; } = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
        ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");

    public static string Folder(string package, string version)
        => Path.Combine(Root, package.ToLowerInvariant(), version.ToLowerInvariant());
}
