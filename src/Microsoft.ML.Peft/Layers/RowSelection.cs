using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>Which positions of a sequence a head reads: the last layer computes no others.</summary>
internal abstract class RowSelection
{
    /// <summary>Every position.</summary>
    public static RowSelection All { get; } = new Whole();

    /// <summary>The first position ([CLS]).</summary>
    public static RowSelection First { get; } = new Leading();

    /// <summary>The last position.</summary>
    public static RowSelection Last { get; } = new Trailing();

    /// <summary>Given positions [B, P].</summary>
    public static RowSelection At(Tensor positions) => new Indexed(positions);

    /// <summary>Takes the positions from [B, S, width].</summary>
    public abstract Tensor Select(Tensor states);

    private sealed class Whole : RowSelection
    {
        public override Tensor Select(Tensor states) => states;
    }

    private sealed class Leading : RowSelection
    {
        public override Tensor Select(Tensor states) => states.narrow(1, 0, 1);
    }

    private sealed class Trailing : RowSelection
    {
        public override Tensor Select(Tensor states) => states.narrow(1, states.shape[1] - 1, 1);
    }

    private sealed class Indexed(Tensor positions) : RowSelection
    {
        public override Tensor Select(Tensor states)
        {
            using Tensor index = positions.unsqueeze(-1);
            return states.gather(1, index.expand(-1, -1, states.shape[2]));
        }
    }
}
