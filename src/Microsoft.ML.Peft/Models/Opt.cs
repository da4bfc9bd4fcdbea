using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>
/// OPT (Zhang et al. 2022): learned positions, which begin at the table's third row. Most sizes norm before each part; the 350M one norms behind it,
/// and its table of tokens is narrower than its layers.
/// </summary>
internal sealed class Opt : DecoderModel
{
    // Fairseq kept the first rows for padding.
    private const int FirstPosition = 2;

    private readonly OptConfig _config;
    private readonly PositionEmbedding _positions;
    private readonly OptLayer[] _layers;
    private readonly Projection? _projectIn, _projectOut;
    private readonly LayerNorm? _norm;

    public Opt(HfConfig config, WeightScope root) : base(config, root)
    {
        _config = OptConfig.From(config);
        WeightScope scope = root["model"]["decoder"];
        var tokens = TokenEmbedding.OfVocabulary(scope["embed_tokens"], _config.Vocabulary, _config.TokenWidth, _config.PadId);
        Input = new InputSite(scope, tokens);
        _positions = new PositionEmbedding(scope["embed_positions"], _config.MaxPositions + FirstPosition, _config.Hidden, FirstPosition);
        bool projects = _config.TokenWidth != _config.Hidden;
        _projectIn = projects ? new Projection(scope["project_in"], _config.TokenWidth, _config.Hidden, bias: false) : null;
        _layers = [.. Enumerable.Range(0, _config.Layers).Select(i => new OptLayer(scope["layers"][$"{i}"], _config, i))];
        _norm = _config.HasLastNorm ? new LayerNorm(scope["final_layer_norm"], _config.Hidden, OptConfig.Epsilon) : null;
        _projectOut = projects ? new Projection(scope["project_out"], _config.Hidden, _config.TokenWidth, bias: false) : null;
        Output = LanguageModelHead.OutputOf(root["lm_head"], tokens, config.Bool("tie_word_embeddings", true));
    }

    /// <summary>What heads read is as wide as the table of tokens.</summary>
    public override int HiddenSize => _config.TokenWidth;

    public override int MaxLength => _config.MaxPositions;

    public override int LayerCount => _config.Layers;

    public override IReadOnlyList<string> DefaultTargets => ["q_proj", "v_proj"];

    protected override InputSite Input { get; }

    protected override AttentionSite FirstAttention => _layers[0].Attention;

    protected override Projection Output { get; }

    // The head's copy of the token table.
    protected override bool IsOptional(string name) => name == "lm_head.weight";

    // Padding before a text takes no place.
    protected override ModelInput Place(ModelInput input) => input.Mask is { } mask && input.Places is null && !input.PadsEnd
        ? input with { Places = (mask.to(ScalarType.Int64).cumsum(1) - 1).clamp(min: 0) }
        : input;

    protected override Tensor Forward(DecoderPass pass, ForwardContext context)
    {
        var (all, read) = pass.Masks(context.Training && _config.AttentionDropout > 0);
        Tensor hidden = Embed(pass, context);
        hidden = Run(hidden, _layers, pass, context,
            (layer, i, x, rows) => layer.Forward(x, rows, i == _layers.Length - 1 ? read : all, context));
        hidden = Then(hidden, _norm is null ? null : x => _norm.Forward(x, context));
        return Then(hidden, _projectOut is null ? null : x => _projectOut.Forward(x, context));
    }

    private static Tensor Then(Tensor x, Func<Tensor, Tensor>? part)
    {
        if (part is null)
            return x;
        using (x)
            return part(x);
    }

    private Tensor Embed(DecoderPass pass, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        using Tensor vectors = pass.Input.Embeddings;
        Tensor inner = _projectIn?.Forward(vectors, context) ?? vectors;
        return Elementwise.Add(inner, _positions.Forward(pass.PositionIds + FirstPosition, pass.Input, pass.Before, context)).MoveToOuterDisposeScope();
    }
}

