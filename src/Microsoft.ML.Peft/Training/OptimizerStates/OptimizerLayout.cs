using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training.OptimizerStates;

/// <summary>What an optimizer keeps of the gradients, and how: the one thing in which the optimizers differ.</summary>
/// <param name="Format">The form of the moments.</param>
/// <param name="IsPaged">Whether they lie in paged memory.</param>
internal sealed record OptimizerLayout(IMomentFormat Format, bool IsPaged)
{
    private static readonly IMomentFormat Dense = new DenseFormat(), Blockwise = new BlockwiseFormat(), Momentum = new VelocityFormat();

    private static readonly Dictionary<TrainingOptimizer, OptimizerLayout> Layouts = new()
    {
        [TrainingOptimizer.AdamW] = new(Dense, IsPaged: false),
        [TrainingOptimizer.PagedAdamW32Bit] = new(Dense, IsPaged: true),
        [TrainingOptimizer.AdamW8Bit] = new(Blockwise, IsPaged: false),
        [TrainingOptimizer.PagedAdamW8Bit] = new(Blockwise, IsPaged: true),
        [TrainingOptimizer.Sgd] = new(Momentum, IsPaged: false),
    };

    public static OptimizerLayout Of(TrainingOptimizer optimizer) => Layouts[optimizer];

    public IStateMemory CreateMemory() => IsPaged ? new PagedMemory() : new ResidentMemory();

    private sealed class DenseFormat : IMomentFormat
    {
        public string Name => "dense";

        public Moments Create(Tensor parameter, IStateMemory memory) => new DenseMoments(parameter, memory);

        public long Bytes(Tensor parameter) => 2 * parameter.numel() * parameter.element_size();
    }

    private sealed class BlockwiseFormat : IMomentFormat
    {
        public string Name => "blockwise";

        public Moments Create(Tensor parameter, IStateMemory memory) =>
            IsSmall(parameter) ? Dense.Create(parameter, memory) : new BlockwiseMoments(parameter, memory);

        public long Bytes(Tensor parameter) => IsSmall(parameter) ? Dense.Bytes(parameter) : BlockwiseMoments.BytesOf(parameter.numel());

        private static bool IsSmall(Tensor parameter) => parameter.numel() < BlockwiseMoments.FewestValues;
    }

    private sealed class VelocityFormat : IMomentFormat
    {
        public string Name => "velocity";

        public Moments Create(Tensor parameter, IStateMemory memory) => new Velocity(parameter, memory);

        public long Bytes(Tensor parameter) => parameter.numel() * parameter.element_size();
    }
}

/// <summary>A form of moments.</summary>
internal interface IMomentFormat
{
    /// <summary>Runs whose states have the same form may take up each other's.</summary>
    string Name { get; }

    /// <summary>The moments of a parameter that has not taken a step.</summary>
    Moments Create(Tensor parameter, IStateMemory memory);

    /// <summary>The memory that a parameter's moments take.</summary>
    long Bytes(Tensor parameter);
}
