using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Checkpoints.Gguf;

/// <summary>BERT, as embedding models are passed on. Their tokenizer is read from files beside, not from the metadata.</summary>
internal sealed class GgufBert : GgufArchitecture
{
    private const string Embeddings = "bert.embeddings.", Layer = "bert.encoder.layer.*.";

    public override string Key => "bert";

    protected override string ClassName => "BertModel";

    protected override IEnumerable<GgufModule> Modules =>
    [
        new("token_embd", Embeddings + "word_embeddings"), new("token_types", Embeddings + "token_type_embeddings"),
        new("position_embd", Embeddings + "position_embeddings"), new("token_embd_norm", Embeddings + "LayerNorm"),
        new("blk.*.attn_q", Layer + "attention.self.query"), new("blk.*.attn_k", Layer + "attention.self.key"),
        new("blk.*.attn_v", Layer + "attention.self.value"), new("blk.*.attn_output", Layer + "attention.output.dense"),
        new("blk.*.attn_output_norm", Layer + "attention.output.LayerNorm"), new("blk.*.ffn_up", Layer + "intermediate.dense"),
        new("blk.*.ffn_down", Layer + "output.dense"), new("blk.*.layer_output_norm", Layer + "output.LayerNorm"),
    ];

    protected override IEnumerable<(string, JsonNode?)> Describe(GgufSettings settings) =>
    [
        ("hidden_size", settings.Positive("embedding_length")),
        ("intermediate_size", settings.Positive("feed_forward_length")),
        ("num_hidden_layers", settings.Positive("block_count")),
        ("num_attention_heads", settings.Heads),
        ("max_position_embeddings", settings.Positive("context_length")),
        ("type_vocab_size", settings.File.ShapeOf("token_types.weight")[0]),
        ("layer_norm_eps", settings.Number("attention.layer_norm_epsilon")),
        ("hidden_act", "gelu"),
    ];
}
