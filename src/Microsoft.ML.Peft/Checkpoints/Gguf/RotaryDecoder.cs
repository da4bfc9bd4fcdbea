using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Checkpoints.Gguf;

/// <summary>LLaMA's modules and settings, which its kin share.</summary>
internal abstract class RotaryDecoder : GgufArchitecture
{
    private const string Layer = "model.layers.*.";

    protected override IEnumerable<GgufModule> Modules =>
    [
        new("token_embd", "model.embed_tokens"), new("output_norm", "model.norm"), new("output", "lm_head"),
        new("blk.*.attn_norm", Layer + "input_layernorm"), new("blk.*.ffn_norm", Layer + "post_attention_layernorm"),
        new("blk.*.attn_q", Layer + "self_attn.q_proj") { Arrangement = settings => Rotated(settings.Heads) },
        new("blk.*.attn_k", Layer + "self_attn.k_proj") { Arrangement = settings => Rotated(settings.KeyValueHeads) },
        new("blk.*.attn_v", Layer + "self_attn.v_proj"), new("blk.*.attn_output", Layer + "self_attn.o_proj"),
        new("blk.*.ffn_gate", Layer + "mlp.gate_proj"), new("blk.*.ffn_up", Layer + "mlp.up_proj"), new("blk.*.ffn_down", Layer + "mlp.down_proj"),
        new(RotaryScaling.Factors, null), new("blk.*.attn_rot_embd", null),
    ];

    /// <summary>How the rows of queries and keys lie.</summary>
    protected virtual Arrangement Rotated(int heads) => Arrangement.AsIs;

    protected override IEnumerable<(string, JsonNode?)> Describe(GgufSettings settings)
    {
        int hidden = settings.Positive("embedding_length"), heads = settings.Heads;
        int headSize = settings.Integer("attention.key_length") ?? settings.Integer("rope.dimension_count") ?? hidden / heads;
        yield return ("hidden_size", hidden);
        yield return ("intermediate_size", settings.Positive("feed_forward_length"));
        yield return ("num_hidden_layers", settings.Positive("block_count"));
        yield return ("num_attention_heads", heads);
        yield return ("num_key_value_heads", settings.KeyValueHeads);
        yield return ("head_dim", headSize);
        yield return ("hidden_act", "silu");
        yield return ("max_position_embeddings", settings.Positive("context_length"));
        yield return ("rms_norm_eps", settings.Number("attention.layer_norm_rms_epsilon"));
        yield return ("rope_theta", RotaryScaling.Base(settings));
        yield return ("rope_scaling", RotaryScaling.Of(settings, headSize));
        yield return ("attention_bias", settings.File.Has("blk.0.attn_q.bias"));
        yield return ("mlp_bias", settings.File.Has("blk.0.ffn_gate.bias"));
    }
}
