using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>The sizes and switches that LLaMA's family reads from config.json.</summary>
internal sealed record LlamaConfig(
    int Hidden, int Layers, int Heads, int Groups, int HeadSize, int Intermediate, int Vocabulary, int MaxPositions, double Epsilon,
    double AttentionDropout, string Activation, bool TiesOutput)
{
    /// <summary>Whether query, key and value have biases.</summary>
    public bool InputBias { get; init; }

    /// <summary>Whether the projection behind the attention has one.</summary>
    public bool OutputBias { get; init; }

    public bool FeedForwardBias { get; init; }

    /// <summary>The id whose row lookups do not train; null for none.</summary>
    public int? PadId { get; init; }

    /// <summary>How many keys a layer's queries see; null for all.</summary>
    public Func<int, int?> Window { get; init; } = _ => null;

    public static LlamaConfig From(HfConfig c)
    {
        int hidden = c.Int("hidden_size"), heads = c.Int("num_attention_heads");
        return new LlamaConfig(
            hidden, c.Int("num_hidden_layers"), heads, c.Int("num_key_value_heads", heads), c.Int("head_dim", hidden / heads),
            c.Int("intermediate_size"), c.Int("vocab_size"), c.Int("max_position_embeddings"), c.Double("rms_norm_eps", 1e-6),
            c.Double("attention_dropout", 0), c.String("hidden_act", "silu"), c.Bool("tie_word_embeddings", false))
        {
            PadId = c.Has("pad_token_id") ? c.Int("pad_token_id") : null,
        };
    }
}

/// <summary>Embeddings, layers and last norm of LLaMA (Touvron et al. 2023): what its family shares.</summary>
internal abstract class LlamaDecoder : DecoderModel
{
    private readonly LlamaConfig _config;
    private readonly LlamaLayer[] _layers;
    private readonly RmsNorm _norm;
    private readonly Rotary _rotary;

    protected LlamaDecoder(HfConfig config, WeightScope root, LlamaConfig sizes) : base(config, root)
    {
        _config = sizes;
        WeightScope scope = root["model"];
        var tokens = TokenEmbedding.OfVocabulary(scope["embed_tokens"], sizes.Vocabulary, sizes.Hidden, sizes.PadId);
        Input = new InputSite(scope, tokens);
        _layers = [.. Enumerable.Range(0, sizes.Layers).Select(i => new LlamaLayer(scope["layers"][$"{i}"], sizes, i))];
        _norm = new RmsNorm(scope["norm"], sizes.Hidden, sizes.Epsilon);
        _rotary = new Rotary(config, sizes.HeadSize);
        Output = LanguageModelHead.OutputOf(root["lm_head"], tokens, sizes.TiesOutput);
    }

    public override int HiddenSize => _config.Hidden;

    public override int MaxLength => _config.MaxPositions;

    public override int LayerCount => _config.Layers;

    public override IReadOnlyList<string> DefaultTargets => ["q_proj", "v_proj"];

    protected override InputSite Input { get; }

    protected override AttentionSite FirstAttention => _layers[0].Attention;

    protected override Projection Output { get; }

    // Old checkpoints carry the rotations' frequencies.
    protected override bool IsOptional(string name) => name.EndsWith("rotary_emb.inv_freq", StringComparison.Ordinal);

    protected override Tensor Forward(DecoderPass pass, ForwardContext context)
    {
        var (rotation, readRotation) = pass.Rotations(_rotary);
        bool written = context.Training && _config.AttentionDropout > 0;
        var masks = Enumerable.Range(0, _layers.Length).Select(_config.Window).Distinct().ToDictionary(w => w ?? 0, w => pass.Masks(written, w));
        Tensor hidden = Run(pass.Input.Embeddings, _layers, pass, context, (layer, i, x, rows) =>
        {
            var (all, read) = masks[_config.Window(i) ?? 0];
            bool last = i == _layers.Length - 1;
            return layer.Forward(x, rows, new LlamaView(rotation, last ? readRotation : rotation, last ? read : all), context);
        });
        using (hidden)
            return _norm.Forward(hidden, context);
    }
}

/// <summary>What a layer's queries and keys see of their positions.</summary>
internal sealed record LlamaView(Rotation Keys, Rotation Queries, AttentionMask Mask);

/// <summary>One layer: normed attention and normed gated feed-forward, each added to what came in.</summary>
internal sealed class LlamaLayer(WeightScope scope, LlamaConfig config, int index)
{
    private readonly RmsNorm _attentionNorm = new(scope["input_layernorm"], config.Hidden, config.Epsilon);
    private readonly Projection _query = new(scope["self_attn"]["q_proj"], config.Hidden, config.Heads * config.HeadSize, config.InputBias);
    private readonly Projection _key = new(scope["self_attn"]["k_proj"], config.Hidden, config.Groups * config.HeadSize, config.InputBias);
    private readonly Projection _value = new(scope["self_attn"]["v_proj"], config.Hidden, config.Groups * config.HeadSize, config.InputBias);
    private readonly Projection _attended = new(scope["self_attn"]["o_proj"], config.Heads * config.HeadSize, config.Hidden, config.OutputBias);
    private readonly RmsNorm _norm = new(scope["post_attention_layernorm"], config.Hidden, config.Epsilon);
    private readonly Projection _gate = new(scope["mlp"]["gate_proj"], config.Hidden, config.Intermediate, config.FeedForwardBias);
    private readonly Projection _up = new(scope["mlp"]["up_proj"], config.Hidden, config.Intermediate, config.FeedForwardBias);
    private readonly Projection _down = new(scope["mlp"]["down_proj"], config.Intermediate, config.Hidden, config.FeedForwardBias);
    private readonly Sublayer _attentionJoin = new(scope["attention_adapters"], index, SublayerKind.Attention, config.Hidden);
    private readonly Sublayer _feedForwardJoin = new(scope["output_adapters"], index, SublayerKind.FeedForward, config.Hidden);
    private readonly Func<Tensor, Tensor, Tensor> _gated = Activation.Gated(config.Activation);

    public AttentionSite Attention { get; } = new(scope["self_attn"], index, config.Heads, config.HeadSize, config.Groups) { Dropout = config.AttentionDropout };

    public Tensor Forward(Tensor x, PositionSelection rows, LlamaView view, ForwardContext context)
    {
        Tensor attended = Attend(_attentionNorm.Forward(x, context), rows, view, context);
        Tensor middle = _attentionJoin.Join(rows.Select(x), attended, norm: null, context);
        Tensor normed = _norm.Forward(middle, context);
        Tensor gated = _gated(_gate.Forward(normed, context), _up.Forward(normed, context));
        return _feedForwardJoin.Join(middle, _down.Forward(gated, context), norm: null, context);
    }

    private Tensor Attend(Tensor normed, PositionSelection rows, LlamaView view, ForwardContext context)
    {
        Tensor query = view.Queries.Turn(_query.Forward(rows.Select(normed), context), config.Heads);
        Tensor key = view.Keys.Turn(_key.Forward(normed, context), config.Groups);
        Tensor value = Attention.SplitKeys(_value.Forward(normed, context));
        return _attended.Forward(Attention.Attend(query, key, value, view.Mask, context), context);
    }
}
