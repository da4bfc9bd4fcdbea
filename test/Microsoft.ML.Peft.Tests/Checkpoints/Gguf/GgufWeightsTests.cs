using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Checkpoints.Gguf;
using Microsoft.ML.Peft.TestSupport;
using Microsoft.ML.Peft.Weights;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Checkpoints.Gguf;

/// <summary>Hugging Face's names and layout, undone from what llama.cpp's converter does.</summary>
[TestClass]
public sealed class GgufWeightsTests
{
    public required TestContext TestContext { get; init; }

    [TestMethod]
    public void WhatIsDecodedIsNoPartOfTheFile()
    {
        using var checkpoint = SharedCheckpoint.Acquire(Samples.Model("smollm2-135m-instruct"), CPU);
        Tensor table = checkpoint.Get("model.embed_tokens.weight");
        Assert.AreEqual(table.numel() * sizeof(float), checkpoint.CopiedBytes);
        checkpoint.Get("model.norm.weight");
        Assert.AreEqual(table.numel() * sizeof(float), checkpoint.CopiedBytes, "floats as the file has them");
    }

    [TestMethod]
    [DataRow("llama", true)]
    [DataRow("qwen2", false)]
    public void QueriesAndKeysGoBackToHalves(string architecture, bool interleaved)
    {
        using DisposeScope scope = NewDisposeScope();
        using GgufWeights weights = Open(TinyGguf.Llama(architecture));
        Tensor query = weights.Read("model.layers.0.self_attn.q_proj.weight"), key = weights.Read("model.layers.0.self_attn.k_proj.weight");
        // What the converter would make of it is what the file holds.
        TensorAssert.Close(TinyGguf.Numbers(8, 8), interleaved ? Converted(query, 2) : query, 0, 0, "queries");
        TensorAssert.Close(TinyGguf.Numbers(4, 8), interleaved ? Converted(key, 1) : key, 0, 0, "keys");
        TensorAssert.Close(TinyGguf.Numbers(4, 8), weights.Read("model.layers.0.self_attn.v_proj.weight"), 0, 0, "values");
        if (interleaved)
            CollectionAssert.AreEqual(new float[] { 0, 16, 8, 24, 32, 48, 40, 56 }, query[TensorIndex.Colon, 0].data<float>().ToArray());
    }

    [TestMethod]
    public void Gpt2IsTransposedAndTiedOnce()
    {
        using DisposeScope scope = NewDisposeScope();
        using GgufWeights weights = Open(TinyGguf.Gpt2());
        string[] expected =
        [
            "transformer.wte.weight", "transformer.wpe.weight", "transformer.ln_f.weight", "transformer.ln_f.bias",
            .. new[] { "ln_1", "ln_2", "attn.c_attn", "attn.c_proj", "mlp.c_fc", "mlp.c_proj" }.SelectMany(m => new[] { $"transformer.h.0.{m}.weight", $"transformer.h.0.{m}.bias" }),
        ];
        CollectionAssert.AreEquivalent(expected, weights.Names.ToArray());
        CollectionAssert.AreEqual(new long[] { 8, 24 }, weights.ShapeOf("transformer.h.0.attn.c_attn.weight"));
        TensorAssert.Close(TinyGguf.Numbers(24, 8).t(), weights.Read("transformer.h.0.attn.c_attn.weight"), 0, 0, "attention");
        TensorAssert.Close(TinyGguf.Numbers(24), weights.Read("transformer.h.0.attn.c_attn.bias"), 0, 0, "bias");
    }

    [TestMethod]
    public void AnOutputOfItsOwnIsKept()
    {
        using DisposeScope scope = NewDisposeScope();
        using GgufWeights weights = Open(TinyGguf.Llama().Add("output.weight", ones(6, 8)).Add("rope_freqs.weight", ones(2)));
        Assert.AreEqual(48f, weights.Read("lm_head.weight").sum().item<float>());
        Assert.IsFalse(weights.Names.Any(name => name.Contains("rope")), "factors are settings, not weights");
    }

