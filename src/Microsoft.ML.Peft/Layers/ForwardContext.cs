using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>
/// What changes from call to call: it travels with the call, so that one model serves many threads. One with
/// <see cref="Seeds"/> is for a single forward pass (and its backward pass).
/// </summary>
internal sealed record ForwardContext
{
    public static ForwardContext Inference { get; } = new();

    /// <summary>Where dropout takes its seeds from; null: it is off.</summary>
    public DropoutSeeds? Seeds { get; init; }

    /// <summary>Dropout is on.</summary>
    public bool Training => Seeds is not null;

    /// <summary>Blocks keep their input alone and run again for the backward pass.</summary>
    public bool Checkpointing { get; init; }

    /// <summary>The share of a batch that is run in its place, to measure it: what is done in pieces is done in as many.</summary>
    public double Share { get; init; } = 1;

    /// <summary>The adapter that every row uses; null for the bare base.</summary>
    public string? Adapter { get; init; } = DefaultAdapter;

    /// <summary>The adapters of the rows where they differ, and <see cref="Adapter"/> counts for nothing; null where all use that one.</summary>
    public AdapterRows? Rows { get; private init; }

    /// <summary>Sees the hidden states before each block, which last as long as the block runs; null where nobody looks.</summary>
    public Action<Tensor>? BeforeBlock { get; init; }

    /// <summary>Sees the keys and values [B, groups, S, size] that each attention makes, before those of tuners join them; null where nobody looks.</summary>
    public Action<AttentionSite, Tensor, Tensor>? SeesKeys { get; init; }

    /// <summary>What a decoder has read before; null where it reads a whole text at once.</summary>
    public KeyValueCache? Cache { get; init; }

    /// <summary>How many such calls run at once; null where nobody else is there.</summary>
    public ForwardLimit? Limit { get; init; }

    /// <summary>What a decoder attends to besides its own text; null where that is nothing.</summary>
    public EncoderMemory? Memory { get; init; }

    public const string DefaultAdapter = "default";

    /// <summary>A call whose rows use adapters of their own; the caller disposes its <see cref="Rows"/>.</summary>
    /// <param name="adapters">The name for each row; null for the bare base.</param>
    /// <param name="device">Where the batch lies.</param>
    /// <param name="limit">How many such calls run at once.</param>
    public static ForwardContext ForRows(IReadOnlyList<string?> adapters, Device device, ForwardLimit? limit = null) =>
        adapters.Distinct().Count() == 1
            ? new ForwardContext { Adapter = adapters[0], Limit = limit }
            : new ForwardContext { Adapter = null, Limit = limit, Rows = new AdapterRows(adapters, device) };

    /// <summary>The next dropout of this pass; null where nothing is dropped.</summary>
    public DropoutSite? NextDropout(double rate) => rate > 0 ? Seeds?.Next(rate) : null;

    public Tensor Dropout(Tensor x, double rate) => NextDropout(rate) is { } site ? Layers.Dropout.Apply(x, site) : x;

    /// <summary>A residual plus a sublayer's output, which is dropped out and overwritten in training.</summary>
    public Tensor Residual(Tensor residual, Tensor output, double rate) =>
        NextDropout(rate) is { } site ? DroppedSum.Of(residual, output, site) : Elementwise.Add(residual, output);

    /// <summary>Runs one block of a model; what it makes on the way is gone afterwards, but for what backward needs.</summary>
    public Tensor Block(Tensor input, Func<Tensor, Tensor> block) => Block(inputs => block(inputs[0]), input);

    /// <summary>Runs one block of several inputs: what a block reads of the step and was computed must be among them.</summary>
    public Tensor Block(Func<Tensor[], Tensor> block, params Tensor[] inputs)
    {
        BeforeBlock?.Invoke(inputs[0]);
        if (Checkpointing)
            return Recompute(block, inputs);
        using var scope = NewDisposeScope();
        return block(inputs).MoveToOuterDisposeScope();
    }

    /// <summary>Runs a block of which nothing is kept but its inputs: the backward pass runs it again.</summary>
    public Tensor Recompute(Func<Tensor[], Tensor> block, params Tensor[] inputs)
    {
        using var scope = NewDisposeScope();
        return GradientCheckpoint.Run(Seeds?.Replaying(block) ?? block, inputs).MoveToOuterDisposeScope();
    }
}
