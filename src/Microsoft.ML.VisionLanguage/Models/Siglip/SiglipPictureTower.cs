using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Models;

/// <summary>SigLIP's vision transformer: it has no class token, and a learned probe attends to all patches.</summary>
internal sealed class SiglipPictureTower : IPictureTower
{
    private static readonly TowerConfig s_usual = new(768, 12, 12, 3072, 1e-6, 0, "gelu_pytorch_tanh");

    private readonly PatchEmbedding _patches;
    private readonly TowerEncoder _encoder;
    private readonly LayerNorm _after;
    private readonly ProbePool _pool;

    /// <param name="scope">The tower's place in the weights.</param>
    /// <param name="vision">The tower's part of config.json.</param>
    /// <exception cref="NotSupportedException">The model has no pooling head.</exception>
    public SiglipPictureTower(WeightScope scope, HfConfig vision)
    {
        const string HeadKey = "vision_use_head";
        if (!vision.Bool(HeadKey, true))
            throw new NotSupportedException($"The model's configuration has {HeadKey} false: without its head the picture tower has no vector for a picture.");
        TowerConfig config = TowerConfig.From(vision, s_usual);
        Width = config.Hidden;
        _patches = new PatchEmbedding(scope["embeddings"], vision, config.Hidden, usualPatch: 16, hasClass: false, hasBias: true);
        _encoder = new TowerEncoder(scope["encoder"], config);
        _after = new LayerNorm(scope["post_layernorm"], config.Hidden, config.Epsilon);
        _pool = new ProbePool(scope["head"], config);
    }

    /// <summary>The numbers that it makes of a picture.</summary>
    public int Width { get; }

    public Tensor States(Tensor pixels, ForwardContext context)
    {
        using Tensor states = _encoder.Forward(_patches.Forward(pixels, context), real: null, PositionSelection.All, context);
        return _after.Forward(states, context);
    }

    public Tensor Encode(Tensor pixels, ForwardContext context)
    {
        using Tensor states = States(pixels, context);
        return _pool.Forward(states, context);
    }
}

/// <summary>One learned vector attends to all patches; feed-forward layers go over what it finds.</summary>
internal sealed class ProbePool
{
    private readonly Parameter _probe, _matrix, _bias;
    private readonly Projection _attended;
    private readonly LayerNorm _norm;
    private readonly TowerFeedForward _feedForward;
    private readonly TowerConfig _config;

    /// <param name="scope">The module.</param>
    /// <param name="config">The tower's.</param>
    public ProbePool(WeightScope scope, TowerConfig config)
    {
        _config = config;
        WeightScope attention = scope["attention"];
        _probe = scope.Load("probe", Init.Normal, 1, 1, config.Hidden);
        // Queries, keys and values are one matrix in checkpoints, as PyTorch's attention has them, and no place of their own for tuners.
        _matrix = attention.Load("in_proj_weight", Init.Normal, 3 * config.Hidden, config.Hidden);
        _bias = attention.Load("in_proj_bias", Init.Zeros, 3 * config.Hidden);
        _attended = new Projection(attention["out_proj"], config.Hidden, config.Hidden);
        _norm = new LayerNorm(scope["layernorm"], config.Hidden, config.Epsilon);
        _feedForward = new TowerFeedForward(scope["mlp"], config);
    }

    /// <param name="states">[B, patches, hidden]</param>
    /// <param name="context">The call.</param>
    /// <returns>[B, 1, hidden]</returns>
    public Tensor Forward(Tensor states, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        Tensor query = Project(_probe.Value, 0, 1).expand(states.size(0), -1, -1);
        Tensor[] pair = Project(states, 1, 2).chunk(2, -1);
        Tensor found = Attention.Attend(Split(query), Split(pair[0]), Split(pair[1]), mask: null, dropout: null);
        Tensor attended = _attended.Forward(found, context);
        Tensor changed = _feedForward.Forward(_norm.Forward(attended, context), context);
        return Elementwise.Add(attended, changed).MoveToOuterDisposeScope();
    }

    private Tensor Split(Tensor x) => Attention.Split(x, _config.Heads);

    // Some of the three matrices that are one.
    private Tensor Project(Tensor x, int first, int count)
    {
        long from = first * _config.Hidden, rows = count * _config.Hidden;
        return nn.functional.linear(x, _matrix.Value.narrow(0, from, rows), _bias.Value.narrow(0, from, rows));
    }
}
