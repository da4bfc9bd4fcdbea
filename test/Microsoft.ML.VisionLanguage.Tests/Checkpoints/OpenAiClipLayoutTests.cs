using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Registration;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.VisionLanguage.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tests.Checkpoints;

/// <summary>OpenAI's own files, as TorchScript archives and as state dicts. What the towers make of them, the families openai-clip-* tell.</summary>
[TestClass]
public sealed class OpenAiClipLayoutTests
{
    // Convolutions sum in another order where their weights lie otherwise in memory, as they do in other files.
    private const double Rounding = 2e-6;

    public OpenAiClipLayoutTests() => Registries.Shared.Include(typeof(TwoTowerModel).Assembly);

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void AllFormsHoldTheSameModel(bool network)
    {
        using var scope = NewDisposeScope();
        var answers = OpenAiFolder.Forms.Select(form =>
        {
            using var folder = new OpenAiFolder(network, form);
            return (form, TowerAnswers.Of(folder.Folder), TowerAnswers.Of(folder.Weights));
        }).ToArray();
        foreach (var (form, byFolder, byFile) in answers)
        {
            TensorAssert.Close(answers[0].Item2, byFolder, Rounding, Rounding, form);
            if (form != "safetensors")
                TensorAssert.Close(byFolder, byFile, Rounding, Rounding, $"{form} by its file");
        }
    }

    [TestMethod]
    [DataRow(false)]
    [DataRow(true)]
    public void TorchReadsTheScriptToo(bool network)
    {
        using var scope = NewDisposeScope();
        using var folder = new OpenAiFolder(network, change: tensor => tensor with { Value = Half(tensor.Value) });
        using var script = jit.load(folder.Weights);
        using ITensorSource ours = CheckpointFolder.OpenFile(folder.Weights);
        var theirs = script.state_dict();
        CollectionAssert.AreEquivalent(theirs.Keys.ToArray(), ours.Names.ToArray());
        foreach (var (name, value) in theirs)
            TensorAssert.Close(value, ours.Read(name), 0, 0, name);
    }

    [TestMethod]
    public void HalvesBecomeSingles()
    {
        using var scope = NewDisposeScope();
        using var half = new OpenAiFolder(network: true, change: tensor => tensor with { Value = Half(tensor.Value) });
        using var rounded = new OpenAiFolder(network: true, change: tensor => tensor with { Value = Half(tensor.Value).to(tensor.Value.dtype) });
        using var model = (Clip)BaseModels.Open(half.Folder, CPU, seed: 1);
        Assert.IsTrue(model.Weights.All.Concat(model.Weights.Constants).All(weight => weight.Value.dtype == ScalarType.Float32));
        TensorAssert.Close(TowerAnswers.Of(rounded.Folder), TowerAnswers.Of(half.Folder), Rounding, Rounding, "halves");
    }

    [TestMethod]
    public void QueriesKeysAndValuesAreViewsOfTheFile()
    {
        using var folder = new OpenAiFolder(network: false, "safetensors");
        using var model = (Clip)BaseModels.Open(folder.Folder, CPU, seed: 1);
        // Both matrices into the common space were transposed; all else is the file's.
        Assert.AreEqual(2L * OpenAiClip.Hidden * OpenAiClip.Width * sizeof(float), model.Weights.Checkpoint!.CopiedBytes);
        using ITensorSource file = CheckpointFolder.Open(folder.Folder);
        using ITensorSource stored = CheckpointFolder.OpenFile(folder.Weights);
        using var scope = NewDisposeScope();
        foreach (var (projection, part) in new[] { ("q_proj", 0), ("k_proj", 1), ("v_proj", 2) })
        {
            Tensor fused = stored.Read("transformer.resblocks.1.attn.in_proj_weight");
            TensorAssert.Close(fused.chunk(3)[part], file.Read($"text_model.encoder.layers.1.self_attn.{projection}.weight"), 0, 0, projection);
        }
    }

