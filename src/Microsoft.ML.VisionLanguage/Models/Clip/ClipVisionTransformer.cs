using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Models;

/// <summary>CLIP's vision transformer: a class token before the patches says what the picture is.</summary>
internal sealed class ClipVisionTransformer : IPictureTower
{
    private static readonly TowerConfig s_usual = new(768, 12, 12, 3072, 1e-5, 0, "quick_gelu");

    private readonly PatchEmbedding _patches;
    private readonly LayerNorm _before, _after;
    private readonly TowerEncoder _encoder;
    private readonly Projection _projection;

    /// <param name="root">The model's place in the weights.</param>
    /// <param name="vision">The tower's part of config.json.</param>
    /// <param name="width">The width of the common space.</param>
    public ClipVisionTransformer(WeightScope root, HfConfig vision, int width)
    {
        TowerConfig config = TowerConfig.From(vision, s_usual);
        WeightScope scope = root["vision_model"];
        _patches = new PatchEmbedding(scope["embeddings"], vision, config.Hidden, usualPatch: 32, hasClass: true, hasBias: false);
        // The checkpoints' spelling.
        _before = new LayerNorm(scope["pre_layrnorm"], config.Hidden, config.Epsilon);
        _encoder = new TowerEncoder(scope["encoder"], config);
        _after = new LayerNorm(scope["post_layernorm"], config.Hidden, config.Epsilon);
        _projection = new Projection(root["visual_projection"], config.Hidden, width, bias: false);
    }

    public Tensor States(Tensor pixels, ForwardContext context) => Forward(pixels, PositionSelection.All, context);

    public Tensor Encode(Tensor pixels, ForwardContext context)
    {
        using Tensor states = Forward(pixels, PositionSelection.First, context);
        using Tensor normed = _after.Forward(states, context);
        return _projection.Forward(normed, context);
    }

    private Tensor Forward(Tensor pixels, PositionSelection rows, ForwardContext context)
    {
        using Tensor patches = _patches.Forward(pixels, context);
        return _encoder.Forward(_before.Forward(patches, context), real: null, rows, context);
    }
}
