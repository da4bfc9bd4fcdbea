using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Checkpoints.Gguf;

/// <summary>Models of a few weights as llama.cpp's converter writes them: 2 heads of 4, one of them for keys and values.</summary>
internal static class TinyGguf
{
    public const int Hidden = 8, Feed = 12, Vocabulary = 6;

    public static GgufBuilder Llama(string architecture = "llama", Action<GgufBuilder>? more = null, double theta = 500000)
    {
        using DisposeScope scope = NewDisposeScope();
        GgufBuilder file = Settings(architecture)
            .Set($"{architecture}.attention.head_count_kv", 1u)
            .Set($"{architecture}.attention.layer_norm_rms_epsilon", 1e-6f)
            .Set($"{architecture}.rope.freq_base", (float)theta);
        more?.Invoke(file);
        file.Add("token_embd.weight", Numbers(Vocabulary, Hidden)).Add("output_norm.weight", Numbers(Hidden));
        foreach (var (name, rows, columns) in new[]
        {
            ("attn_q", Hidden, Hidden), ("attn_k", 4, Hidden), ("attn_v", 4, Hidden), ("attn_output", Hidden, Hidden),
            ("ffn_gate", Feed, Hidden), ("ffn_up", Feed, Hidden), ("ffn_down", Hidden, Feed),
        })
            file.Add($"blk.0.{name}.weight", Numbers(rows, columns));
        return file.Add("blk.0.attn_norm.weight", Numbers(Hidden)).Add("blk.0.ffn_norm.weight", Numbers(Hidden));
    }

    public static GgufBuilder Gpt2()
    {
        using DisposeScope scope = NewDisposeScope();
        GgufBuilder file = Settings("gpt2").Set("gpt2.attention.layer_norm_epsilon", 1e-5f)
            .Add("token_embd.weight", Numbers(Vocabulary, Hidden)).Add("output.weight", Numbers(Vocabulary, Hidden))
            .Add("position_embd.weight", Numbers(16, Hidden)).Add("output_norm.weight", Numbers(Hidden)).Add("output_norm.bias", Numbers(Hidden));
        foreach (var (name, rows, columns) in new[] { ("attn_qkv", 3 * Hidden, Hidden), ("attn_output", Hidden, Hidden), ("ffn_up", Feed, Hidden), ("ffn_down", Hidden, Feed) })
            file.Add($"blk.0.{name}.weight", Numbers(rows, columns)).Add($"blk.0.{name}.bias", Numbers(rows));
        foreach (string name in new[] { "attn_norm", "ffn_norm" })
            file.Add($"blk.0.{name}.weight", Numbers(Hidden)).Add($"blk.0.{name}.bias", Numbers(Hidden));
        return file;
    }

    /// <summary>0, 1, 2, ... in a shape.</summary>
    public static Tensor Numbers(params long[] shape) => arange(shape.Aggregate(1L, (a, b) => a * b), ScalarType.Float32).reshape(shape);

    private static GgufBuilder Settings(string architecture) => new GgufBuilder()
        .Set("general.architecture", architecture)
        .Set($"{architecture}.block_count", 1u)
        .Set($"{architecture}.context_length", 16u)
        .Set($"{architecture}.embedding_length", (uint)Hidden)
        .Set($"{architecture}.feed_forward_length", (uint)Feed)
        .Set($"{architecture}.attention.head_count", 2u);
}
