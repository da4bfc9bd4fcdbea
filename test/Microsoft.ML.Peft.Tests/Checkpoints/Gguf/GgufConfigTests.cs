using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Checkpoints.Gguf;

/// <summary>config.json from metadata.</summary>
[TestClass]
public sealed class GgufConfigTests
{
    public required TestContext TestContext { get; init; }

    [TestMethod]
    public void ARealFileSaysWhatItsConfigSays()
    {
        string folder = Samples.Model("smollm2-135m-instruct"), copy = Path.Combine(Samples.NewFolder(TestContext), "alone.gguf");
        File.Copy(CheckpointFolder.FindGguf(folder)!, copy);
        JsonObject expected = Json(HfConfig.Load(folder)), actual = Json(HfConfig.Load(copy));
        string[] keys =
        [
            "model_type", "architectures", "hidden_size", "intermediate_size", "num_hidden_layers", "num_attention_heads", "num_key_value_heads", "head_dim",
            "hidden_act", "max_position_embeddings", "rms_norm_eps", "rope_theta", "rope_scaling", "attention_bias", "mlp_bias", "vocab_size",
            "tie_word_embeddings", "bos_token_id", "eos_token_id", "pad_token_id",
        ];
        foreach (string key in keys)
            Assert.IsTrue(JsonNode.DeepEquals(expected[key], actual[key]), $"{key}: {expected[key]?.ToJsonString()} became {actual[key]?.ToJsonString()}");
        File.Delete(copy);
    }

    [TestMethod]
    public void BiasesHeadAndTokensAreSeen()
    {
        using DisposeScope scope = NewDisposeScope();
        HfConfig config = Load(TinyGguf.Llama("qwen2", file => file.Set("tokenizer.ggml.eos_token_id", 3u).Set("tokenizer.ggml.eot_token_id", 4u)
            .Set("qwen2.attention.key_length", 4u)).Add("output.weight", ones(6, 8)).Add("blk.0.attn_q.bias", ones(8)));
        Assert.AreEqual(("qwen2", true, false, false), (config.ModelType, config.Bool("attention_bias"), config.Bool("mlp_bias"), config.Bool("tie_word_embeddings")));
        CollectionAssert.AreEqual(new[] { 3, 4 }, config.Ints("eos_token_id").ToArray());
        Assert.AreEqual((6, 4, 1), (config.Int("vocab_size"), config.Int("head_dim"), config.Int("num_key_value_heads")));
        Assert.IsFalse(config.Has("bos_token_id"));
    }

    [TestMethod]
    public void Gpt2HasItsOwnKeys()
    {
        HfConfig config = Load(TinyGguf.Gpt2());
        Assert.AreEqual((8, 1, 2, 16, 12), (config.Int("n_embd"), config.Int("n_layer"), config.Int("n_head"), config.Int("n_positions"), config.Int("n_inner")));
        Assert.AreEqual((1e-5, true), (config.Double("layer_norm_epsilon"), config.Bool("tie_word_embeddings")));
    }

    [TestMethod]
    [DataRow(8.0, 1.0, 4.0, 8192, 64, 500000.0)]
    [DataRow(32.0, 1.0, 4.0, 8192, 128, 500000.0)]
    [DataRow(16.0, 1.0, 3.0, 4096, 128, 10000.0)]
    [DataRow(8.0, 1.0, 4.0, 8192, 8, 500000.0)]
    public void Llama3ScalingIsFoundAgain(double factor, double low, double high, int context, int head, double theta)
    {
        float[] factors = [.. Enumerable.Range(0, head / 2).Select(i => (float)Llama3Factor(2 * Math.PI * Math.Pow(theta, 2.0 * i / head), factor, low, high, context))];
        HfConfig scaling = Load(TinyGguf.Llama(more: file => file.Set("llama.attention.key_length", (uint)head), theta: theta).Add("rope_freqs.weight", tensor(factors))).Section("rope_scaling");
        Assert.AreEqual("llama3", scaling.String("rope_type"));
        Assert.AreEqual((factor, low, high, context),
            (scaling.Double("factor"), scaling.Double("low_freq_factor"), scaling.Double("high_freq_factor"), scaling.Int("original_max_position_embeddings")));
    }

    [TestMethod]
    public void FactorsOfAnotherKindAreRefused()
    {
        using DisposeScope scope = NewDisposeScope();
        Assert.Contains("rope_freqs", Assert.ThrowsExactly<NotSupportedException>(() => Load(TinyGguf.Llama().Add("rope_freqs.weight", tensor(new[] { 3f, 5f })))).Message);
        Assert.Contains("rope_freqs", Assert.ThrowsExactly<InvalidDataException>(() => Load(TinyGguf.Llama().Add("rope_freqs.weight", tensor(new[] { 1f, 2f, 3f })))).Message);
        Assert.Contains("rope_freqs", Assert.ThrowsExactly<InvalidDataException>(() => Load(TinyGguf.Llama().Add("rope_freqs.weight", tensor(new[] { 1f, float.NaN })))).Message);
        Assert.IsFalse(Load(TinyGguf.Llama().Add("rope_freqs.weight", ones(2))).Has("rope_scaling"));
    }

    [TestMethod]
    public void OtherScalingIsCopied()
    {
        HfConfig linear = Load(TinyGguf.Llama(more: file => file.Set("llama.rope.scaling.type", "linear").Set("llama.rope.scaling.factor", 2.5f))).Section("rope_scaling");
        Assert.AreEqual(("linear", 2.5), (linear.String("rope_type"), linear.Double("factor")));
        HfConfig yarn = Load(TinyGguf.Llama("qwen2", file => file.Set("qwen2.rope.scaling.type", "yarn").Set("qwen2.rope.scaling.factor", 4f)
            .Set("qwen2.rope.scaling.original_context_length", 32768u))).Section("rope_scaling");
        Assert.AreEqual(("yarn", 4.0, 32768), (yarn.String("rope_type"), yarn.Double("factor"), yarn.Int("original_max_position_embeddings")));
        Assert.Contains("'longrope'", Assert.ThrowsExactly<NotSupportedException>(() => Load(TinyGguf.Llama(more: file => file.Set("llama.rope.scaling.type", "longrope")))).Message);
    }

    [TestMethod]
    public void WhatIsMissingIsNamed()
    {
        Assert.Contains("'llama.embedding_length'", Message(new GgufBuilder().Set("general.architecture", "llama").Set("llama.attention.head_count", 2u).Add("token_embd.weight", 0, [1, 1], new byte[4])));
        Assert.Contains("'token_embd.weight'", Message(new GgufBuilder().Set("general.architecture", "llama")));
        Assert.Contains("'llama.attention.head_count'", Message(new GgufBuilder().Set("general.architecture", "llama").Set("llama.attention.head_count", 0u)
            .Set("llama.embedding_length", 8u).Add("token_embd.weight", 0, [1, 1], new byte[4])));
    }

    private static double Llama3Factor(double wavelength, double factor, double low, double high, double context)
    {
        if (wavelength < context / high)
            return 1;
        if (wavelength > context / low)
            return factor;
        double smooth = (context / wavelength - low) / (high - low);
        return 1 / ((1 - smooth) / factor + smooth);
    }

    private string Message(GgufBuilder builder) => Assert.ThrowsExactly<InvalidDataException>(() => Load(builder)).Message;

    private HfConfig Load(GgufBuilder builder) => HfConfig.Load(builder.Write(Path.Combine(Samples.NewFolder(TestContext), "model.gguf")));

    private static JsonObject Json(HfConfig config) => JsonNode.Parse(config.Json)!.AsObject();
}
