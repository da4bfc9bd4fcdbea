using System.IO.Compression;
using System.Xml.Linq;
using Microsoft.ML.Peft.TestSupport;

namespace Programs.Tests.Packages;

/// <summary>A feed with both libraries as packages, made of a copy of the sources; it and NuGet's copies are gone when disposed.</summary>
internal sealed class PackedFeed : IDisposable
{
    private static readonly string[] Packages = ["Microsoft.ML.Peft", "Microsoft.ML.VisionLanguage"];

    // New for every run, so that no cache holds an older package of the same version.
    private readonly string _suffix = $"t{DateTime.UtcNow.Ticks}";
    private readonly ScratchFolder _scratch = new();

    /// <exception cref="AssertInconclusiveException">A foreign package is not to be had.</exception>
    public PackedFeed()
    {
        try
        {
            Pack(_scratch.Folder("sources"));
        }
        catch
        {
            Dispose();
            throw;
        }
    }

    public string Version => $"0.1.0-{_suffix}";

    public string Folder => _scratch.Folder("feed");

    /// <summary>The version of Peft that VisionLanguage asks for.</summary>
    public string DependencyOnPeft()
    {
        using ZipArchive package = ZipFile.OpenRead(Path.Combine(Folder, $"{Packages[1]}.{Version}.nupkg"));
        using Stream nuspec = package.GetEntry($"{Packages[1]}.nuspec")!.Open();
        return XDocument.Load(nuspec).Descendants().Where(e => e.Name.LocalName == "dependency" && (string?)e.Attribute("id") == Packages[0])
            .Select(e => (string?)e.Attribute("version")).Single()!;
    }

    /// <summary>The systems for which Peft's package brings native libraries, and what it says of itself.</summary>
    public (string[] Systems, string Description) Kernels()
    {
        using ZipArchive package = ZipFile.OpenRead(Path.Combine(Folder, $"{Packages[0]}.{Version}.nupkg"));
        using Stream nuspec = package.GetEntry($"{Packages[0]}.nuspec")!.Open();
        return (
            [.. package.Entries.Select(entry => entry.FullName.Split('/')).Where(parts => parts[0] == "runtimes").Select(parts => parts[1]).Distinct()],
            XDocument.Load(nuspec).Descendants().Single(e => e.Name.LocalName == "description").Value);
    }

    public void Dispose()
    {
        foreach (string folder in Packages.Select(package => GlobalPackages.Folder(package, Version)).Where(Directory.Exists))
            Directory.Delete(folder, recursive: true);
        _scratch.Dispose();
    }

    private void Pack(string sources)
    {
        SourceCopy.To(sources);
        string suffix = $"-p:VersionSuffix={_suffix}";
        DotNetCommand.Restore(sources, Path.Combine("src", Packages[^1]), suffix);
        foreach (string package in Packages)
            DotNetCommand.Run(sources, "pack", Path.Combine("src", package), "-c", "Release", "-o", Folder, suffix, "-p:RunAnalyzers=false");
    }
}
