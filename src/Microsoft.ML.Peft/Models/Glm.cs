using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>
/// GLM (Du et al. 2022): a context that all see, and behind it the pieces that fill its blanks, each token of which sees those before it. A token has
/// two positions: that of its blank in the context, and one within its piece. Which is what, a batch's rows say; a row without pieces is all context.
/// </summary>
internal sealed class Glm : TextModel, IFillsBlanks, ISequenceClassifier
{
    private readonly GlmConfig _config;
    private readonly InputSite _input;
    private readonly PositionEmbedding _positions, _blocks;
    private readonly GlmLayer[] _layers;
    private readonly LayerNorm _norm;
    private readonly Projection _output;

    public Glm(HfConfig config, WeightScope root) : base(config, root)
    {
        _config = GlmConfig.From(config);
        WeightScope scope = root["glm"], stack = scope["transformer"];
        var tokens = TokenEmbedding.OfVocabulary(scope["word_embeddings"], _config.Vocabulary, _config.Hidden);
        _input = new InputSite(scope, tokens);
        _positions = new PositionEmbedding(stack["position_embeddings"], _config.MaxPositions + 1, _config.Hidden);
        _blocks = new PositionEmbedding(stack["block_position_embeddings"], _config.MaxPositions + 1, _config.Hidden);
        _layers = [.. Enumerable.Range(0, _config.Layers).Select(i => new GlmLayer(stack["layers"][$"{i}"], _config, i))];
        _norm = new LayerNorm(stack["final_layernorm"], _config.Hidden, _config.Epsilon);
        _output = LanguageModelHead.OutputOf(root["lm_head"], tokens, tied: true);
    }

    public override int HiddenSize => _config.Hidden;

    public override TokenEmbedding Tokens => _input.Tokens;

    public override int MaxLength => _config.MaxPositions;

    public int LayerCount => _config.Layers;

    public override IReadOnlyList<string> DefaultTargets => ["query_key_value"];

    public Head CreateLanguageModelHead() => new LanguageModelHead(_output);

    public Head CreateSequenceClassificationHead(int labels) =>
        new PooledHead(Trained("pool_layer"), Classifier("multichoice_head", "weight", labels), HiddenSize, labels)
        {
            InputDropout = _config.OutputDropout, Dropout = _config.OutputDropout, TrainsDense = true, At = GlmPool.Named(_config.PoolToken),
        };

    public override Tensor Forward(Batch batch, PositionSelection rows, ForwardContext context)
    {
        // What the layers share is left to the caller's scope: under gradient checkpointing the backward pass reads it again.
        ModelInput input = _input.Enter(batch, rows, context);
        PrefixColumns? prefix = PrefixColumns.Of(_layers[0].Attention, context);
        long before = prefix?.Count ?? 0;
        var all = new AttentionMask(Terms(input, prefix, context) with { IsWritten = context.Training && _config.AttentionDropout > 0 });
        AttentionMask read = all.Select(input.Rows, input.Count);
        Tensor places = input.PlacesOrRange(), hidden = Embed(input, prefix?.Shift(places) ?? places, before, context);
        for (int i = 0; i < _layers.Length; i++)
        {
            var (layer, mask, selected) = i == _layers.Length - 1 ? (_layers[i], read, input.Rows) : (_layers[i], all, PositionSelection.All);
            Tensor next = context.Block(hidden, x => layer.Forward(x, selected, mask, context));
            hidden.Dispose();
            hidden = next;
        }
        using (hidden)
            return _norm.Forward(hidden, context);
    }

    // A checkpoint may bring continuous prompts of its own.
    protected override bool IsOptional(string name) => name.StartsWith("prompt_spell.", StringComparison.Ordinal);

    // Pieces stand behind a row's context, or behind what a session has read.
    private static MaskTerms Terms(ModelInput input, PrefixColumns? prefix, ForwardContext context)
    {
        long length = input.Length, before = prefix?.Count ?? 0, earlier = context.Cache?.Length ?? 0;
        Tensor? real = prefix is null ? input.Mask : prefix.RealWith(input.Mask, input.Count, length, input.Device);
        if (context.Cache is { } cache)
            real = cache.Extend(input.Count, before + length, real);
        return new MaskTerms
        {
            Queries = length, Keys = earlier + before + length, Device = input.Device, IsCausal = (input.Context ?? input.ContextEnds) is not null || earlier > 0, Real = real,
            Texts = input.Texts, VisiblePrefix = Behind(input.Context), ContextEnds = Behind(input.ContextEnds),
        };

        Tensor? Behind(Tensor? keys) => before == 0 ? keys : keys?.add(before);
    }

    private Tensor Embed(ModelInput input, Tensor places, long before, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        using Tensor vectors = input.Embeddings;
        Tensor blocks = input.Blocks ?? zeros([1, input.Length], ScalarType.Int64, input.Device);
        Tensor sum = Elementwise.Add(Elementwise.Add(vectors, _positions.Forward(places, input, before, context)), _blocks.Forward(blocks, input, 0, context));
        return context.Dropout(sum, _config.EmbeddingDropout).MoveToOuterDisposeScope();
    }
}