    [TestMethod]
    public void WhatDoesNotFitIsNamed()
    {
        string message = Assert.ThrowsExactly<NotSupportedException>(() => Open(new GgufBuilder().Set("general.architecture", "mamba"))).Message;
        Assert.Contains("'mamba'", message);
        Assert.Contains("bert, gpt2, llama, qwen2", message);
        Assert.Contains("general.architecture", Assert.ThrowsExactly<InvalidDataException>(() => Open(new GgufBuilder())).Message);
        foreach (string odd in new[] { "blk.0.ffn_gate_exps.weight", "blk.x.attn_q.weight", "attn_q.weight", "weight", "blk.0.attn_q.scale" })
            Assert.Contains($"'{odd}'", Assert.ThrowsExactly<NotSupportedException>(() => Open(TinyGguf.Llama().Add(odd, 0, [1], new byte[4]))).Message);
        GgufBuilder uneven = new GgufBuilder().Set("general.architecture", "llama").Set("llama.attention.head_count", 3u).Add("blk.0.attn_q.weight", 0, [8, 1], new byte[32]);
        Assert.Contains("3 heads", Assert.ThrowsExactly<InvalidDataException>(() => Open(uneven)).Message);
    }

    [TestMethod]
    public void ARealModelIsWhole()
    {
        string folder = Samples.Model("smollm2-135m-instruct");
        HfConfig config = HfConfig.Load(folder);
        using GgufWeights weights = GgufWeights.Open(CheckpointFolder.FindGguf(folder)!);
        CollectionAssert.AreEquivalent(LlamaShapes(config).Keys.ToArray(), weights.Names.ToArray());
        foreach (var (name, shape) in LlamaShapes(config))
            Assert.AreEqual(Malformed.Shape(shape), Malformed.Shape(weights.ShapeOf(name)), name);
        using Tensor table = weights.Read("model.embed_tokens.weight");
        Assert.IsTrue(table.isfinite().all().item<bool>());
    }

    [TestMethod]
    public void AFolderAndItsFileAreTheSameWeights()
    {
        string folder = Samples.NewFolder(TestContext), file = TinyGguf.Llama().Write(Path.Combine(folder, "model.Q8_0.gguf"));
        using SharedCheckpoint first = SharedCheckpoint.Acquire(folder), second = SharedCheckpoint.Acquire(file);
        Assert.AreSame(first.Get("model.norm.weight"), second.Get("model.norm.weight"));
        Assert.AreEqual("llama", second.Config!.ModelType);
        using var copy = new MemoryStream();
        second.CopyTo!(copy);
        CollectionAssert.AreEqual(File.ReadAllBytes(file), copy.ToArray());
        TinyGguf.Gpt2().Write(Path.Combine(folder, "other.gguf"));
        Assert.Contains("other.gguf", Assert.ThrowsExactly<InvalidDataException>(() => SharedCheckpoint.Acquire(folder)).Message);
    }

    private GgufWeights Open(GgufBuilder builder) => GgufWeights.Open(builder.Write(Path.Combine(Samples.NewFolder(TestContext), "model.gguf")));

    private static Tensor Converted(Tensor weight, long heads) =>
        weight.reshape(heads, 2, weight.shape[0] / heads / 2, weight.shape[1]).swapaxes(1, 2).reshape(weight.shape);

    private static Dictionary<string, long[]> LlamaShapes(HfConfig config)
    {
        int hidden = config.Int("hidden_size"), feed = config.Int("intermediate_size"), head = config.Int("head_dim");
        int queries = config.Int("num_attention_heads") * head, keys = config.Int("num_key_value_heads") * head;
        var shapes = new Dictionary<string, long[]> { ["model.embed_tokens.weight"] = [config.Int("vocab_size"), hidden], ["model.norm.weight"] = [hidden] };
        for (int layer = 0; layer < config.Int("num_hidden_layers"); layer++)
        {
            foreach (var (name, shape) in new (string, long[])[]
            {
                ("input_layernorm", [hidden]), ("post_attention_layernorm", [hidden]), ("self_attn.q_proj", [queries, hidden]), ("self_attn.k_proj", [keys, hidden]),
                ("self_attn.v_proj", [keys, hidden]), ("self_attn.o_proj", [hidden, queries]), ("mlp.gate_proj", [feed, hidden]), ("mlp.up_proj", [feed, hidden]),
                ("mlp.down_proj", [hidden, feed]),
            })
                shapes[$"model.layers.{layer}.{name}.weight"] = shape;
        }
        return shapes;
    }
}
