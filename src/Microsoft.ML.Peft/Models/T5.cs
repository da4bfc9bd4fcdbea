using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>
/// T5 (Raffel et al. 2020) and its later forms (gated, untied; FLAN's): norms before each part, relative positions added to scores
/// that are not scaled, an encoder and a decoder over one table of tokens.
/// </summary>
internal sealed class T5 : TextModel, IEncoderDecoder
{
    private readonly T5Config _config;
    private readonly T5Stack _encoder, _decoder;
    private readonly Projection _output;

    public T5(HfConfig config, WeightScope root) : base(config, root)
    {
        _config = T5Config.From(config);
        Tokens = TokenEmbedding.OfVocabulary(root["shared"], _config.Vocabulary, _config.Hidden);
        _encoder = new T5Stack(root["encoder"], _config, Tokens, isDecoder: false);
        _decoder = new T5Stack(root["decoder"], _config, Tokens, isDecoder: true);
        _output = LanguageModelHead.OutputOf(root["lm_head"], Tokens, config.Bool("tie_word_embeddings", true));
    }

    public override int HiddenSize => _config.Hidden;

    public override TokenEmbedding Tokens { get; }

    /// <summary>Relative positions have no end: memory has.</summary>
    public override int MaxLength => int.MaxValue;

    public int DecoderLayers => _config.DecoderLayers;

    public int StartId => Config.Int("decoder_start_token_id", 0);

    public override IReadOnlyList<string> DefaultTargets => ["q", "v"];

    public Head CreateLanguageModelHead() => new LanguageModelHead(_output);

    public IReadOnlyList<int[]> PromptsOf(Batch batch) => [.. Enumerable.Repeat(new[] { StartId }, (int)batch.Ids.size(0))];

    public IDecodingSession Open(Head head, Batch batch, ForwardContext context) => new EncoderDecoderSession(this, head, batch, context);

    public override Tensor Forward(Batch batch, PositionSelection rows, ForwardContext context)
    {
        // A text with nothing to write behind it.
        if (batch.DecoderIds is null && batch.Labels is null)
            return _encoder.Forward(_encoder.Enter(batch, rows, context), context);
        // Left to the caller's scope: under gradient checkpointing the backward pass reads it again.
        var (states, real) = Encode(batch, context);
        var memory = new EncoderMemory(states, real);
        Tensor ids = batch.DecoderIds ?? Shifted(batch.Labels!);
        return Decode(new Batch { Ids = ids, PadsEnd = true, Examples = batch.Examples }, rows, context with { Memory = memory });
    }

    // The cache is the decoder's.
    public (Tensor States, Tensor? Real) Encode(Batch batch, ForwardContext context)
    {
        ForwardContext own = context with { Cache = null };
        ModelInput input = _encoder.Enter(batch, PositionSelection.All, own);
        Tensor? real = PrefixColumns.Of(_decoder.CrossAttention, own) is { } prefix ? prefix.RealWith(input.Mask, input.Count, input.Length, input.Device) : input.Mask;
        return (_encoder.Forward(input, own), real);
    }

    public Tensor Decode(Batch batch, PositionSelection rows, ForwardContext context)
    {
        Tensor states = _decoder.Forward(_decoder.Enter(batch, rows, context), context);
        if (!_config.ScalesOutput)
            return states;
        using (states)
            return states * Math.Pow(_config.Hidden, -0.5);
    }

    // Copies of the table, and what older checkpoints carry.
    protected override bool IsOptional(string name) => name is "encoder.embed_tokens.weight" or "decoder.embed_tokens.weight"
        || name.EndsWith("EncDecAttention.relative_attention_bias.weight", StringComparison.Ordinal);

    /// <summary>What the decoder has read when it is to say each label: the start token, and the labels before.</summary>
    private Tensor Shifted(Tensor labels)
    {
        using var scope = NewDisposeScope();
        Tensor before = labels.narrow(1, 0, labels.size(1) - 1).clamp(min: 0);
        Tensor padded = where(labels.narrow(1, 0, labels.size(1) - 1).lt(0), full_like(before, Config.Int("pad_token_id", 0)), before);
        return cat([full([labels.size(0), 1], StartId, ScalarType.Int64, labels.device), padded], 1).MoveToOuterDisposeScope();
    }
}

