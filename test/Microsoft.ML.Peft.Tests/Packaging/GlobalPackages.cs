namespace Microsoft.ML.Peft.Tests.Packaging;

/// <summary>NuGet's folder of unpacked packages.</summary>
internal static class GlobalPackages
{
    internal static string Root { get; } = Environment.GetEnvironmentVariable("NUGET_PACKAGES")
        ?? Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");

    internal static string Folder(string package, string version)
        => Path.Combine(Root, package.ToLowerInvariant(), version.ToLowerInvariant());
}
