using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>Which positions of a sequence a head reads: the last layer computes no others.</summary>
internal abstract class PositionSelection
{
    /// <summary>Every position.</summary>
    public static PositionSelection All { get; } = new Whole();

    /// <summary>The first position ([CLS]).</summary>
    public static PositionSelection First { get; } = new Leading();

    /// <summary>The last position.</summary>
    public static PositionSelection Last { get; } = new Trailing();

    /// <summary>Given positions [B, P].</summary>
    public static PositionSelection At(Tensor positions) => new Indexed(positions);

    /// <summary>Takes the positions from [B, S, width].</summary>
    public abstract Tensor Select(Tensor states);

    /// <summary>The same tokens' positions once others stand before them; all, first and last stay what they say.</summary>
    public virtual PositionSelection Behind(long count) => this;

    /// <summary>The selection of some of the rows.</summary>
    public virtual PositionSelection Of(AdapterGroup group) => this;

    /// <summary>The positions themselves [B, P], int64.</summary>
    /// <param name="rows">B</param>
    /// <param name="length">S</param>
    /// <param name="device">Where they lie.</param>
    /// <exception cref="NotSupportedException">Every position is read.</exception>
    public abstract Tensor Indices(long rows, long length, Device device);

    private sealed class Whole : PositionSelection
    {
        public override Tensor Select(Tensor states) => states;

        public override Tensor Indices(long rows, long length, Device device) => throw new NotSupportedException(
            "Every position is read, and the adapters of the rows lengthen them differently: the rows need batches of their own.");
    }

    private sealed class Leading : PositionSelection
    {
        public override Tensor Select(Tensor states) => states.narrow(1, 0, 1);

        public override Tensor Indices(long rows, long length, Device device) => zeros([rows, 1], ScalarType.Int64, device);
    }

    private sealed class Trailing : PositionSelection
    {
        public override Tensor Select(Tensor states) => states.narrow(1, states.size(1) - 1, 1);

        public override Tensor Indices(long rows, long length, Device device) => full([rows, 1], length - 1, ScalarType.Int64, device);
    }

    private sealed class Indexed(Tensor positions) : PositionSelection
    {
        public override Tensor Select(Tensor states)
        {
            using Tensor index = positions.unsqueeze(-1);
            return states.gather(1, index.expand(-1, -1, states.size(2)));
        }

        public override PositionSelection Behind(long count) => At(positions.add(count));

        public override PositionSelection Of(AdapterGroup group) => At(group.Take(positions));

        public override Tensor Indices(long rows, long length, Device device) => positions;
    }
}