/// <summary>The sizes and rates that T5 reads from config.json.</summary>
internal sealed record T5Config(
    int Hidden, int HeadSize, int Heads, int Layers, int DecoderLayers, int Intermediate, int Vocabulary, int Buckets, int Farthest,
    double Epsilon, double Dropout, string Activation, bool IsGated, bool ScalesOutput)
{
    public static T5Config From(HfConfig c)
    {
        string feedForward = c.String("feed_forward_proj", "relu");
        bool gated = feedForward.StartsWith("gated-", StringComparison.Ordinal);
        string activation = gated ? feedForward["gated-".Length..] : feedForward;
        return new T5Config(
            c.Int("d_model"), c.Int("d_kv"), c.Int("num_heads"), c.Int("num_layers"), c.Int("num_decoder_layers", c.Int("num_layers")),
            c.Int("d_ff"), c.Int("vocab_size"), c.Int("relative_attention_num_buckets", 32), c.Int("relative_attention_max_distance", 128),
            c.Double("layer_norm_epsilon", 1e-6), c.Double("dropout_rate", 0.1),
            // The gated form's name means the approximation by tanh.
            feedForward == "gated-gelu" ? "gelu_new" : activation, gated,
            c.Bool("scale_decoder_outputs", c.Bool("tie_word_embeddings", true)));
    }
}

/// <summary>The encoder or the decoder: layers, relative positions, a norm at the end.</summary>
internal sealed class T5Stack
{
    private readonly T5Config _config;
    private readonly InputSite _input;
    private readonly T5Layer[] _layers;
    private readonly RelativePositions _positions;
    private readonly RmsNorm _norm;
    private readonly bool _isDecoder;

    public T5Stack(WeightScope scope, T5Config config, TokenEmbedding tokens, bool isDecoder)
    {
        (_config, _isDecoder) = (config, isDecoder);
        _input = new InputSite(scope, tokens);
        _layers = [.. Enumerable.Range(0, isDecoder ? config.DecoderLayers : config.Layers).Select(i => new T5Layer(scope["block"][$"{i}"]["layer"], config, i, isDecoder))];
        _positions = new RelativePositions(
            scope["block"]["0"]["layer"]["0"]["SelfAttention"]["relative_attention_bias"], config.Heads, config.Buckets, config.Farthest, bothWays: !isDecoder);
        _norm = new RmsNorm(scope["final_layer_norm"], config.Hidden, config.Epsilon);
    }

    /// <summary>The first layer's, whose prefixes are as long as those of all others; a decoder alone has it.</summary>
    public AttentionSite CrossAttention => _layers[0].CrossAttention;

    public ModelInput Enter(Batch batch, PositionSelection rows, ForwardContext context) => _input.Enter(batch, rows, context);

    public Tensor Forward(ModelInput input, ForwardContext context)
    {
        MaskTerms terms = Terms(input, PrefixColumns.Of(_layers[0].Attention, context), context);
        // Left to the caller's scope: under gradient checkpointing the backward pass reads it again.
        Tensor bias = _positions.Bias(terms.Queries, terms.Keys, context, input.Device);
        Tensor hidden = context.Dropout(input.Embeddings, _config.Dropout);
        for (int i = 0; i < _layers.Length; i++)
        {
            T5Layer layer = _layers[i];
            PositionSelection read = i == _layers.Length - 1 ? input.Rows : PositionSelection.All;
            Tensor next = context.Block(inputs =>
            {
                var mask = new AttentionMask(terms with { HeadBias = inputs[1] });
                EncoderMemory? memory = inputs.Length > 2 ? context.Memory!.Over(inputs[2]) : null;
                return layer.Forward(inputs[0], mask, memory, read, context);
            }, _isDecoder ? [hidden, bias, context.Memory!.States] : [hidden, bias]);
            hidden.Dispose();
            hidden = next;
        }
        using (hidden)
            return context.Dropout(_norm.Forward(hidden, context), _config.Dropout);
    }

    private MaskTerms Terms(ModelInput input, PrefixColumns? prefix, ForwardContext context)
    {
        long length = input.Length, before = prefix?.Count ?? 0;
        Tensor? real = prefix is null ? input.Mask : prefix.RealWith(input.Mask, input.Count, length, input.Device);
        KeyValueCache? cache = _isDecoder ? context.Cache : null;
        if (cache is not null)
            real = cache.Extend(input.Count, before + length, real);
        return new MaskTerms
        {
            Queries = length, Keys = cache?.Length ?? (before + length), Device = input.Device, IsCausal = _isDecoder, Real = real, Texts = input.Texts,
        };
    }
}

/// <summary>One layer: self-attention, in the decoder cross-attention, feed-forward; each normed before and added to what came in.</summary>
internal sealed class T5Layer(WeightScope scope, T5Config config, int index, bool isDecoder)
{
    private readonly T5Attention _self = new(scope["0"], "SelfAttention", config, index, AttentionKind.Self, isDecoder);
    private readonly T5Attention? _cross = isDecoder ? new(scope["1"], "EncDecAttention", config, index, AttentionKind.Cross, isDecoder) : null;
    private readonly T5FeedForward _feedForward = new(scope[isDecoder ? "2" : "1"], config, index);

