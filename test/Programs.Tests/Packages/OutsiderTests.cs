using System.Globalization;
using System.Text.RegularExpressions;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.TestSupport;

namespace Programs.Tests.Packages;

/// <summary>Packs both libraries and uses them as a stranger would: packages only, no source, no internals.</summary>
[TestClass, TestCategory("Packaging")]
public sealed partial class OutsiderTests
{
    private const int TrainRows = 800, TestRows = 200;

    private static readonly Lazy<PackedFeed> s_feed = new();

    [ClassCleanup]
    public static void Forget()
    {
        if (s_feed.IsValueCreated)
            s_feed.Value.Dispose();
    }

    [TestMethod]
    public void AProgramOnThePackagesBuildsAndRuns()
    {
        PackedFeed feed = s_feed.Value;
        Assert.AreEqual($"[{feed.Version}]", feed.DependencyOnPeft(), "VisionLanguage uses internals of Peft, so it takes its own version alone.");
        using var scratch = new ScratchFolder();
        Assert.DoesNotContain("PEFT00", Build(scratch.Root, project => project));
        DotNetCommand.Run(scratch.Root, "run", "--no-build", "-c", "Release");
        bool carriesKernels = Directory.EnumerateFiles(scratch.Root, "*peft_native*", SearchOption.AllDirectories).Any();
        Assert.AreEqual(PeftNative.IsAvailable, carriesKernels, "Packages built where kernels are built carry them.");
    }

    [TestMethod]
    public void ThePackageSaysWhoseKernelsItCarries()
    {
        var (carried, description) = s_feed.Value.Kernels();
        StringAssert.Contains(description, carried.Length == 0 ? "Carries no native kernels" : $"Carries native kernels for {string.Join(", ", carried)};");
    }

    [TestMethod]
    public void AProgramWithoutLibTorchIsToldAtItsBuildAndAtItsStart()
    {
        using var scratch = new ScratchFolder();
        string built = Build(scratch.Root, project => project.Replace("""<PackageReference Include="TorchSharp-cpu" Version="0.107.0" />""", ""));
        StringAssert.Contains(built, "warning PEFT001");
        StringAssert.Contains(Failure(scratch.Root), "needs the package TorchSharp-cpu");
        Assert.DoesNotContain("PEFT001", DotNetCommand.Run(scratch.Root, "build", "--no-restore", "-c", "Release", "-p:PeftCheckLibTorch=false"));
    }

    [TestMethod]
    public void AProgramOnAnOldLibStdCppIsToldAtItsBuildAndAtItsStart()
    {
        using var scratch = new ScratchFolder();
        string built = Build(scratch.Root, project => project.Replace("<PeftPatchLibTorchSharp>true</PeftPatchLibTorchSharp>", ""));
        if (built.Contains("warning PEFT002", StringComparison.Ordinal))
            StringAssert.Contains(Failure(scratch.Root), "<PeftPatchLibTorchSharp>true");
        else
            DotNetCommand.Run(scratch.Root, "run", "--no-build", "-c", "Release");
    }

    /// <summary>The README's project and program as they stand there, on the first rows of sms-spam: all of it takes a minute.</summary>
    [TestMethod]
    public void TheProgramOfTheReadmeBuildsAndLearns()
    {
        string model = Path.Combine(SharedData.Models, "all-minilm-l6-v2"), data = Path.Combine(SharedData.Data, "sms-spam");
        SharedData.RequireFolder(model);
        SharedData.RequireFolder(data);
        using var scratch = new ScratchFolder();
        File.WriteAllText(Path.Combine(scratch.Root, "Spam.csproj"), PageCode.Project("README.md", s_feed.Value.Version, s_feed.Value.Folder));
        File.WriteAllText(Path.Combine(scratch.Root, "Program.cs"), PageCode.Program("README.md"));
        foreach (string file in Directory.EnumerateFiles(model))
            File.Copy(file, Path.Combine(scratch.Folder("models/all-MiniLM-L6-v2"), Path.GetFileName(file)));
        foreach (var (part, rows) in new[] { ("train.tsv", TrainRows), ("test.tsv", TestRows) })
            File.WriteAllLines(Path.Combine(scratch.Folder("sms-spam"), part), File.ReadLines(Path.Combine(data, part)).Take(rows + 1));

        string output = BuildAndRun(scratch.Root);

        Console.WriteLine(output);
        double accuracy = double.Parse(Accuracy().Match(output).Groups[1].Value.Replace(',', '.'), CultureInfo.InvariantCulture);
        Assert.IsGreaterThan(0.93, accuracy, "Always saying ham is right for 0.87 of the rows.");
        StringAssert.Contains(output, "ham: Shall we meet");
        Assert.IsTrue(File.Exists(Path.Combine(scratch.Root, "spam.zip")));
    }

    private static string Build(string folder, Func<string, string> change)
    {
        foreach (string template in Directory.EnumerateFiles(RepositoryFolder.Test("Programs.Tests/Packages/Outsider"), "*.template"))
        {
            string text = File.ReadAllText(template).Replace("$version$", s_feed.Value.Version).Replace("$feed$", s_feed.Value.Folder);
            File.WriteAllText(Path.Combine(folder, Path.GetFileNameWithoutExtension(template)), change(text));
        }
        DotNetCommand.Restore(folder);
        return DotNetCommand.Run(folder, "build", "--no-restore", "-c", "Release");
    }

    // TorchSharp would find its own way to the machine's packages otherwise.
    private static string Failure(string folder) => DotNetCommand.Fail(
        folder, ("NUGET_PACKAGES", Path.Combine(folder, "none")), Path.Combine(folder, "bin", "Release", "net10.0", "Outsider.dll"));

    private static string BuildAndRun(string folder)
    {
        DotNetCommand.Restore(folder);
        DotNetCommand.Run(folder, "build", "--no-restore", "-c", "Release");
        return DotNetCommand.Run(folder, "run", "--no-build", "-c", "Release");
    }

    [GeneratedRegex(@"Accuracy (\d[.,]\d+)")]
    private static partial Regex Accuracy();
}
