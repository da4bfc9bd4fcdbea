namespace Microsoft.ML.Peft;

/// <summary>
/// SplitMix64 (Steele, Lea and Flood 2014): one number of state and the same sequence on every runtime, which
/// <see cref="Random"/> alone does not promise. A stream is named by a seed and a path (epoch, step), so a run that is
/// taken up again needs no state of it.
/// </summary>
internal sealed class SplitMix64 : Random
{
    private const ulong Golden = 0x9E3779B97F4A7C15;
    private ulong _state;

    public SplitMix64(long seed, params ReadOnlySpan<long> path) => _state = (ulong)Derive(seed, path);

    /// <summary>A seed for one purpose, far from those of its neighbours.</summary>
    public static long Derive(long seed, params ReadOnlySpan<long> path)
    {
        ulong mixed = Mix((ulong)seed);
        foreach (long part in path)
            mixed = Mix((mixed + Golden) ^ Mix((ulong)part));
        return (long)mixed;
    }

    /// <summary>Fisher and Yates's shuffle, here rather than <see cref="Random.Shuffle{T}(Span{T})"/> so that its draws are fixed.</summary>
    public void Permute<T>(Span<T> values)
    {
        for (int i = values.Length - 1; i > 0; i--)
        {
            int j = Next(i + 1);
            (values[i], values[j]) = (values[j], values[i]);
        }
    }

    public override int Next() => Next(int.MaxValue);

    public override int Next(int maxValue) => Next(0, maxValue);

    public override int Next(int minValue, int maxValue) => (int)NextInt64(minValue, maxValue);

    public override long NextInt64() => NextInt64(long.MaxValue);

    public override long NextInt64(long maxValue) => NextInt64(0, maxValue);

    // Lemire's multiplication: its bias is below one part in 2^32 for any range that an array can have.
    public override long NextInt64(long minValue, long maxValue)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThan(minValue, maxValue);
        return minValue + (long)Math.BigMul(NextBits(), (ulong)(maxValue - minValue), out _);
    }

    public override double NextDouble() => Sample();

    public override float NextSingle() => (NextBits() >> 40) * (1f / (1 << 24));

    public override void NextBytes(byte[] buffer) => NextBytes(buffer.AsSpan());

    public override void NextBytes(Span<byte> buffer)
    {
        foreach (ref byte value in buffer)
            value = (byte)NextBits();
    }

    protected override double Sample() => (NextBits() >> 11) * (1.0 / (1UL << 53));

    private ulong NextBits() => Mix(_state += Golden);

    private static ulong Mix(ulong z)
    {
        z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
        z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
        return z ^ (z >> 31);
    }
}
