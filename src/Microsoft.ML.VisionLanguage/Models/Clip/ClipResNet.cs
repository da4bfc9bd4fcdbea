using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Models;

/// <summary>
/// CLIP's residual network (Radford et al. 2021, 2.4): three convolutions at the start, averages before whatever strides, attention in the place of the
/// last average. Hugging Face has no such model: its modules have OpenAI's names.
/// </summary>
internal sealed class ClipResNet : IPictureTower
{
    /// <summary>What its part of config.json has and the vision transformer's has not: the blocks of each of the four stages.</summary>
    public const string LayersKey = "layers";

    /// <summary>What a picture's sides are divided by on the way.</summary>
    private const int Reduction = 32;

    private readonly PictureShape _shape;
    private readonly NormedConvolution[] _stem;
    private readonly ResidualBlock[] _blocks;
    private readonly AttentionPool _pool;

    /// <param name="scope">The tower's place in the weights.</param>
    /// <param name="vision">The tower's part of config.json: layers, width, num_attention_heads, image_size.</param>
    /// <param name="width">The width of the common space.</param>
    /// <exception cref="InvalidDataException">A size is missing, or does not fit the others.</exception>
    public ClipResNet(WeightScope scope, HfConfig vision, int width)
    {
        _shape = PictureShape.From(vision);
        IReadOnlyList<int> layers = vision.Ints(LayersKey);
        int planes = vision.Int("width", 64), heads = vision.Int("num_attention_heads", planes / 2), hidden = planes * Reduction;
        if (layers is not [> 0, > 0, > 0, > 0] || _shape.Side % Reduction != 0 || heads < 1 || hidden % heads != 0)
        {
            throw new InvalidDataException(
                $"The residual network's configuration has layers [{string.Join(", ", layers)}], image_size {_shape.Side}, width {planes} and num_attention_heads {heads}: "
                + $"expected four stages of blocks, a size divisible by {Reduction}, and heads that divide {Reduction} times the width.");
        }
        _stem =
        [
            new(scope["conv1"], scope["bn1"], _shape.Channels, planes / 2, 3) { Stride = 2 }, new(scope["conv2"], scope["bn2"], planes / 2, planes / 2, 3),
            new(scope["conv3"], scope["bn3"], planes / 2, planes, 3),
        ];
        _blocks = [.. layers.SelectMany((count, stage) => Stage(scope[$"layer{stage + 1}"], count, stage, planes))];
        _pool = new AttentionPool(scope["attnpool"], _shape.Side / Reduction, hidden, heads, width);
    }

    public Tensor States(Tensor pixels, ForwardContext context)
    {
        _shape.Check(pixels);
        Tensor hidden = Begin(pixels);
        foreach (ResidualBlock block in _blocks)
        {
            Tensor next = context.Block(hidden, block.Forward);
            hidden.Dispose();
            hidden = next;
        }
        using (hidden)
        using (Tensor flat = hidden.flatten(2))
            return flat.transpose(1, 2);
    }

    public Tensor Encode(Tensor pixels, ForwardContext context)
    {
        using Tensor states = States(pixels, context);
        return _pool.Forward(states, context);
    }

    private Tensor Begin(Tensor pixels)
    {
        using var scope = NewDisposeScope();
        Tensor x = _stem.Aggregate(pixels, (input, convolution) => convolution.Forward(input).relu_());
        return nn.functional.avg_pool2d(x, 2).MoveToOuterDisposeScope();
    }

    // The first block of a stage widens, and from the second stage on halves the sides.
    private static IEnumerable<ResidualBlock> Stage(WeightScope scope, int count, int stage, int width)
    {
        int planes = width << stage, before = stage == 0 ? width : planes / 2 * ResidualBlock.Expansion;
        for (int i = 0; i < count; i++)
            yield return new ResidualBlock(scope[$"{i}"], i == 0 ? before : planes * ResidualBlock.Expansion, planes, i == 0 && stage > 0 ? 2 : 1);
    }
}
