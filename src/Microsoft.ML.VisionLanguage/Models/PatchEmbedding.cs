using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Models;

/// <summary>Cuts pictures into square patches and makes a vector of each, with its place (Dosovitskiy et al. 2020).</summary>
internal sealed class PatchEmbedding
{
    private readonly PictureShape _shape;
    private readonly int _patch;
    private readonly Parameter? _class, _bias;
    private readonly Parameter _patches;
    private readonly TokenEmbedding _positions;

    /// <param name="scope">The module.</param>
    /// <param name="vision">The tower's part of config.json.</param>
    /// <param name="hidden">The width of the vectors.</param>
    /// <param name="usualPatch">The side of a patch where the file does not say.</param>
    /// <param name="hasClass">Whether the vector of a class token stands before those of the patches.</param>
    /// <param name="hasBias">Whether the patches' matrix has a bias.</param>
    /// <exception cref="InvalidDataException">A picture has no whole patch.</exception>
    public PatchEmbedding(WeightScope scope, HfConfig vision, int hidden, int usualPatch, bool hasClass, bool hasBias)
    {
        (_shape, _patch) = (PictureShape.From(vision), vision.Int("patch_size", usualPatch));
        if (_patch < 1 || _patch > _shape.Side)
            throw new InvalidDataException($"The model's configuration has image_size {_shape.Side} and patch_size {_patch}: a patch must fit into a picture.");
        long side = _shape.Side / _patch;
        _class = hasClass ? scope.Load("class_embedding", Init.Normal, hidden) : null;
        _patches = scope["patch_embedding"].Load("weight", Init.Normal, hidden, _shape.Channels, _patch, _patch);
        _bias = hasBias ? scope["patch_embedding"].Load("bias", Init.Zeros, hidden) : null;
        _positions = new TokenEmbedding(scope["position_embedding"], (side * side) + (hasClass ? 1 : 0), hidden);
    }

    /// <param name="pixels">[B, channels, side, side], normalised.</param>
    /// <param name="context">The call.</param>
    /// <returns>[B, patches, hidden], or one more where there is a class token, which stands first.</returns>
    /// <exception cref="ArgumentException">The pictures are of another size than the model's.</exception>
    public Tensor Forward(Tensor pixels, ForwardContext context)
    {
        _shape.Check(pixels);
        using var scope = NewDisposeScope();
        Tensor vectors = nn.functional.conv2d(pixels, _patches.Value, _bias?.Value, strides: [_patch, _patch]).flatten(2).transpose(1, 2);
        if (_class is { } first)
            vectors = cat([first.Value.expand(pixels.size(0), 1, -1), vectors], 1);
        Tensor places = _positions.Forward(arange(0, vectors.size(1), ScalarType.Int64, vectors.device).unsqueeze(0), context);
        return Elementwise.Add(vectors, places).MoveToOuterDisposeScope();
    }
}
