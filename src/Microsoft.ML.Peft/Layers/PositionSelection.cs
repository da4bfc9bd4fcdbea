using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>Which positions of a sequence a head reads: the last layer computes no others.</summary>
internal abstract class PositionSelection
{
    /// <summary>Every position.</summary>
    public static PositionSelection All { get; } = new Whole();

    /// <summary>The first position ([CLS]).</summary>
    public static PositionSelection First { get; } = new Leading(0);

    /// <summary>The last position.</summary>
    public static PositionSelection Last { get; } = new Trailing(1);

    /// <summary>The last positions: all tokens of rows of that length, whatever stands before them.</summary>
    public static PositionSelection End(long count) => new Trailing(count);

    /// <summary>Given positions [B, P].</summary>
    public static PositionSelection At(Tensor positions) => new Indexed(positions);

    /// <summary>Takes the positions from [B, S, width].</summary>
    public abstract Tensor Select(Tensor states);

    /// <summary>The same tokens' positions once others stand before them; all and last stay what they say.</summary>
    /// <param name="count">How many stand before them.</param>
    /// <param name="movesFirst">Whether the first position is a token's, which moves; else it stays the first of the row.</param>
    public virtual PositionSelection Behind(long count, bool movesFirst = false) => this;

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

    private sealed class Leading(long place) : PositionSelection
    {
        public override Tensor Select(Tensor states) => states.narrow(1, place, 1);

        public override PositionSelection Behind(long count, bool movesFirst) => movesFirst ? new Leading(place + count) : this;

        public override Tensor Indices(long rows, long length, Device device) => full([rows, 1], place, ScalarType.Int64, device);
    }

    private sealed class Trailing(long count) : PositionSelection
    {
        public override Tensor Select(Tensor states) => states.narrow(1, states.size(1) - count, count);

        public override Tensor Indices(long rows, long length, Device device) =>
            arange(length - count, length, ScalarType.Int64, device).unsqueeze(0).expand(rows, -1);
    }

    private sealed class Indexed(Tensor positions) : PositionSelection
    {
        public override Tensor Select(Tensor states)
        {
            using Tensor index = positions.unsqueeze(-1);
            return states.gather(1, index.expand(-1, -1, states.size(2)));
        }

        public override PositionSelection Behind(long count, bool movesFirst) => At(positions.add(count));

        public override PositionSelection Of(AdapterGroup group) => At(group.Take(positions));

        public override Tensor Indices(long rows, long length, Device device) => positions;
    }
}
