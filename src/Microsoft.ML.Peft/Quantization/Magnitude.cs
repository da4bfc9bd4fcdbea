namespace Microsoft.ML.Peft.Quantization;

/// <summary>The largest magnitude of values.</summary>
internal static class Magnitude
{
    // As integers, so that an infinity or a NaN wins.
    public static unsafe float Largest(float* values, int count)
    {
        int high = 0;
        for (int i = 0; i < count; i++)
            high = Math.Max(high, BitConverter.SingleToInt32Bits(values[i]) & int.MaxValue);
        return BitConverter.Int32BitsToSingle(high);
    }
}
