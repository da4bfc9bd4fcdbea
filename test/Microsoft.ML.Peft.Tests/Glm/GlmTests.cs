using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Tests.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Glm;

/// <summary>GLM's checkpoints: told from GLM-4's, in THUDM's own file, and in few bits.</summary>
[TestClass]
public sealed class GlmTests
{
    [TestMethod]
    [DataRow("""{"architectures": ["GlmForCausalLM"], "model_type": "glm", "num_hidden_layers": 2}""", "[GlmForCausalLM]", "this is GLM-4")]
    [DataRow("""{"architectures": ["GLMModel"], "model_type": "glm", "num_hidden_layers": 2}""", "[GLMModel]", "has the settings of GLM-4")]
    [DataRow("""{"architectures": ["GlmForCausalLM"], "model_type": "glm", "num_layers": 2}""", "[GlmForCausalLM]", "has GLM's settings")]
    [DataRow("""{"model_type": "glm", "num_hidden_layers": 2}""", "model_type 'glm'", "has the settings of GLM-4")]
    public void Glm4IsNotGlm(string config, string name, string says)
    {
        string message = Assert.ThrowsExactly<NotSupportedException>(() => ModelRegistry.Create(HfConfig.Parse(config, "config.json"), null, CPU, seed: 1)).Message;
        StringAssert.Contains(message, name);
        StringAssert.Contains(message, says);
    }

    /// <summary>The checkpoint of a published GLM-4 is refused, and its weights under GLM's configuration are.</summary>
    [TestMethod]
    public void Glm4sFolderIsRefused()
    {
        string glm4 = SharedData.Require(SharedData.Parity, "glm4-9b", "model"), glm = SharedData.Require(SharedData.Parity, "glm", "model");
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(() => BaseModels.Open(glm4, CPU, seed: 1)).Message, "GLM-4");
        using var folder = new TemporaryFolder();
        File.Copy(Path.Combine(glm, HfConfig.FileName), Path.Combine(folder.Path, HfConfig.FileName));
        File.Copy(Path.Combine(glm4, "model.safetensors"), Path.Combine(folder.Path, "model.safetensors"));
        StringAssert.Contains(Assert.ThrowsExactly<InvalidDataException>(() => BaseModels.Open(folder.Path, CPU, seed: 1)).Message, "29 missing: glm.transformer.block_position_embeddings.weight");
    }

    [TestMethod]
    [DataRow("""{"relative_encoding": true}""", "relative_encoding")]
    [DataRow("""{"block_position_encoding": false}""", "block_position_encoding")]
    public void WhatNoPublishedModelHasIsRefused(string settings, string named)
    {
        JsonObject config = JsonNode.Parse(settings)!.AsObject();
        config["architectures"] = new JsonArray("GLMModel");
        (config["model_type"], config["num_layers"]) = ("glm", 2);
        StringAssert.Contains(Assert.ThrowsExactly<NotSupportedException>(
            () => ModelRegistry.Create(HfConfig.Parse(config.ToJsonString(), "config.json"), null, CPU, seed: 1)).Message, named);
    }

    [TestMethod]
    [DataRow("")]
    [DataRow("glm.")]
    public void ThudmsFileIsReadWithAndWithoutThePrefix(string prefix)
    {
        using var tiny = new TinyGlm(change: config => (config["hidden_size"], config["num_attention_heads"]) = (128, 2));
        using PretrainedModel expected = BaseModels.Open(tiny.Folder, CPU, seed: 1);
        using var folder = new TemporaryFolder();
        var weights = expected.Weights.All.DistinctBy(p => p.Value.Handle).Select(p => (prefix + p.Name["glm.".Length..], p.Value)).ToArray();
        PickledStateDict.WriteUnder("module", Path.Combine(folder.Path, "mp_rank_00_model_states.pt"), weights);
        using PretrainedModel read = BaseModels.Open(folder.Path, CPU, seed: 2);
        Assert.IsInstanceOfType<IFillsBlanks>(read);
        Assert.AreEqual(96, read.As<IReadsTokens>().MaxLength);
        foreach (var (name, value) in expected.Weights.All.Select(p => (p.Name, p.Value)))
            TensorAssert.Close(value, read.Weights.All.Single(p => p.Name == name).Value, 0, 0, name);
    }
}