/// <summary>The sizes and rates that OPT reads from config.json.</summary>
internal sealed record OptConfig(
    int Hidden, int TokenWidth, int Layers, int Heads, int Intermediate, int Vocabulary, int MaxPositions, int PadId, string Activation,
    double Dropout, double AttentionDropout, bool NormsBefore, bool HasLastNorm, bool HasBiases)
{
    public const double Epsilon = 1e-5;

    /// <exception cref="NotSupportedException">It asks for what no published model has.</exception>
    public static OptConfig From(HfConfig c)
    {
        if (!c.Bool("layer_norm_elementwise_affine", true))
            throw new NotSupportedException("OPT's layer_norm_elementwise_affine is false: norms without weights are not supported.");
        if (c.Double("layerdrop", 0) is var drop and not 0)
            throw new NotSupportedException($"OPT's layerdrop is {drop}: leaving whole layers out in training is not supported (0 is).");
        int hidden = c.Int("hidden_size");
        bool normsBefore = c.Bool("do_layer_norm_before", true);
        return new OptConfig(
            hidden, c.Int("word_embed_proj_dim", hidden), c.Int("num_hidden_layers"), c.Int("num_attention_heads"), c.Int("ffn_dim"), c.Int("vocab_size"),
            c.Int("max_position_embeddings"), c.Int("pad_token_id", 1), c.String("activation_function", "relu"), c.Double("dropout", 0.1),
            c.Double("attention_dropout", 0), normsBefore, normsBefore && !c.Bool("_remove_final_layer_norm", false), c.Bool("enable_bias", true));
    }
}

/// <summary>One layer: attention and feed-forward, each normed before or behind its residual sum.</summary>
internal sealed class OptLayer(WeightScope scope, OptConfig config, int index)
{
    private readonly Projection _query = new(scope["self_attn"]["q_proj"], config.Hidden, config.Hidden, config.HasBiases);
    private readonly Projection _key = new(scope["self_attn"]["k_proj"], config.Hidden, config.Hidden, config.HasBiases);
    private readonly Projection _value = new(scope["self_attn"]["v_proj"], config.Hidden, config.Hidden, config.HasBiases);
    private readonly Projection _attended = new(scope["self_attn"]["out_proj"], config.Hidden, config.Hidden, config.HasBiases);
    private readonly LayerNorm _attentionNorm = new(scope["self_attn_layer_norm"], config.Hidden, OptConfig.Epsilon);
    private readonly Projection _up = new(scope["fc1"], config.Hidden, config.Intermediate, config.HasBiases);
    private readonly Projection _down = new(scope["fc2"], config.Intermediate, config.Hidden, config.HasBiases);
    private readonly LayerNorm _norm = new(scope["final_layer_norm"], config.Hidden, OptConfig.Epsilon);
    private readonly Sublayer _attentionJoin = new(scope["attention_adapters"], index, SublayerKind.Attention, config.Hidden) { Dropout = config.Dropout };
    private readonly Sublayer _feedForwardJoin = new(scope["output_adapters"], index, SublayerKind.FeedForward, config.Hidden) { Dropout = config.Dropout };
    private readonly Func<Tensor, Tensor> _activation = Activation.Named(config.Activation);

    public AttentionSite Attention { get; } = new(scope["self_attn"], index, config.Heads, config.Hidden / config.Heads) { Dropout = config.AttentionDropout };

    public Tensor Forward(Tensor x, PositionSelection rows, AttentionMask mask, ForwardContext context)
    {
        Tensor attended = _attended.Forward(Attend(Before(_attentionNorm, x, context), rows, mask, context), context);
        Tensor middle = _attentionJoin.Join(rows.Select(x), attended, Behind(_attentionNorm), context);
        Tensor inner = _down.Forward(_activation(_up.Forward(Before(_norm, middle, context), context)), context);
        return _feedForwardJoin.Join(middle, inner, Behind(_norm), context);
    }

    private Tensor Attend(Tensor x, PositionSelection rows, AttentionMask mask, ForwardContext context) => Attention.Attend(
        Attention.Split(_query.Forward(rows.Select(x), context)), Attention.SplitKeys(_key.Forward(x, context)),
        Attention.SplitKeys(_value.Forward(x, context)), mask, context);

    private Tensor Before(LayerNorm norm, Tensor x, ForwardContext context) => config.NormsBefore ? norm.Forward(x, context) : x;

    private LayerNorm? Behind(LayerNorm norm) => config.NormsBefore ? null : norm;
}
