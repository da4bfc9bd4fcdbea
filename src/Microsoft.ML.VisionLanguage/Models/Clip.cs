using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Models;

/// <summary>
/// CLIP (Radford et al. 2021): a tower of pictures and a tower of texts, each of whose answers is projected into one space, where a
/// picture lies near what is said of it.
/// </summary>
internal sealed class Clip : PretrainedModel, IPairedTowers, IReadsTokens
{
    private readonly ClipConfig _config;
    private readonly Projection _pictures, _texts;

    public Clip(HfConfig config, WeightScope root) : base(config, root)
    {
        _config = ClipConfig.From(config);
        TextTower = new ClipTextTower(root["text_model"], _config);
        PictureTower = new ClipPictureTower(root["vision_model"], _config);
        _texts = new Projection(root["text_projection"], _config.Text.Hidden, _config.Projected, bias: false);
        _pictures = new Projection(root["visual_projection"], _config.Vision.Hidden, _config.Projected, bias: false);
        Scale = root.Load("logit_scale", Init.Zeros);
        if (Scale.IsNew)
        {
            using Tensor start = full([], _config.InitialScale, ScalarType.Float32, Weights.Device);
            Scale.Assign(start);
        }
    }

    /// <summary>The modules of the model in a checkpoint.</summary>
    public static IReadOnlyList<string> BasePaths { get; } = ["text_model", "vision_model", "text_projection", "visual_projection", "logit_scale"];

    public ClipPictureTower PictureTower { get; }

    public ClipTextTower TextTower { get; }

    public Parameter Scale { get; }

    public int Width => _config.Projected;

    public TokenEmbedding Tokens => TextTower.Tokens;

    public int MaxLength => _config.MaxPositions;

    public override IReadOnlyList<string> DefaultTargets => ["q_proj", "v_proj"];

    /// <param name="pixels">[B, channels, size, size], normalised.</param>
    /// <param name="context">The call.</param>
    /// <returns>[B, 1, width]</returns>
    public Tensor EncodePictures(Tensor pixels, ForwardContext context)
    {
        using Tensor states = PictureTower.Forward(pixels, PositionSelection.First, context);
        using Tensor pooled = PictureTower.Pool(states, context);
        return _pictures.Forward(pooled, context);
    }

    /// <summary>What the last token of each text, which ends it, says of the text.</summary>
    /// <param name="batch">The texts.</param>
    /// <param name="context">The call.</param>
    /// <returns>[B, 1, width]</returns>
    public Tensor EncodeTexts(Batch batch, ForwardContext context)
    {
        using Tensor states = TextTower.Forward(batch, LastToken.Of(batch), context);
        return _texts.Forward(states, context);
    }

    public override Tensor Features(Batch batch, Head head, ForwardContext context)
    {
        Tensor? pictures = batch.Pixels is { } pixels ? EncodePictures(pixels, context) : null;
        if (batch[Fields.Ids.TensorName] is null)
            return pictures ?? throw new ArgumentException("The batch has neither pictures nor texts.", nameof(batch));
        Tensor texts = EncodeTexts(batch, context);
        if (pictures is null)
            return texts;
        using (pictures)
        using (texts)
            return cat([pictures, texts], 1);
    }

    // Older checkpoints carry the numbers of the positions.
    protected override bool IsOptional(string name) => name.EndsWith(".embeddings.position_ids", StringComparison.Ordinal);
}

/// <summary>The sizes and rates of one tower of CLIP.</summary>
internal sealed record ClipTowerConfig(int Hidden, int Layers, int Heads, int Intermediate, double Epsilon, double AttentionDropout, string Activation)
{
    /// <exception cref="InvalidDataException">A value is of the wrong kind, or does not fit the others.</exception>
    public static ClipTowerConfig From(HfConfig c, int hidden, int intermediate, int heads)
    {
        var config = new ClipTowerConfig(
            c.Int("hidden_size", hidden), c.Int("num_hidden_layers", 12), c.Int("num_attention_heads", heads), c.Int("intermediate_size", intermediate),
            c.Double("layer_norm_eps", 1e-5), c.Double("attention_dropout", 0), c.String("hidden_act", "quick_gelu"));
        return config.Heads > 0 && config.Hidden % config.Heads == 0 ? config : throw new InvalidDataException(
            $"The model's configuration has hidden_size {config.Hidden} and num_attention_heads {config.Heads}: the heads must divide it.");
    }
}

