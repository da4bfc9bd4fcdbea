using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Registration;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Weights;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Registration;

/// <summary>A model is what config.json's <c>architectures</c> say, and its <c>model_type</c> where nobody knows these.</summary>
[TestClass]
public sealed class ModelChoiceTests
{
    [TestMethod]
    [DataRow("""{"architectures": ["BertForMaskedLM"], "model_type": "bert"}""", "bert", DisplayName = "another head than the task's")]
    [DataRow("""{"architectures": ["BertModel"]}""", "bert", DisplayName = "no model_type")]
    [DataRow("""{"model_type": "bert"}""", "bert", DisplayName = "no architectures")]
    [DataRow("""{"architectures": ["MyOwnClassifier"], "model_type": "roberta"}""", "roberta", DisplayName = "a class of somebody's own")]
    [DataRow("""{"architectures": ["MyOwnClassifier", "RobertaForSequenceClassification"], "model_type": "own"}""", "roberta")]
    [DataRow("""{"architectures": ["GPT2LMHeadModel"], "model_type": "bert"}""", "gpt2", DisplayName = "architectures count first")]
    [DataRow("""{"architectures": ["BertGenerationEncoder"], "model_type": "bert"}""", "bert", DisplayName = "what only begins like a family")]
    [DataRow("""{"architectures": ["T5ForConditionalGeneration"]}""", "t5")]
    [DataRow("""{"architectures": ["LlamaForCausalLM"]}""", "llama")]
    [DataRow("""{"architectures": ["Qwen2ForCausalLM"]}""", "qwen2")]
    public void TheConfigurationChooses(string config, string key) =>
        Assert.AreEqual(key, ModelRegistry.Choose(HfConfig.Parse(config, "config.json"), Registries.Shared.All<ModelEntry>()).Key);

    [TestMethod]
    public void TwoModelsOfOneModelTypeAreToldApart()
    {
        var registry = new Registry("Made.Up");
        registry.AddModel("glm", "Glm", ["model"], (config, weights) => new Llama(config, weights));
        registry.AddModel("glm-thudm", "GLM", ["transformer"], (config, weights) => new Gpt2(config, weights), modelType: "glm");

        Assert.AreEqual(typeof(Llama), Choose("""{"architectures": ["GlmForCausalLM"], "model_type": "glm"}""").Type);
        Assert.AreEqual(typeof(Gpt2), Choose("""{"architectures": ["GLMForConditionalGeneration"], "model_type": "glm"}""").Type);
        string message = Assert.ThrowsExactly<NotSupportedException>(() => Choose("""{"architectures": ["Other"], "model_type": "glm"}""")).Message;
        foreach (string expected in new[] { "[Other]", "'glm'", "glm (Glm..., Made.Up)", "glm-thudm (GLM..., Made.Up)" })
            Assert.Contains(expected, message);

        ModelEntry Choose(string config) => ModelRegistry.Choose(HfConfig.Parse(config, "config.json"), registry.All<ModelEntry>());
    }

    [TestMethod]
    public void AnUnknownArchitectureIsToldWithTheKnown() => Assert.Contains(
        "Architecture 'mamba' is not supported; known are bert, glm, gpt2, llama, opt, qwen2, roberta, t5.",
        Assert.ThrowsExactly<NotSupportedException>(() => ModelRegistry.Choose(
            HfConfig.Parse("""{"architectures": ["MambaForCausalLM"], "model_type": "mamba"}""", "config.json"), Registries.Shared.All<ModelEntry>())).Message);

    [TestMethod]
    public void AModelForMaskedTokensClassifies()
    {
        using var bert = new TinyBert(change: config => config["architectures"] = new JsonArray("BertForMaskedLM"));
        using PretrainedModel model = ModelRegistry.Create(HfConfig.Load(bert.Folder), SharedCheckpoint.Acquire(bert.Folder, CPU), CPU, seed: 1);
        Assert.IsNotEmpty(model.As<ISequenceClassifier>().CreateSequenceClassificationHead(3).Parameters);
    }
}
