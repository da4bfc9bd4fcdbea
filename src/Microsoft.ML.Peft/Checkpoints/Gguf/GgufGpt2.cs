using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Checkpoints.Gguf;

/// <summary>GPT-2, whose projections llama.cpp's converter transposes.</summary>
internal sealed class GgufGpt2 : GgufArchitecture
{
    private const string Layer = "transformer.h.*.";

    public override string Key => "gpt2";

    protected override string ClassName => "GPT2LMHeadModel";

    protected override IEnumerable<GgufModule> Modules =>
    [
        new("token_embd", "transformer.wte"), new("position_embd", "transformer.wpe"), new("output_norm", "transformer.ln_f"), new("output", "lm_head"),
        new("blk.*.attn_norm", Layer + "ln_1"), new("blk.*.ffn_norm", Layer + "ln_2"),
        Transposed("blk.*.attn_qkv", Layer + "attn.c_attn"), Transposed("blk.*.attn_output", Layer + "attn.c_proj"),
        Transposed("blk.*.ffn_up", Layer + "mlp.c_fc"), Transposed("blk.*.ffn_down", Layer + "mlp.c_proj"),
    ];

    protected override IEnumerable<(string, JsonNode?)> Describe(GgufSettings settings) =>
    [
        ("n_embd", settings.Positive("embedding_length")),
        ("n_inner", settings.Positive("feed_forward_length")),
        ("n_layer", settings.Positive("block_count")),
        ("n_head", settings.Heads),
        ("n_positions", settings.Positive("context_length")),
        ("layer_norm_epsilon", settings.Number("attention.layer_norm_epsilon")),
        ("activation_function", "gelu_new"),
    ];

    private static GgufModule Transposed(string stored, string name) => new(stored, name) { Arrangement = _ => Arrangement.Transposed };
}