/// <summary>What CLIP reads from config.json. Where it says nothing, it means ViT-B/32.</summary>
internal sealed record ClipConfig(
    ClipTowerConfig Text, ClipTowerConfig Vision, int Vocabulary, int MaxPositions, int ImageSize, int Patch, int Channels, int Projected, double InitialScale)
{
    public static ClipConfig From(HfConfig c)
    {
        HfConfig text = c.Section("text_config"), vision = c.Section("vision_config");
        return new ClipConfig(
            ClipTowerConfig.From(text, 512, 2048, 8), ClipTowerConfig.From(vision, 768, 3072, 12), text.Int("vocab_size", 49408),
            text.Int("max_position_embeddings", 77), vision.Int("image_size", 224), vision.Int("patch_size", 32), vision.Int("num_channels", 3),
            c.Int("projection_dim", 512), c.Double("logit_scale_init_value", 2.6592));
    }
}

/// <summary>A vision transformer (Dosovitskiy et al. 2020): patches and a class token in, the states of all of them out.</summary>
internal sealed class ClipPictureTower
{
    private readonly ClipConfig _config;
    private readonly Parameter _class, _patches;
    private readonly TokenEmbedding _positions;
    private readonly LayerNorm _before, _after;
    private readonly ClipEncoder _encoder;

    public ClipPictureTower(WeightScope scope, ClipConfig config)
    {
        _config = config;
        long hidden = config.Vision.Hidden, side = config.ImageSize / config.Patch;
        WeightScope embeddings = scope["embeddings"];
        _class = embeddings.Load("class_embedding", Init.Normal, hidden);
        _patches = embeddings["patch_embedding"].Load("weight", Init.Normal, hidden, config.Channels, config.Patch, config.Patch);
        _positions = new TokenEmbedding(embeddings["position_embedding"], (side * side) + 1, hidden);
        // The checkpoints' spelling.
        _before = new LayerNorm(scope["pre_layrnorm"], hidden, config.Vision.Epsilon);
        _encoder = new ClipEncoder(scope["encoder"], config.Vision);
        _after = new LayerNorm(scope["post_layernorm"], hidden, config.Vision.Epsilon);
    }

    /// <param name="pixels">[B, channels, size, size], normalised.</param>
    /// <param name="rows">What the last layer computes; the class token stands first.</param>
    /// <param name="context">The call.</param>
    /// <returns>[B, positions, hidden]</returns>
    /// <exception cref="ArgumentException">The pictures are of another size than the model's.</exception>
    public Tensor Forward(Tensor pixels, PositionSelection rows, ForwardContext context)
    {
        if (pixels.Sizes() is not [_, var channels, var height, var width] || channels != _config.Channels || height != _config.ImageSize || width != _config.ImageSize)
        {
            throw new ArgumentException(
                $"The model reads pictures of [{_config.Channels}, {_config.ImageSize}, {_config.ImageSize}], and these are [{string.Join(", ", pixels.Sizes().Skip(1))}].", nameof(pixels));
        }
        PrefixColumns? prefix = PrefixColumns.Of(_encoder.First, context);
        Tensor hidden = Embed(pixels, context);
        // Left to the caller's scope: under gradient checkpointing the backward pass reads it again.
        AttentionMask? mask = AttentionMask.Padding(prefix?.RealWith(null, hidden.size(0), hidden.size(1), hidden.device));
        return _encoder.Forward(hidden, mask, mask, rows, context);
    }

    /// <summary>What the class token says of the picture.</summary>
    public Tensor Pool(Tensor first, ForwardContext context) => _after.Forward(first, context);

    private Tensor Embed(Tensor pixels, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        Tensor patches = nn.functional.conv2d(pixels, _patches.Value, strides: [_config.Patch, _config.Patch]).flatten(2).transpose(1, 2);
        Tensor all = cat([_class.Value.expand(pixels.size(0), 1, -1), patches], 1);
        Tensor places = _positions.Forward(arange(0, all.size(1), ScalarType.Int64, all.device).unsqueeze(0), context);
        return _before.Forward(Elementwise.Add(all, places), context).MoveToOuterDisposeScope();
    }
}

/// <summary>A causal transformer over the tokens of a text.</summary>
internal sealed class ClipTextTower
{
    private readonly ClipTowerConfig _config;
    private readonly InputSite _input;
    private readonly TokenEmbedding _positions;
    private readonly ClipEncoder _encoder;
    private readonly LayerNorm _norm;

    public ClipTextTower(WeightScope scope, ClipConfig config)
    {
        _config = config.Text;
        WeightScope embeddings = scope["embeddings"];
        _input = new InputSite(scope, TokenEmbedding.OfVocabulary(embeddings["token_embedding"], config.Vocabulary, _config.Hidden));
        _positions = new TokenEmbedding(embeddings["position_embedding"], config.MaxPositions, _config.Hidden);
        _encoder = new ClipEncoder(scope["encoder"], _config);
        _norm = new LayerNorm(scope["final_layer_norm"], _config.Hidden, _config.Epsilon);
    }

