using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>GPT-2 (Radford et al. 2019): learned positions, norms before each part, query, key and value as one projection.</summary>
internal sealed class Gpt2 : DecoderModel
{
    private readonly Gpt2Config _config;
    private readonly PositionEmbedding _positions;
    private readonly Gpt2Layer[] _layers;
    private readonly LayerNorm _norm;

    public Gpt2(HfConfig config, WeightScope root) : base(config, root)
    {
        _config = Gpt2Config.From(config);
        WeightScope scope = root["transformer"];
        var tokens = TokenEmbedding.OfVocabulary(scope["wte"], _config.Vocabulary, _config.Hidden);
        Input = new InputSite(scope, tokens);
        _positions = new PositionEmbedding(scope["wpe"], _config.MaxPositions, _config.Hidden);
        _layers = [.. Enumerable.Range(0, _config.Layers).Select(i => new Gpt2Layer(scope["h"][$"{i}"], _config, i))];
        _norm = new LayerNorm(scope["ln_f"], _config.Hidden, _config.Epsilon);
        Output = LanguageModelHead.OutputOf(root["lm_head"], tokens, config.Bool("tie_word_embeddings", true));
    }

    public override int HiddenSize => _config.Hidden;

    public override int MaxLength => _config.MaxPositions;

    public override int LayerCount => _config.Layers;

    public override IReadOnlyList<string> DefaultTargets => ["c_attn"];

    protected override InputSite Input { get; }

    protected override AttentionSite FirstAttention => _layers[0].Attention;

    protected override string TokenClassifier => "classifier";

    protected override Projection Output { get; }

    // Old checkpoints carry the causal mask, and the head's copy of the token table.
    protected override bool IsOptional(string name) => name == "lm_head.weight"
        || name.EndsWith(".attn.bias", StringComparison.Ordinal) || name.EndsWith(".attn.masked_bias", StringComparison.Ordinal);

    protected override Tensor Forward(DecoderPass pass, ForwardContext context)
    {
        var (all, read) = pass.Masks(context.Training && _config.AttentionDropout > 0);
        Tensor hidden = Embed(pass, context);
        hidden = Run(hidden, _layers, pass, context,
            (layer, i, x, rows) => layer.Forward(x, rows, i == _layers.Length - 1 ? read : all, context));
        using (hidden)
            return _norm.Forward(hidden, context);
    }

    private Tensor Embed(DecoderPass pass, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        using Tensor vectors = pass.Input.Embeddings;
        Tensor sum = Elementwise.Add(vectors, _positions.Forward(pass.PositionIds, pass.Input, pass.Before, context));
        return context.Dropout(sum, _config.EmbeddingDropout).MoveToOuterDisposeScope();
    }
}

/// <summary>The sizes and rates that GPT-2 reads from config.json.</summary>
internal sealed record Gpt2Config(
    int Hidden, int Layers, int Heads, int Intermediate, int Vocabulary, int MaxPositions, double Epsilon, string Activation,
    double EmbeddingDropout, double AttentionDropout, double ResidualDropout, bool ScalesScores, bool ScalesByLayer)
{
    public static Gpt2Config From(HfConfig c) => new(
        c.Int("n_embd"), c.Int("n_layer"), c.Int("n_head"), c.Int("n_inner", 4 * c.Int("n_embd")), c.Int("vocab_size"), c.Int("n_positions"),
        c.Double("layer_norm_epsilon", 1e-5), c.String("activation_function", "gelu_new"), c.Double("embd_pdrop", 0.1),
        c.Double("attn_pdrop", 0.1), c.Double("resid_pdrop", 0.1), c.Bool("scale_attn_weights", true),
        c.Bool("scale_attn_by_inverse_layer_idx", false));
}

/// <summary>One layer: normed attention and normed feed-forward, each added to what came in.</summary>
internal sealed class Gpt2Layer(WeightScope scope, Gpt2Config config, int index)
{
    private readonly LayerNorm _attentionNorm = new(scope["ln_1"], config.Hidden, config.Epsilon);
    private readonly Projection _queryKeyValue = Conv1D(scope["attn"]["c_attn"], config.Hidden, 3 * config.Hidden);
    private readonly Projection _attended = Conv1D(scope["attn"]["c_proj"], config.Hidden, config.Hidden);
    private readonly LayerNorm _norm = new(scope["ln_2"], config.Hidden, config.Epsilon);
    private readonly Projection _up = Conv1D(scope["mlp"]["c_fc"], config.Hidden, config.Intermediate);
    private readonly Projection _down = Conv1D(scope["mlp"]["c_proj"], config.Intermediate, config.Hidden);
    private readonly Sublayer _attentionJoin = new(scope["attention_adapters"], index, SublayerKind.Attention, config.Hidden) { Dropout = config.ResidualDropout };
    private readonly Sublayer _feedForwardJoin = new(scope["output_adapters"], index, SublayerKind.FeedForward, config.Hidden) { Dropout = config.ResidualDropout };
    private readonly Func<Tensor, Tensor> _activation = Activation.Named(config.Activation);

    public AttentionSite Attention { get; } = new(scope["attn"], index, config.Heads, config.Hidden / config.Heads)
    {
        Dropout = config.AttentionDropout,
        Gain = (config.ScalesScores ? 1 : Math.Sqrt(config.Hidden / config.Heads)) / (config.ScalesByLayer ? index + 1 : 1),
    };

    public Tensor Forward(Tensor x, PositionSelection rows, AttentionMask mask, ForwardContext context)
    {
        Tensor attended = _attended.Forward(Attend(_attentionNorm.Forward(x, context), rows, mask, context), context);
        Tensor middle = _attentionJoin.Join(rows.Select(x), attended, norm: null, context);
        Tensor inner = _down.Forward(_activation(_up.Forward(_norm.Forward(middle, context), context)), context);
        return _feedForwardJoin.Join(middle, inner, norm: null, context);
    }

    private Tensor Attend(Tensor normed, PositionSelection rows, AttentionMask mask, ForwardContext context)
    {
        Tensor[] parts = _queryKeyValue.Forward(normed, context).chunk(3, -1);
        return Attention.Attend(Attention.Split(rows.Select(parts[0])), Attention.SplitKeys(parts[1]), Attention.SplitKeys(parts[2]), mask, context);
    }

    // Conv1D stores its matrix [in, out].
    private static Projection Conv1D(WeightScope scope, long inputs, long outputs) => new(
        scope, scope.LoadMatrix(outputs, inputs, transposed: true), scope.Load("bias", Init.Zeros, outputs));
}
