using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Models;

/// <summary>A causal transformer over the tokens of a text, read at the token that ends it.</summary>
internal sealed class ClipTextTower : ITextTower
{
    private static readonly TowerConfig s_usual = new(512, 12, 8, 2048, 1e-5, 0, "quick_gelu");

    private readonly TowerConfig _config;
    private readonly EndOfText _end;
    private readonly InputSite _input;
    private readonly PositionEmbedding _positions;
    private readonly TowerEncoder _encoder;
    private readonly LayerNorm _norm;
    private readonly Projection _projection;

    /// <param name="root">The model's place in the weights.</param>
    /// <param name="model">The model's config.json.</param>
    /// <param name="width">The width of the common space.</param>
    public ClipTextTower(WeightScope root, HfConfig model, int width)
    {
        HfConfig text = model.Section("text_config");
        _config = TowerConfig.From(text, s_usual);
        _end = EndOfText.Of(model);
        MaxLength = text.Int("max_position_embeddings", 77);
        WeightScope scope = root["text_model"], embeddings = scope["embeddings"];
        _input = new InputSite(scope, TokenEmbedding.OfVocabulary(embeddings["token_embedding"], EndOfText.VocabularyOf(text), _config.Hidden));
        _positions = new PositionEmbedding(embeddings["position_embedding"], MaxLength, _config.Hidden);
        _encoder = new TowerEncoder(scope["encoder"], _config);
        _norm = new LayerNorm(scope["final_layer_norm"], _config.Hidden, _config.Epsilon);
        _projection = new Projection(root["text_projection"], _config.Hidden, width, bias: false);
    }

    public TokenEmbedding Tokens => _input.Tokens;

    public int MaxLength { get; }

    /// <exception cref="InvalidDataException">A text has no token that ends it.</exception>
    /// <exception cref="InvalidOperationException">A text and a tuner's virtual tokens are together longer than the positions.</exception>
    public Tensor Encode(Batch batch, ForwardContext context)
    {
        using Tensor states = Forward(batch, _end.Find(batch.Ids), context);
        return _projection.Forward(states, context);
    }

    private Tensor Forward(Batch batch, PositionSelection rows, ForwardContext context)
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
        return Elementwise.Add(vectors, _positions.Forward(pass.PositionIds, pass.Input, pass.Before, context)).MoveToOuterDisposeScope();
    }
}