    [TestMethod]
    public void SizesAreThoseOfTheTensors()
    {
        using var transformer = new OpenAiFolder(network: false);
        using var network = new OpenAiFolder(network: true);
        HfConfig config = HfConfig.Load(transformer.Folder), vision = HfConfig.Load(network.Weights).Section("vision_config");
        Assert.AreEqual(OpenAiClip.Width, config.Int("projection_dim"));
        Assert.AreEqual(OpenAiClip.Side, config.Section("vision_config").Int("image_size"));
        Assert.AreEqual("quick_gelu", config.Section("text_config").String("hidden_act"));
        CollectionAssert.AreEqual(new[] { 1, 2, 1, 1 }, vision.Ints("layers").ToArray());
        Assert.AreEqual(OpenAiClip.Side, vision.Int("image_size"));
    }

    [TestMethod]
    public void WhatModulesCountAndWhatDistributedTrainingPrefixesIsNoMatter()
    {
        using var scope = NewDisposeScope();
        using var plain = new OpenAiFolder(network: true, "state-dict");
        using var wrapped = new OpenAiFolder(network: true, "state-dict", tensor => tensor with { Name = "module." + tensor.Name });
        TensorAssert.Close(TowerAnswers.Of(plain.Folder), TowerAnswers.Of(wrapped.Folder), Rounding, Rounding, "module.");
    }

    [TestMethod]
    public void ATensorThatClipHasNotIsNamed()
    {
        using var folder = new OpenAiFolder(network: false, "state-dict", tensor => tensor.Name == "ln_final.bias" ? tensor with { Name = "ln_other.bias" } : tensor);
        Assert.Contains("'ln_other.bias'", Assert.ThrowsExactly<NotSupportedException>(() => HfConfig.Load(folder.Folder)).Message);
    }

    [TestMethod]
    public void AMissingTensorIsNamed()
    {
        using var folder = new OpenAiFolder(network: false, "state-dict", tensor => tensor.Name == "transformer.resblocks.1.ln_1.bias" ? tensor with { Name = "context_length" } : tensor);
        Assert.Contains("text_model.encoder.layers.1.layer_norm1.bias", Assert.ThrowsExactly<InvalidDataException>(() => BaseModels.Open(folder.Folder, CPU, seed: 1)).Message);
    }

    [TestMethod]
    public void PositionsThatAreNoSquareAreRefused()
    {
        using var folder = new OpenAiFolder(
            network: false, "state-dict", tensor => tensor.Name == "visual.positional_embedding" ? tensor with { Value = tensor.Value[..7] } : tensor);
        string message = Assert.ThrowsExactly<InvalidDataException>(() => HfConfig.Load(folder.Folder)).Message;
        Assert.Contains("'visual.positional_embedding'", message);
        Assert.Contains("found 7", message);
    }

    [TestMethod]
    public void OfTwoFilesNoneIsChosen()
    {
        using var folder = new OpenAiFolder(network: false);
        File.Copy(folder.Weights, Path.Combine(folder.Folder, "other.pt"));
        Assert.Contains("clip.pt, other.pt", Assert.ThrowsExactly<InvalidDataException>(() => HfConfig.Load(folder.Folder)).Message);
        Assert.AreEqual(OpenAiClip.Width, HfConfig.Load(folder.Weights).Int("projection_dim"));
    }

    [TestMethod]
    public void AFolderOfSomethingElseIsNoneOfIt()
    {
        using var folder = new OpenAiFolder(network: false, "state-dict", tensor => tensor with { Name = "other." + tensor.Name });
        Assert.Contains("openai-clip", Assert.ThrowsExactly<FileNotFoundException>(() => HfConfig.Load(folder.Folder)).Message);
    }

    private static Tensor Half(Tensor value) => value.is_floating_point() ? value.to(ScalarType.Float16) : value;
}