/// <summary>The sizes and rates that GLM reads from config.json.</summary>
internal sealed record GlmConfig(
    int Hidden, int Layers, int Heads, int Vocabulary, int MaxPositions, double Epsilon, double EmbeddingDropout, double AttentionDropout, double OutputDropout, string PoolToken)
{
    // attention_scale moves rounding in half precision, and no result.
    /// <exception cref="NotSupportedException">It is of another model, or asks for what no published one has.</exception>
    public static GlmConfig From(HfConfig c)
    {
        CheckName(c);
        if (c.Bool("relative_encoding", false) || !c.Bool("block_position_encoding", true))
            throw new NotSupportedException("GLM's relative_encoding is not supported, nor is it without block_position_encoding: published checkpoints have two tables of positions.");
        return new GlmConfig(
            c.Int("hidden_size"), c.Int("num_layers"), c.Int("num_attention_heads"), c.Int("vocab_size"), c.Int("max_sequence_length"), c.Double("layernorm_epsilon", 1e-5),
            c.Double("embedding_dropout_prob", 0.1), c.Double("attention_dropout_prob", 0.1), c.Double("output_dropout_prob", 0.1), c.String("pool_token", "cls"));
    }

    // GLM-4-9B shares the model_type.
    private static void CheckName(HfConfig c)
    {
        bool saysGlm = c.Architectures.Count == 0 || c.Architectures.Any(name => name.StartsWith("GLM", StringComparison.Ordinal)), isGlm = c.Has("num_layers") && !c.Has("num_hidden_layers");
        if (saysGlm && isGlm)
            return;
        string names = c.Architectures.Count == 0 ? $"model_type '{c.ModelType}'" : $"architectures [{string.Join(", ", c.Architectures)}]";
        throw new NotSupportedException((saysGlm, isGlm) switch
        {
            (true, false) => $"config.json says {names}, GLM's, but has the settings of GLM-4 (num_hidden_layers instead of num_layers), which is another model and not supported.",
            (false, true) => $"config.json says {names}, which is not GLM's, but has GLM's settings (num_layers): GLM's architectures are GLMModel, GLMForConditionalGeneration and others that begin with GLM.",
            _ => $"config.json says {names}: this is GLM-4, which shares the model_type 'glm' with GLM, is another model, and is not supported.",
        });
    }
}

/// <summary>Which position a classifier reads, by the name in config.json.</summary>
internal static class GlmPool
{
    private static readonly Dictionary<string, Func<Batch, PositionSelection>?> ByName = new(StringComparer.Ordinal)
    {
        ["cls"] = null,
        ["pad"] = batch => PositionSelection.At((batch.ContextLengths ?? Lengths(batch)).unsqueeze(1) - 1),
        ["start"] = batch => batch.ContextLengths is { } lengths ? PositionSelection.At(lengths.unsqueeze(1)) : throw new NotSupportedException(
            "GLM's pool_token is 'start', where a piece begins behind the text, and rows of texts alone have no piece: set it to 'cls' (the first token) or 'pad' (the last) in config.json."),
    };

    /// <returns>What is read; null for the first token.</returns>
    /// <exception cref="NotSupportedException">The name is not known.</exception>
    public static Func<Batch, PositionSelection>? Named(string name) => ByName.TryGetValue(name, out var at)
        ? at
        : throw new NotSupportedException($"GLM's pool_token '{name}' is not known; known are {string.Join(", ", ByName.Keys)}.");

    // A row without pieces is all context. Read by the backward pass too: left to the caller's scope.
    private static Tensor Lengths(Batch batch) => batch.Mask is { } mask
        ? mask.sum(1)
        : full([batch.Ids.size(0)], batch.Ids.size(1), ScalarType.Int64, batch.Ids.device);
}

/// <summary>One layer: normed attention and normed feed-forward, each added to what came in.</summary>
internal sealed class GlmLayer(WeightScope scope, GlmConfig config, int index)
{
    private readonly LayerNorm _attentionNorm = new(scope["input_layernorm"], config.Hidden, config.Epsilon);
    private readonly Projection _queryKeyValue = new(scope["attention"]["query_key_value"], config.Hidden, 3 * config.Hidden);
    private readonly Projection _attended = new(scope["attention"]["dense"], config.Hidden, config.Hidden);
    private readonly LayerNorm _norm = new(scope["post_attention_layernorm"], config.Hidden, config.Epsilon);
    private readonly Projection _up = new(scope["mlp"]["dense_h_to_4h"], config.Hidden, 4 * config.Hidden);
    private readonly Projection _down = new(scope["mlp"]["dense_4h_to_h"], 4 * config.Hidden, config.Hidden);
    private readonly Sublayer _attentionJoin = new(scope["attention_adapters"], index, SublayerKind.Attention, config.Hidden) { Dropout = config.OutputDropout };
    private readonly Sublayer _feedForwardJoin = new(scope["output_adapters"], index, SublayerKind.FeedForward, config.Hidden) { Dropout = config.OutputDropout };
    private readonly Func<Tensor, Tensor> _activation = Activation.Named("gelu_new");

    public AttentionSite Attention { get; } = new(scope["attention"], index, config.Heads, config.Hidden / config.Heads) { Dropout = config.AttentionDropout };

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
}
