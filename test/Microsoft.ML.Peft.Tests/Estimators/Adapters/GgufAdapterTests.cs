using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Checkpoints.Gguf;
using Microsoft.ML.Peft.TestSupport;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Estimators.Adapters;

/// <summary>LoRA adapters as llama.cpp's files.</summary>
[TestClass]
public sealed class GgufAdapterTests
{
    [TestMethod]
    [DataRow("llama")]
    [DataRow("qwen2")]
    [DataRow("gpt2")]
    public void AnAdapterComesBackAsItWas(string modelType)
    {
        bool gpt2 = modelType == "gpt2";
        using var it = new AdapterFixture(modelType, config => config["tie_word_embeddings"] = gpt2, new LoraOptions
        {
            Rank = 3,
            Alpha = 6,
            UseRankStabilizedScaling = true,
            TargetModules = gpt2 ? ["c_attn", "c_proj", "wte"] : ["q_proj", "k_proj", "up_proj", "embed_tokens", "lm_head"],
            RankPattern = new Dictionary<string, int> { [gpt2 ? "c_attn" : "k_proj"] = 2 },
        });
        string file = it.PathOf("adapter.gguf");
        it.Transformer.SaveGgufAdapter(file);
        PeftAdapter again = it.Transformer.Adapters.Load("again", file);
        AdapterFixture.AreClose(it.Scores(), it.ScoresUnder(again), "the adapter reloaded");
        AdapterFixture.Differ(it.Scores(), it.ScoresUnder(null), "the bare base");
    }

    [TestMethod]
    public void TheFileIsAsLlamaCppReadsIt()
    {
        using var scope = NewDisposeScope();
        using var it = new AdapterFixture(lora: new LoraOptions { Rank = 4, Alpha = 8, TargetModules = ["q_proj", "v_proj", "embed_tokens"] });
        it.Transformer.SaveGgufAdapter(it.PathOf("a.gguf"));
        it.Transformer.SaveAdapter(it.PathOf("a"));
        using GgufFile file = GgufFile.Open(it.PathOf("a.gguf"));
        using var peft = SafetensorsFile.Open(Path.Combine(it.PathOf("a"), "adapter_model.safetensors"));
        Assert.AreEqual("adapter", file.Metadata.Text("general.type"));
        Assert.AreEqual("llama", file.Metadata.Text("general.architecture"));
        Assert.AreEqual("lora", file.Metadata.Text("adapter.type"));
        Assert.AreEqual(8.0, file.Metadata.Number("adapter.lora.alpha"));
        Assert.HasCount(2 * (2 * 2 + 1), file.Names);
        Tensor Peft(string name) => peft.Read($"base_model.model.model.{name}");
        TensorAssert.Close(Peft("layers.1.self_attn.v_proj.lora_B.weight"), file.Read("blk.1.attn_v.weight.lora_b"), 0, 0, "values as they are");
        TensorAssert.Close(Peft("layers.1.self_attn.q_proj.lora_A.weight"), file.Read("blk.1.attn_q.weight.lora_a"), 0, 0, "A as it is");
        TensorAssert.Close(Peft("embed_tokens.lora_embedding_A").t(), file.Read("token_embd.weight.lora_a"), 0, 0, "a table by its rows");
        TensorAssert.Close(Peft("embed_tokens.lora_embedding_B"), file.Read("token_embd.weight.lora_b"), 0, 0, "a table's B");
        // Four heads of eight rows: rotary pairs, half a head apart there, lie side by side here.
        long[] rows = [.. from head in Enumerable.Range(0, 4) from pair in Enumerable.Range(0, 4) from half in Enumerable.Range(0, 2) select (long)(8 * head + 4 * half + pair)];
        TensorAssert.Close(
            Peft("layers.1.self_attn.q_proj.lora_B.weight").index_select(0, tensor(rows)), file.Read("blk.1.attn_q.weight.lora_b"), 0, 0, "queries by pairs");
    }

    [TestMethod]
    public void WhatDoesNotFitIsNamed()
    {
        using var it = new AdapterFixture(lora: new LoraOptions { UseDora = true });
        Assert.Contains("lora_magnitude_vector", Assert.ThrowsExactly<NotSupportedException>(() => it.Transformer.SaveGgufAdapter(it.PathOf("a.gguf"))).Message);
        Assert.IsFalse(File.Exists(it.PathOf("a.gguf")));
        using var tied = new AdapterFixture(change: config => config["tie_word_embeddings"] = true, lora: new LoraOptions { TargetModules = ["lm_head"] });
        Assert.Contains("'lm_head'", Assert.ThrowsExactly<NotSupportedException>(() => tied.Transformer.SaveGgufAdapter(tied.PathOf("a.gguf"))).Message);
        using var bert = new TinyBert();
        var context = TestDevice.NewContext(seed: 1);
        using PeftTransformer model = context.Peft().Lora(bert.Folder, PeftTask.TextClassification(), maxEpochs: 1).Fit(Review.Load(context));
        Assert.Contains("classifier", Assert.ThrowsExactly<NotSupportedException>(() => model.SaveGgufAdapter(it.PathOf("b.gguf"))).Message);
    }

    [TestMethod]
    public void AnAdapterOfAnotherArchitectureIsRefused()
    {
        using var llama = new AdapterFixture();
        using var qwen = new AdapterFixture("qwen2");
        llama.Transformer.SaveGgufAdapter(llama.PathOf("a.gguf"));
        string message = Assert.ThrowsExactly<InvalidDataException>(() => qwen.Transformer.Adapters.Load("a", llama.PathOf("a.gguf"))).Message;
        Assert.Contains("'qwen2'", message);
        Assert.Contains("'llama'", message);
    }
}
