namespace Microsoft.ML.Peft.Layers;

/// <summary>One place in one forward pass where dropout happens: the same place and seed always drop the same elements.</summary>
internal sealed record DropoutSite(double Rate, long Seed);

/// <summary>Hands every dropout of a forward pass a seed of its own, from the pass's key and a running number.</summary>
internal sealed class DropoutSeeds(long key)
{
    // Odd, so that no two numbers meet; whoever draws mixes the bits.
    private const long Stride = unchecked((long)0x9E3779B97F4A7C15);

    private int _used;

    public DropoutSite Next(double rate) => new(rate, unchecked(key + ++_used * Stride));

    /// <summary>Makes a block that draws the same numbers whenever it runs.</summary>
    public Func<TIn, TOut> Replaying<TIn, TOut>(Func<TIn, TOut> block)
    {
        int start = _used;
        return x =>
        {
            int before = _used;
            _used = start;
            TOut result = block(x);
            _used = Math.Max(before, _used);
            return result;
        };
    }
}
