using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.VisionLanguage.Images;
using Microsoft.ML.VisionLanguage.Inputs;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tests.Inputs;

[TestClass]
public sealed class PictureProcessorTests
{
    private readonly TinyClip _clip = new();

    [TestCleanup]
    public void Delete() => _clip.Dispose();

    [TestMethod]
    public void RowsInTheTemporaryFileGiveTheSamePixels()
    {
        Example[] rows = [.. PictureRow.Some(5).Select(row => Example.Of([(Fields.Picture, row.Image)]))];
        using var store = new ExampleStore(memoryLimit: 0);
        foreach (Example row in rows)
            store.Add(row);
        Assert.IsGreaterThanOrEqualTo(rows.Sum(row => row.Get(Fields.Picture).Length), store.SpilledBytes);
        var processor = PictureProcessor.Load(_clip.Folder, new());
        using Batch held = processor.Collate(rows, CPU, withLabels: false), read = processor.Collate([.. store], CPU, withLabels: false);
        CollectionAssert.AreEqual(new long[] { 5, 3, TinyClip.Side, TinyClip.Side }, held.Pixels!.shape);
        Assert.IsTrue(held.Pixels.Equals(read.Pixels!));
    }

    [TestMethod]
    public void ItsFilesMakeItAgain()
    {
        var processor = PictureProcessor.Load(_clip.Folder, new(), _clip.Folder);
        CollectionAssert.IsSubsetOf(new[] { PictureSettings.FileName, "tokenizer.json" }, processor.Files.Keys.ToArray());
        var again = PictureProcessor.Of(processor.Settings, processor.Files);
        CollectionAssert.AreEqual(processor.Tokenizer.Encode("a red square").Ids, again.Tokenizer.Encode("a red square").Ids);
        Assert.IsNull(PictureProcessor.Load(_clip.Folder, new()).TokenizerOrNull);
    }

    [TestMethod]
    public void ArchivesFromBeforeThereWereOptionsHaveTheDefaults()
    {
        var files = PictureProcessor.Load(_clip.Folder, new PictureOptions { DropAlpha = true }).Files;
        Assert.IsFalse(PictureProcessor.Of([], files).DropsAlpha);
        foreach (JsonObject settings in new JsonObject[] { new() { ["MaxPixels"] = 0 }, new() { ["MaxPixels"] = "many" }, new() { ["Augmentation"] = new JsonObject { ["MinCropArea"] = 2 } } })
            Assert.Contains("settings of pictures", Assert.ThrowsExactly<InvalidDataException>(() => PictureProcessor.Of(settings, files)).Message);
    }

    [TestMethod]
    public void AFolderWithoutPictureSettingsIsRefused()
    {
        File.Delete(Path.Combine(_clip.Folder, PictureSettings.FileName));
        Assert.Contains(PictureSettings.FileName, Assert.ThrowsExactly<FileNotFoundException>(() => PictureProcessor.Load(_clip.Folder, new(), _clip.Folder)).Message);
    }
}