    public TokenEmbedding Tokens => _input.Tokens;

    /// <returns>[B, positions, hidden]</returns>
    public Tensor Forward(Batch batch, PositionSelection rows, ForwardContext context)
    {
        DecoderPass pass = DecoderPass.Begin(_input.Enter(batch, rows, context), PrefixColumns.Of(_encoder.First, context), cache: null);
        var (all, read) = pass.Masks(context.Training && _config.AttentionDropout > 0);
        using Tensor states = _encoder.Forward(Embed(pass, context), all, read, pass.Rows, context);
        return _norm.Forward(states, context);
    }

    private Tensor Embed(DecoderPass pass, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        using Tensor vectors = pass.Input.Embeddings;
        return Elementwise.Add(vectors, _positions.Forward(pass.PositionIds, context)).MoveToOuterDisposeScope();
    }
}

/// <summary>The layers of a tower.</summary>
internal sealed class ClipEncoder(WeightScope scope, ClipTowerConfig config)
{
    private readonly ClipLayer[] _layers = [.. Enumerable.Range(0, config.Layers).Select(i => new ClipLayer(scope["layers"][$"{i}"], config, i))];

    public AttentionSite First => _layers[0].Attention;

    /// <param name="hidden">[B, S, hidden]; disposed.</param>
    /// <param name="all">Which keys every position sees.</param>
    /// <param name="read">Which keys the positions see that the last layer computes.</param>
    /// <param name="rows">These positions.</param>
    /// <param name="context">The call.</param>
    public Tensor Forward(Tensor hidden, AttentionMask? all, AttentionMask? read, PositionSelection rows, ForwardContext context)
    {
        for (int i = 0; i < _layers.Length; i++)
        {
            ClipLayer layer = _layers[i];
            bool last = i == _layers.Length - 1;
            Tensor next = context.Block(hidden, x => layer.Forward(x, last ? rows : PositionSelection.All, last ? read : all, context));
            hidden.Dispose();
            hidden = next;
        }
        return hidden;
    }
}

/// <summary>One layer: normed attention and normed feed-forward, each added to what came in.</summary>
internal sealed class ClipLayer(WeightScope scope, ClipTowerConfig config, int index)
{
    private readonly LayerNorm _attentionNorm = new(scope["layer_norm1"], config.Hidden, config.Epsilon);
    private readonly Projection _query = new(scope["self_attn"]["q_proj"], config.Hidden, config.Hidden);
    private readonly Projection _key = new(scope["self_attn"]["k_proj"], config.Hidden, config.Hidden);
    private readonly Projection _value = new(scope["self_attn"]["v_proj"], config.Hidden, config.Hidden);
    private readonly Projection _attended = new(scope["self_attn"]["out_proj"], config.Hidden, config.Hidden);
    private readonly LayerNorm _norm = new(scope["layer_norm2"], config.Hidden, config.Epsilon);
    private readonly Projection _up = new(scope["mlp"]["fc1"], config.Hidden, config.Intermediate);
    private readonly Projection _down = new(scope["mlp"]["fc2"], config.Intermediate, config.Hidden);
    private readonly Sublayer _attentionJoin = new(scope["attention_adapters"], index, SublayerKind.Attention, config.Hidden);
    private readonly Sublayer _feedForwardJoin = new(scope["output_adapters"], index, SublayerKind.FeedForward, config.Hidden);
    private readonly Func<Tensor, Tensor> _activation = Activation.Named(config.Activation);

    public AttentionSite Attention { get; } = new(scope["self_attn"], index, config.Heads, config.Hidden / config.Heads) { Dropout = config.AttentionDropout };

    public Tensor Forward(Tensor x, PositionSelection rows, AttentionMask? mask, ForwardContext context)
    {
        Tensor normed = _attentionNorm.Forward(x, context);
        Tensor attended = Attention.Attend(
            Attention.Split(_query.Forward(rows.Select(normed), context)), Attention.SplitKeys(_key.Forward(normed, context)),
            Attention.SplitKeys(_value.Forward(normed, context)), mask, context);
        Tensor middle = _attentionJoin.Join(rows.Select(x), _attended.Forward(attended, context), norm: null, context);
        Tensor inner = _down.Forward(_activation(_up.Forward(_norm.Forward(middle, context), context)), context);
        return _feedForwardJoin.Join(middle, inner, norm: null, context);
    }
}
