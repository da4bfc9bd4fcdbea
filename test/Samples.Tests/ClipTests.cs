using Microsoft.ML.Peft.TestSupport;

namespace Samples.Tests;

/// <summary>The samples over CLIP, on a tiny one and on pictures of squares and stripes.</summary>
[TestClass]
public sealed class ClipTests
{
    private readonly TinyClip _clip = new();
    private readonly string _data = Directory.CreateTempSubdirectory("clip-samples-").FullName;

    [TestInitialize]
    public void Draw()
    {
        foreach (var (row, i) in PictureRow.Some(6).Select((row, i) => (row, i)))
        {
            string label = Directory.CreateDirectory(Path.Combine(_data, "pictures", row.Text.Contains("stripes", StringComparison.Ordinal) ? "stripes" : "square")).FullName;
            File.WriteAllBytes(Path.Combine(label, $"{i}.png"), row.Image);
        }
    }

    [TestCleanup]
    public void Delete()
    {
        _clip.Dispose();
        Directory.Delete(_data, recursive: true);
    }

    private string Pictures => Path.Combine(_data, "pictures");

    [TestMethod]
    public void PicturesAreClassifiedHereAndInANewProcess()
    {
        SampleProcess run = SampleProcess.Run("ClipClassify", "--model", _clip.Folder, "--data", Pictures, "--templates", "one");
        Assert.AreEqual(0, run.ExitCode, run.ToString());
        StringAssert.Contains(run.Output, "6 pictures in 2 classes (square, stripes), 1 templates.");
        StringAssert.Contains(run.Output, "top 2 1.000");
        StringAssert.Contains(run.Output, "clip-classify.zip");
        foreach (string picture in new[] { "0.png (square): ", "3.png (stripes): " })
            StringAssert.Contains(run.Output, picture);
    }

    [TestMethod]
    public void AFileKeepsTheVectors()
    {
        string index = Path.Combine(_data, "index.json");
        SampleProcess first = Search("--index", index, "--ask", "red stripes", "--count", "6"), second = Search("--index", index, "--ask", "red stripes", "--count", "6"), memory = Search("--ask", "red stripes", "--count", "6");
        StringAssert.Contains(first.Output, "6 pictures, 6 of them new.");
        StringAssert.Contains(second.Output, "6 pictures, 0 of them new.");
        Assert.AreEqual(After(first), After(second));
        Assert.AreEqual(After(first), After(memory));

        // A picture is nearest to itself.
        SampleProcess like = Search("--index", index, "--like", Path.Combine(Pictures, "stripes", "4.png"), "--count", "1");
        StringAssert.Contains(like.Output, "1.000 stripes/4.png");

        static string After(SampleProcess run) => run.Output[run.Output.IndexOf('\n', StringComparison.Ordinal)..];
    }

    [TestMethod]
    [DataRow("ClipClassify", "Name a model")]
    [DataRow("ClipSearch", "Name a model")]
    [DataRow("ClipClassify", "nowhere", "--model", "nowhere")]
    [DataRow("ClipSearch", "nowhere", "--model", ".", "--data", "nowhere")]
    [DataRow("ClipClassify", "'all'", "--model", ".", "--data", ".", "--templates", "all")]
    public void WhatIsMissingIsNamed(string sample, string named, params string[] arguments)
    {
        SampleProcess run = SampleProcess.Run(sample, arguments);
        Assert.AreEqual(2, run.ExitCode, run.ToString());
        StringAssert.Contains(run.Errors, named);
    }

    private SampleProcess Search(params string[] arguments)
    {
        SampleProcess run = SampleProcess.Run("ClipSearch", ["--model", _clip.Folder, "--data", Pictures, .. arguments]);
        Assert.AreEqual(0, run.ExitCode, run.ToString());
        return run;
    }
}
