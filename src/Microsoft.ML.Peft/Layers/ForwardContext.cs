using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>What changes from call to call: it travels with the call, so that one model serves many threads.</summary>
internal sealed class ForwardContext
{
    public static ForwardContext Inference { get; } = new();

    /// <summary>Dropout is on.</summary>
    public bool Training { get; init; }

    /// <summary>Blocks keep their input alone and run again for the backward pass.</summary>
    public bool Checkpointing { get; init; }

    /// <summary>The adapter that every row uses; null for the bare base.</summary>
    public string? Adapter { get; init; } = DefaultAdapter;

    /// <summary>What a decoder has read before; null where it reads a whole text at once.</summary>
    public KeyValueCache? Cache { get; init; }

    public const string DefaultAdapter = "default";

    public Tensor Dropout(Tensor x, double rate) => Training && rate > 0 ? nn.functional.dropout(x, rate, true) : x;

    /// <summary>Runs one block of a model; what it makes on the way is gone afterwards, but for what backward needs.</summary>
    public Tensor Block(Tensor input, Func<Tensor, Tensor> block)
    {
        if (Checkpointing)
            return Recompute(input, block);
        using var scope = NewDisposeScope();
        return block(input).MoveToOuterDisposeScope();
    }

    /// <summary>Runs a block of which nothing is kept but its input: the backward pass runs it again.</summary>
    public Tensor Recompute(Tensor input, Func<Tensor, Tensor> block)
    {
        using var scope = NewDisposeScope();
        return GradientCheckpoint.Run(input, block).MoveToOuterDisposeScope();
    }
}
