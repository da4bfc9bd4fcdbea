using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Registration;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.VisionLanguage.Images;
using Microsoft.ML.VisionLanguage.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tests.Checkpoints;

/// <summary>Folders as open_clip saves them: its own towers are those of OpenAI's code, under the same names.</summary>
[TestClass]
public sealed class OpenClipLayoutTests
{
    private readonly string _folder = Directory.CreateTempSubdirectory("open-clip-").FullName;

    public OpenClipLayoutTests() => Registries.Shared.Include(typeof(TwoTowerModel).Assembly);

    [TestCleanup]
    public void Delete() => Directory.Delete(_folder, recursive: true);

    [TestMethod]
    [DataRow(false, "open_clip_model.safetensors", false)]
    [DataRow(false, "open_clip_pytorch_model.bin", true)]
    [DataRow(true, "open_clip_pytorch_model.bin", false)]
    public void TheModelIsThatOfOpenAisFile(bool network, string file, bool textTowerOfItsOwn)
    {
        using var scope = NewDisposeScope();
        Write(network, file, textTowerOfItsOwn, model => model["quick_gelu"] = true);
        using var openAi = new OpenAiFolder(network);
        TensorAssert.Close(TowerAnswers.Of(openAi.Folder), TowerAnswers.Of(_folder), 2e-6, 2e-6, file);
    }

    [TestMethod]
    public void GeluIsMeantWhereNothingIsSaid()
    {
        Write(change: model => model["text_cfg"]!["act_kwargs"] = new JsonObject { ["approximate"] = "tanh" });
        HfConfig config = HfConfig.Load(_folder);
        Assert.AreEqual("gelu", config.Section("vision_config").String("hidden_act"));
        Assert.AreEqual("gelu_pytorch_tanh", config.Section("text_config").String("hidden_act"));
    }

    [TestMethod]
    public void AnEndTokenOfItsOwnIsLookedFor()
    {
        Write(change: model => (model["text_cfg"]!["pool_type"], model["text_cfg"]!["eos_id"]) = ("eos", 2));
        using var model = (Clip)BaseModels.Open(_folder, CPU, seed: 1);
        Assert.AreEqual("metaclip_2", model.Entry!.Key);
        Assert.Contains("the id 2", Assert.ThrowsExactly<InvalidDataException>(() => TowerAnswers.Of(model)).Message);
    }

    [TestMethod]
    public void ABiasOfTheSigmoidLossIsRead()
    {
        using (NewDisposeScope())
            Write(change: model => model["init_logit_bias"] = -10, more: [("logit_bias", full([], -9, ScalarType.Float32, CPU))]);
        using var model = (Clip)BaseModels.Open(_folder, CPU, seed: 1);
        Assert.AreEqual(-9, model.Bias!.Value.item<float>());
    }

    [TestMethod]
    public void PicturesArePreparedAsTheFolderSays()
    {
        Write(pictures: new JsonObject { ["mean"] = new JsonArray(0.5, 0.5, 0.5), ["std"] = new JsonArray(0.25, 0.25, 0.25), ["resize_mode"] = "squash" });
        var (json, description) = CheckpointFolder.ReadFile(_folder, PictureSettings.FileName)!.Value;
        PictureSettings settings = PictureSettings.Parse(json, description);
        Assert.AreEqual((null, OpenAiClip.Side, OpenAiClip.Side), (settings.ShortestEdge, settings.Height, settings.Width));
        CollectionAssert.AreEqual(new[] { 0.5, 0.5, 0.5 }, settings.Mean.ToArray());
        CollectionAssert.AreEqual(new[] { 0.25, 0.25, 0.25 }, settings.Deviation.ToArray());
    }

    [TestMethod]
    [DataRow("vision_cfg", "timm_model_name", "\"vit_base_patch16\"", "timm's 'vit_base_patch16'")]
    [DataRow("text_cfg", "hf_model_name", "\"roberta-base\"", "Hugging Face's 'roberta-base'")]
    [DataRow("vision_cfg", "pool_type", "\"avg\"", "'pool_type' is \"avg\"")]
    [DataRow("vision_cfg", "ls_init_value", "0.1", "'ls_init_value' is 0.1")]
    [DataRow("text_cfg", "no_causal_mask", "true", "'no_causal_mask' is true")]
    [DataRow("text_cfg", "something_new", "[1]", "'something_new' ([1]) is not known")]
    [DataRow("", "multimodal_cfg", "{}", "'multimodal_cfg' ({}) is not known")]
    public void WhatIsNotKnownIsRefusedByName(string section, string key, string value, string says)
    {
        Write(change: model => (section.Length == 0 ? model : model[section]!.AsObject())[key] = JsonNode.Parse(value));
        string message = Assert.ThrowsExactly<NotSupportedException>(() => HfConfig.Load(_folder)).Message;
        Assert.Contains(says, message);
        Assert.Contains("open_clip_config.json", message);
    }

    [TestMethod]
    public void AFolderWithoutWeightsSaysWhatWasLookedFor()
    {
        Write();
        File.Delete(Path.Combine(_folder, "open_clip_model.safetensors"));
        Assert.Contains("open_clip_pytorch_model.bin", Assert.ThrowsExactly<FileNotFoundException>(() => HfConfig.Load(_folder)).Message);
    }

    private void Write(
        bool network = false, string file = "open_clip_model.safetensors", bool textTowerOfItsOwn = false, Action<JsonObject>? change = null, JsonObject? pictures = null,
        params (string Name, Tensor Value)[] more)
    {
        using var scope = NewDisposeScope();
        (string Name, Tensor Value)[] tensors = [.. OpenAiClip.Create(network).Select(tensor => textTowerOfItsOwn && !tensor.Name.StartsWith("visual.", StringComparison.Ordinal) && tensor.Name != "logit_scale"
            ? tensor with { Name = "text." + tensor.Name } : tensor), .. more];
        string path = Path.Combine(_folder, file);
        if (file.EndsWith(".bin", StringComparison.Ordinal))
            PickledStateDict.Write(path, tensors);
        else
            SafetensorsWriter.WriteFile(path, tensors);
        var model = new JsonObject
        {
            ["embed_dim"] = OpenAiClip.Width,
            ["vision_cfg"] = network
                ? new JsonObject { ["image_size"] = OpenAiClip.Side, ["layers"] = new JsonArray(1, 2, 1, 1), ["width"] = OpenAiClip.Hidden / 32, ["patch_size"] = null }
                : new JsonObject { ["image_size"] = OpenAiClip.Side, ["layers"] = 1, ["width"] = OpenAiClip.Hidden, ["patch_size"] = 8 },
            ["text_cfg"] = new JsonObject { ["context_length"] = 10, ["vocab_size"] = TinyClip.Words, ["width"] = OpenAiClip.Hidden, ["heads"] = 1, ["layers"] = 2 },
        };
        change?.Invoke(model);
        var config = new JsonObject { ["model_cfg"] = model };
        if (pictures is not null)
            config["preprocess_cfg"] = pictures;
        File.WriteAllText(Path.Combine(_folder, "open_clip_config.json"), config.ToJsonString());
    }
}
