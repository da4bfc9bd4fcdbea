using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.VisionLanguage.Tests.Estimators;

/// <summary>Which towers are tuned, and by what.</summary>
[TestClass]
public sealed class ClipTowersTests
{
    private readonly MLContext _context = new(seed: 1);
    private readonly TinyClip _clip = new();
    private readonly string _folder = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());

    [TestCleanup]
    public void Delete()
    {
        _clip.Dispose();
        if (Directory.Exists(_folder))
            Directory.Delete(_folder, recursive: true);
    }

    [TestMethod]
    [DataRow(null, ClipTowers.Both)]
    [DataRow(null, ClipTowers.Text)]
    [DataRow(null, ClipTowers.Image)]
    [DataRow("lora", ClipTowers.Both)]
    [DataRow("lora", ClipTowers.Text)]
    [DataRow("lora", ClipTowers.Image)]
    [DataRow("ia3", ClipTowers.Both)]
    [DataRow("ia3", ClipTowers.Image)]
    [DataRow("layer-norms", ClipTowers.Text)]
    [DataRow("bottleneck", ClipTowers.Image)]
    [DataRow("bottleneck", ClipTowers.Both)]
    [DataRow("prefix", ClipTowers.Text)]
    [DataRow("prefix", ClipTowers.Image)]
    [DataRow("prompt", ClipTowers.Text)]
    public void ALockedTowerSaysWhatItSaid(string? tuner, ClipTowers towers)
    {
        IDataView data = Rows();
        (float[][] pictures, float[][] texts) = Vectors(Fit(data, "frozen-as-lora", ClipTowers.Both, epochs: 0));
        using PeftTransformer tuned = Fit(data, tuner, towers, epochs: 2);
        (float[][] tunedPictures, float[][] tunedTexts) = Vectors(tuned);
        Assert.AreEqual(towers != ClipTowers.Text, Distance(pictures, tunedPictures) > 1e-4, "pictures");
        Assert.AreEqual(towers != ClipTowers.Image, Distance(texts, tunedTexts) > 1e-4, "texts");

        using var file = new MemoryStream();
        _context.Model.Save(tuned, data.Schema, file);
        file.Position = 0;
        using var loaded = (PeftTransformer)new MLContext().Model.Load(file, out _);
        (float[][] loadedPictures, float[][] loadedTexts) = Vectors(loaded);
        Assert.AreEqual(0, Distance(tunedPictures, loadedPictures));
        Assert.AreEqual(0, Distance(tunedTexts, loadedTexts));
    }

    [TestMethod]
    public void ANameOfTheLockedTowerMatchesNothing()
    {
        var lora = new LoraOptions { TargetModules = ["q_proj", "visual_projection"] };
        Assert.Contains("'visual_projection' matches no module", Assert.ThrowsExactly<ArgumentException>(
            () => Fit(Rows(), lora, ClipTowers.Text)).Message);
        var ia3 = TunerRegistry.FromJson("ia3", new JsonObject { ["TargetModules"] = new JsonArray("q_proj", "text_projection") });
        Assert.Contains("'text_projection' matches no module", Assert.ThrowsExactly<ArgumentException>(
            () => Fit(Rows(), ia3, ClipTowers.Image)).Message);
        Assert.Contains("reads tokens", Assert.ThrowsExactly<ArgumentException>(
            () => Fit(Rows(), TunerRegistry.FromJson("prompt", new JsonObject { ["VirtualTokens"] = 2 }), ClipTowers.Image)).Message);
    }

    [TestMethod]
    public void APathChoosesALayerOfATower()
    {
        const string Chosen = "vision_model.encoder.layers.1.mlp.fc1";
        using PeftTransformer tuned = Fit(Rows(), new LoraOptions { TargetModules = [Chosen] }, ClipTowers.Both);
        CollectionAssert.AreEqual(new[] { Chosen + ".lora_A.weight", Chosen + ".lora_B.weight" }, Trained(tuned));
    }

    [TestMethod]
    public void PeftReadsTheAdapterOfOneTowerByItsPaths()
    {
        using PeftTransformer tuned = Fit(Rows(), new LoraOptions { TargetPattern = ".*q_proj" }, ClipTowers.Text);
        tuned.SaveAdapter(_folder);
        JsonNode config = JsonNode.Parse(File.ReadAllText(Path.Combine(_folder, "adapter_config.json")))!;
        CollectionAssert.AreEqual(
            new[] { "text_model.encoder.layers.0.self_attn.q_proj", "text_model.encoder.layers.1.self_attn.q_proj" }, config["target_modules"].Deserialize<string[]>());
        using PeftTransformer again = Fit(Rows(), new LoraOptions(), ClipTowers.Both, epochs: 1, adapter: _folder);
        CollectionAssert.AreEquivalent(Trained(tuned), Trained(again));
    }

    [TestMethod]
    public void WhatPeftCannotSayIsRefused()
    {
        using PeftTransformer tuned = Fit(Rows(), new LoraOptions { Bias = LoraBias.All }, ClipTowers.Text);
        Assert.IsTrue(Trained(tuned).All(name => name.StartsWith("text_", StringComparison.Ordinal)));
        Assert.Contains("part of the model", Assert.ThrowsExactly<NotSupportedException>(() => tuned.SaveAdapter(_folder)).Message);
    }

    [TestMethod]
    public void AnAdapterStandsWhereItStands() => Assert.Contains(nameof(ClipFineTune.Options.Towers), Assert.ThrowsExactly<ArgumentException>(
        () => Fit(Rows(), new LoraOptions(), ClipTowers.Text, adapter: _clip.Folder)).Message);

    [TestMethod]
    public void TowersAreAFactOfTheRunAndTheMethodIsToldByItsOwn()
    {
        string Facts(object options) => new RunFacts().WithOptions(options).ToJson();
        var plain = new ClipFineTune.Options();
        Assert.AreEqual("Options.Towers was \"Both\", is \"Text\"", RunFacts.Differences(Facts(plain), Facts(new ClipFineTune.Options { Towers = ClipTowers.Text })));
        Assert.AreEqual(Facts(plain), Facts(new ClipFineTune.Options { Adapter = null }));
        Assert.AreEqual("ContrastiveTask.MaskSameTexts was true, is false", RunFacts.Differences(Facts(ClipTask.Pairs()), Facts(ClipTask.Pairs(maskSameTexts: false))));
    }

    [TestMethod]
    public void RowsOfTheSameTextAreCountedOnce()
    {
        var lines = new List<string>();
        _context.Log += (_, e) => lines.Add(e.Message);
        Fit(Rows(13), new LoraOptions(), ClipTowers.Both).Dispose();
        Assert.AreEqual(1, lines.Count(line => line.Contains("of 13 rows have the text of another row", StringComparison.Ordinal)));
    }

    private IDataView Rows(int count = 8) => _context.Data.LoadFromEnumerable(PictureRow.Some(count));

    private PeftTransformer Fit(IDataView data, string? tuner, ClipTowers towers, int epochs) => epochs == 0
        // An update that is not trained is none.
        ? Fit(data, new LoraOptions(), towers, epochs: 1, learningRate: 1e-30)
        : Fit(data, tuner is null ? null : TunerRegistry.FromJson(tuner, tuner is "prefix" or "prompt" ? new() { ["VirtualTokens"] = 2 } : []), towers, epochs);

    private PeftTransformer Fit(
        IDataView data, TunerOptions? tuner, ClipTowers towers, int epochs = 1, double learningRate = 1e-2, string? adapter = null) =>
        (PeftTransformer)_context.VisionLanguage().ClipFineTune(new ClipFineTune.Options
        {
            BaseModel = _clip.Folder, Adapter = tuner, Towers = towers, AdapterFolder = adapter,
            Training = new TrainingOptions { MaxEpochs = epochs, BatchSize = 4, LearningRate = learningRate },
        }).Fit(data);

    private (float[][] Pictures, float[][] Texts) Vectors(PeftTransformer model)
    {
        IDataView scored = model.Transform(Rows());
        return ([.. scored.GetColumn<float[]>("ImageEmbedding")], [.. scored.GetColumn<float[]>("TextEmbedding")]);
    }

    private static float Distance(float[][] left, float[][] right) => left.SelectMany(row => row).Zip(right.SelectMany(row => row), (l, r) => Math.Abs(l - r)).Max();

    private static string[] Trained(PeftTransformer model) => [.. model.Scorer.Model.Tuner.Trainable.Select(parameter => parameter.Name)];
}
