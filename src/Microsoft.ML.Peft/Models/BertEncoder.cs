using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Models;

/// <summary>The sizes and rates that BERT's family reads from config.json.</summary>
internal sealed record BertConfig(
    int Hidden, int Layers, int Heads, int Intermediate, int Vocabulary, int MaxPositions, int Types,
    double Epsilon, double HiddenDropout, double AttentionDropout, string Activation, int PadId)
{
    /// <exception cref="InvalidDataException">A value is missing, of the wrong kind, or does not fit the others.</exception>
    public static BertConfig From(HfConfig c)
    {
        BertConfig config = Read(c);
        return config.Heads > 0 && config.Hidden % config.Heads == 0 ? config : throw new InvalidDataException(
            $"The model's configuration has hidden_size {config.Hidden} and num_attention_heads {config.Heads}: the heads must divide it.");
    }

    private static BertConfig Read(HfConfig c) => new(
        c.Int("hidden_size"), c.Int("num_hidden_layers"), c.Int("num_attention_heads"), c.Int("intermediate_size"),
        c.Int("vocab_size"), c.Int("max_position_embeddings"), c.Int("type_vocab_size", 2), c.Double("layer_norm_eps", 1e-12),
        c.Double("hidden_dropout_prob", 0.1), c.Double("attention_probs_dropout_prob", 0.1), c.String("hidden_act", "gelu"),
        c.Int("pad_token_id", 0));
}

/// <summary>Embeddings and layers of BERT (Devlin et al. 2018): what BERT and RoBERTa share.</summary>
internal sealed class BertEncoder
{
    private readonly BertConfig _config;
    private readonly PositionEmbedding _positions;
    private readonly TokenEmbedding _types;
    private readonly InputSite _input;
    private readonly LayerNorm _norm;
    private readonly BertLayer[] _layers;

    /// <param name="scope">Its place in the weights.</param>
    /// <param name="config">Its sizes.</param>
    /// <param name="firstPosition">The row of the position table that a row begins at.</param>
    public BertEncoder(WeightScope scope, BertConfig config, int firstPosition)
    {
        _config = config;
        WeightScope embeddings = scope["embeddings"];
        Tokens = TokenEmbedding.OfVocabulary(embeddings["word_embeddings"], config.Vocabulary, config.Hidden, config.PadId);
        _positions = new PositionEmbedding(embeddings["position_embeddings"], config.MaxPositions, config.Hidden, firstPosition);
        _types = new TokenEmbedding(embeddings["token_type_embeddings"], config.Types, config.Hidden);
        _input = new InputSite(embeddings, Tokens);
        _norm = new LayerNorm(embeddings["LayerNorm"], config.Hidden, config.Epsilon);
        _layers = [.. Enumerable.Range(0, config.Layers).Select(i => new BertLayer(scope["encoder"]["layer"][$"{i}"], config, i))];
    }

    public TokenEmbedding Tokens { get; }

    /// <param name="batch">The rows.</param>
    /// <param name="positions">The row of the position table for each position of an input [B or 1, S].</param>
    /// <param name="rows">What the last layer computes.</param>
    /// <param name="context">The call.</param>
    public Tensor Forward(Batch batch, Func<ModelInput, Tensor> positions, PositionSelection rows, ForwardContext context)
    {
        ModelInput input = _input.Enter(batch, rows, context);
        PrefixColumns? prefix = PrefixColumns.Of(_layers[0].Attention, context);
        Tensor? real = prefix is null ? input.Mask : prefix.RealWith(input.Mask, input.Count, input.Length, input.Device);
        // Left to the caller's scope: under gradient checkpointing the backward pass reads it again.
        AttentionMask? mask = AttentionMask.Padding(real);
        Tensor hidden = Embed(input, prefix, positions, context);
        for (int i = 0; i < _layers.Length; i++)
        {
            BertLayer layer = _layers[i];
            PositionSelection read = i == _layers.Length - 1 ? input.Rows : PositionSelection.All;
            Tensor next = context.Block(hidden, x => layer.Forward(x, mask, read, context));
            hidden.Dispose();
            hidden = next;
        }
        return hidden;
    }

    private Tensor Embed(ModelInput input, PrefixColumns? prefix, Func<ModelInput, Tensor> positions, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        using Tensor vectors = input.Embeddings;
        Tensor places = positions(input);
        Tensor place = _positions.Forward(prefix?.Shift(places) ?? places, input, prefix?.Count ?? 0, context);
        // Where all types are 0 one lookup serves every position.
        Tensor type = _types.Forward(input.TypeIds ?? zeros([1, 1], ScalarType.Int64, input.Device), context);
        Tensor sum = Elementwise.Add(Elementwise.Add(vectors, place), type);
        return context.Dropout(_norm.Forward(sum, context), _config.HiddenDropout).MoveToOuterDisposeScope();
    }
}

/// <summary>One layer: attention and feed-forward, each followed by its residual sum and norm.</summary>
internal sealed class BertLayer(WeightScope scope, BertConfig config, int index)
{
    private readonly Projection _query = new(scope["attention"]["self"]["query"], config.Hidden, config.Hidden);
    private readonly Projection _key = new(scope["attention"]["self"]["key"], config.Hidden, config.Hidden);
    private readonly Projection _value = new(scope["attention"]["self"]["value"], config.Hidden, config.Hidden);
    private readonly Projection _attended = new(scope["attention"]["output"]["dense"], config.Hidden, config.Hidden);
    private readonly LayerNorm _attendedNorm = new(scope["attention"]["output"]["LayerNorm"], config.Hidden, config.Epsilon);
    private readonly Projection _up = new(scope["intermediate"]["dense"], config.Hidden, config.Intermediate);
    private readonly Projection _down = new(scope["output"]["dense"], config.Intermediate, config.Hidden);
    private readonly LayerNorm _norm = new(scope["output"]["LayerNorm"], config.Hidden, config.Epsilon);
    private readonly Sublayer _attentionJoin = new(scope["attention"]["output"], index, SublayerKind.Attention, config.Hidden) { Dropout = config.HiddenDropout };
    private readonly Sublayer _feedForwardJoin = new(scope["output"], index, SublayerKind.FeedForward, config.Hidden) { Dropout = config.HiddenDropout };
    private readonly Func<Tensor, Tensor> _activation = Activation.Named(config.Activation);

    public AttentionSite Attention { get; } = new(scope["attention"]["self"], index, config.Heads, config.Hidden / config.Heads) { Dropout = config.AttentionDropout };

    public Tensor Forward(Tensor x, AttentionMask? mask, PositionSelection rows, ForwardContext context)
    {
        Tensor read = rows.Select(x);
        Tensor attended = Attention.Attend(
            Attention.Split(_query.Forward(read, context)), Attention.SplitKeys(_key.Forward(x, context)), Attention.SplitKeys(_value.Forward(x, context)),
            mask, context);
        Tensor middle = _attentionJoin.Join(read, _attended.Forward(attended, context), _attendedNorm, context);
        Tensor inner = _down.Forward(_activation(_up.Forward(middle, context)), context);
        return _feedForwardJoin.Join(middle, inner, _norm, context);
    }
}
