using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Models;

/// <summary>The transformer layers of a tower, of pictures or of texts.</summary>
internal sealed class TowerEncoder(WeightScope scope, TowerConfig config)
{
    private readonly TowerLayer[] _layers = [.. Enumerable.Range(0, config.Layers).Select(i => new TowerLayer(scope["layers"][$"{i}"], config, i))];

    /// <summary>The attention of the first layer.</summary>
    public AttentionSite First => _layers[0].Attention;

    /// <summary>Runs layers in which every position sees all others.</summary>
    /// <param name="hidden">[B, S, hidden]; disposed.</param>
    /// <param name="real">True where a position is real [B, S]; null when all are.</param>
    /// <param name="rows">What the last layer computes.</param>
    /// <param name="context">The call.</param>
    public Tensor Forward(Tensor hidden, Tensor? real, PositionSelection rows, ForwardContext context)
    {
        PrefixColumns? prefix = PrefixColumns.Of(First, context);
        // Left to the caller's scope: under gradient checkpointing the backward pass reads it again.
        AttentionMask? mask = AttentionMask.Padding(prefix is null ? real : prefix.RealWith(real, hidden.size(0), hidden.size(1), hidden.device));
        return Forward(hidden, mask, mask, rows, context);
    }

    /// <param name="hidden">[B, S, hidden]; disposed.</param>
    /// <param name="all">Which keys every position sees.</param>
    /// <param name="read">Which keys the positions see that the last layer computes.</param>
    /// <param name="rows">These positions.</param>
    /// <param name="context">The call.</param>
    public Tensor Forward(Tensor hidden, AttentionMask? all, AttentionMask? read, PositionSelection rows, ForwardContext context)
    {
        for (int i = 0; i < _layers.Length; i++)
        {
            TowerLayer layer = _layers[i];
            bool last = i == _layers.Length - 1;
            Tensor next = context.Block(hidden, x => layer.Forward(x, last ? rows : PositionSelection.All, last ? read : all, context));
            hidden.Dispose();
            hidden = next;
        }
        return hidden;
    }
}

/// <summary>One layer: normed attention and normed feed-forward, each added to what came in.</summary>
internal sealed class TowerLayer(WeightScope scope, TowerConfig config, int index)
{
    private readonly LayerNorm _attentionNorm = new(scope["layer_norm1"], config.Hidden, config.Epsilon);
    private readonly Projection _query = new(scope["self_attn"]["q_proj"], config.Hidden, config.Hidden);
    private readonly Projection _key = new(scope["self_attn"]["k_proj"], config.Hidden, config.Hidden);
    private readonly Projection _value = new(scope["self_attn"]["v_proj"], config.Hidden, config.Hidden);
    private readonly Projection _attended = new(scope["self_attn"]["out_proj"], config.Hidden, config.Hidden);
    private readonly LayerNorm _norm = new(scope["layer_norm2"], config.Hidden, config.Epsilon);
    private readonly TowerFeedForward _feedForward = new(scope["mlp"], config);
    private readonly Sublayer _attentionJoin = new(scope["attention_adapters"], index, SublayerKind.Attention, config.Hidden);
    private readonly Sublayer _feedForwardJoin = new(scope["output_adapters"], index, SublayerKind.FeedForward, config.Hidden);

    public AttentionSite Attention { get; } = new(scope["self_attn"], index, config.Heads, config.Hidden / config.Heads) { Dropout = config.AttentionDropout };

    public Tensor Forward(Tensor x, PositionSelection rows, AttentionMask? mask, ForwardContext context)
    {
        Tensor normed = _attentionNorm.Forward(x, context);
        Tensor attended = Attention.Attend(
            Attention.Split(_query.Forward(rows.Select(normed), context)), Attention.SplitKeys(_key.Forward(normed, context)),
            Attention.SplitKeys(_value.Forward(normed, context)), mask, context);
        Tensor middle = _attentionJoin.Join(rows.Select(x), _attended.Forward(attended, context), norm: null, context);
        return _feedForwardJoin.Join(middle, _feedForward.Forward(_norm.Forward(middle, context), context), norm: null, context);
    }
}

/// <summary>Two matrices and an activation between them.</summary>
internal sealed class TowerFeedForward(WeightScope scope, TowerConfig config)
{
    private readonly Projection _up = new(scope["fc1"], config.Hidden, config.Intermediate);
    private readonly Projection _down = new(scope["fc2"], config.Intermediate, config.Hidden);
    private readonly Func<Tensor, Tensor> _activation = Activation.Named(config.Activation);

    /// <summary>What it makes on the way is the caller's scope's.</summary>
    public Tensor Forward(Tensor x, ForwardContext context) => _down.Forward(_activation(_up.Forward(x, context)), context);
}