    public AttentionSite Attention => _self.Site;

    public AttentionSite CrossAttention => _cross!.Site;

    public Tensor Forward(Tensor x, AttentionMask mask, EncoderMemory? memory, PositionSelection rows, ForwardContext context)
    {
        Tensor hidden = _self.Forward(x, mask.Select(rows, x.size(0)), rows, context);
        if (memory is not null)
            hidden = _cross!.Forward(hidden, memory, context);
        return _feedForward.Forward(hidden, context);
    }
}

/// <summary>A normed attention and its join.</summary>
internal sealed class T5Attention(WeightScope scope, string name, T5Config config, int index, AttentionKind kind, bool isDecoder)
{
    private readonly RmsNorm _norm = new(scope["layer_norm"], config.Hidden, config.Epsilon);
    private readonly Projection _query = new(scope[name]["q"], config.Hidden, config.Heads * config.HeadSize, bias: false);
    private readonly Projection _key = new(scope[name]["k"], config.Hidden, config.Heads * config.HeadSize, bias: false);
    private readonly Projection _value = new(scope[name]["v"], config.Hidden, config.Heads * config.HeadSize, bias: false);
    private readonly Projection _attended = new(scope[name]["o"], config.Heads * config.HeadSize, config.Hidden, bias: false);
    private readonly Sublayer _join = new(
        scope["attention_adapters"], index, kind == AttentionKind.Self ? SublayerKind.Attention : SublayerKind.CrossAttention, config.Hidden) { Dropout = config.Dropout };

    public AttentionSite Site { get; } = new(scope[name], index, config.Heads, config.HeadSize, kind: kind)
    {
        Dropout = config.Dropout,
        IsInDecoder = isDecoder,
        // T5 does not scale its scores.
        Gain = Math.Sqrt(config.HeadSize),
    };

    /// <summary>Attends to the text itself.</summary>
    public Tensor Forward(Tensor x, AttentionMask mask, PositionSelection rows, ForwardContext context)
    {
        Tensor normed = _norm.Forward(x, context);
        Tensor query = Site.Split(_query.Forward(rows.Select(normed), context));
        var (key, value) = Keys(normed, context);
        return Join(rows.Select(x), Site.Attend(query, key, value, mask, context), context);
    }

    /// <summary>Attends to what the encoder made.</summary>
    public Tensor Forward(Tensor x, EncoderMemory memory, ForwardContext context)
    {
        Tensor query = Site.Split(_query.Forward(_norm.Forward(x, context), context));
        return Join(x, Site.AttendTo(query, memory, () => Keys(memory.States, context), context), context);
    }

    private (Tensor Keys, Tensor Values) Keys(Tensor states, ForwardContext context) =>
        (Site.SplitKeys(_key.Forward(states, context)), Site.SplitKeys(_value.Forward(states, context)));

    private Tensor Join(Tensor residual, Tensor attended, ForwardContext context) =>
        _join.Join(residual, _attended.Forward(attended, context), norm: null, context);
}

/// <summary>Normed feed-forward layers, gated or not, and their join.</summary>
internal sealed class T5FeedForward
{
    private readonly RmsNorm _norm;
    private readonly Projection _up, _down;
    private readonly Projection? _gate;
    private readonly Sublayer _join;
    private readonly Func<Tensor, Tensor> _activation;
    private readonly double _dropout;

    public T5FeedForward(WeightScope scope, T5Config config, int index)
    {
        WeightScope dense = scope["DenseReluDense"];
        _norm = new RmsNorm(scope["layer_norm"], config.Hidden, config.Epsilon);
        _up = new Projection(dense[config.IsGated ? "wi_1" : "wi"], config.Hidden, config.Intermediate, bias: false);
        _gate = config.IsGated ? new Projection(dense["wi_0"], config.Hidden, config.Intermediate, bias: false) : null;
        _down = new Projection(dense["wo"], config.Intermediate, config.Hidden, bias: false);
        _join = new Sublayer(scope["output_adapters"], index, SublayerKind.FeedForward, config.Hidden) { Dropout = config.Dropout };
        (_activation, _dropout) = (Activation.Named(config.Activation), config.Dropout);
    }

    public Tensor Forward(Tensor x, ForwardContext context)
    {
        Tensor normed = _norm.Forward(x, context), up = _up.Forward(normed, context);
        Tensor inner = _gate is null ? _activation(up) : _activation(_gate.Forward(normed, context)) * up;
        return _join.Join(x, _down.Forward(context.Dropout(inner, _dropout), context), norm: null, context);
    }
}
