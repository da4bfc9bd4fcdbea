using System.IO.Compression;
using System.Xml.Linq;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.TestSupport;

namespace Microsoft.ML.Peft.Tests.Packaging;

/// <summary>Packs both libraries and uses them as a stranger would: packages only, no source, no internals.</summary>
[TestClass, TestCategory("Packaging")]
public sealed class OutsiderTests
{
    private static readonly string[] Packages = ["Microsoft.ML.Peft", "Microsoft.ML.VisionLanguage"];

    // New for every run, so that no cache holds an older package of the same version.
    private readonly string _suffix = $"t{DateTime.UtcNow.Ticks}";

    private string Version => $"0.1.0-{_suffix}";

    [TestMethod]
    public void AProgramOnThePackagesBuildsAndRuns()
    {
        using var scratch = new ScratchFolder();
        string feed = scratch.Folder("feed");
        try
        {
            Pack(scratch.Folder("sources"), feed);
            Assert.AreEqual($"[{Version}]", DependencyOnPeft(feed), "VisionLanguage uses internals of Peft, so it takes its own version alone.");
            BuildAndRun(scratch.Folder("outsider"), feed);
        }
        finally
        {
            ForgetPackages();
        }
    }

    private void Pack(string sources, string feed)
    {
        RepositoryFolder.CopySourcesTo(sources);
        string suffix = $"-p:VersionSuffix={_suffix}";
        string last = Path.Combine("src", Packages[^1]);
        DotNetCommand.Restore(sources, last, suffix);
        foreach (string package in Packages)
            DotNetCommand.Run(sources, "pack", Path.Combine("src", package), "-c", "Release", "-o", feed, suffix, "-p:RunAnalyzers=false");
    }

    private string DependencyOnPeft(string feed)
    {
        using ZipArchive package = ZipFile.OpenRead(Path.Combine(feed, $"{Packages[1]}.{Version}.nupkg"));
        using Stream nuspec = package.GetEntry($"{Packages[1]}.nuspec")!.Open();
        return XDocument.Load(nuspec).Descendants().Where(e => e.Name.LocalName == "dependency" && (string?)e.Attribute("id") == Packages[0])
            .Select(e => (string?)e.Attribute("version")).Single()!;
    }

    private void BuildAndRun(string folder, string feed)
    {
        foreach (string template in Directory.EnumerateFiles(RepositoryFolder.TestFolder("Packaging/Outsider"), "*.template"))
        {
            string text = File.ReadAllText(template).Replace("$version$", Version).Replace("$feed$", feed);
            File.WriteAllText(Path.Combine(folder, Path.GetFileNameWithoutExtension(template)), text);
        }
        DotNetCommand.Restore(folder);
        DotNetCommand.Run(folder, "build", "--no-restore", "-c", "Release");
        DotNetCommand.Run(folder, "run", "--no-build", "-c", "Release");
        bool carriesKernels = Directory.EnumerateFiles(folder, "*peft_native*", SearchOption.AllDirectories).Any();
        Assert.AreEqual(PeftNative.IsAvailable, carriesKernels, "Packages built where kernels are built carry them.");
    }

    private void ForgetPackages()
    {
        foreach (string package in Packages)
        {
            string folder = GlobalPackages.Folder(package, Version);
            if (Directory.Exists(folder))
                Directory.Delete(folder, recursive: true);
        }
    }
}
