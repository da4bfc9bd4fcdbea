namespace Microsoft.ML.Peft.Quantization;

/// <summary>The 16 levels of a 4-bit format, each by its code.</summary>
internal sealed class FourBitCode
{
    private FourBitCode(string name, float[] levels)
    {
        (Name, Levels) = (name, levels);
        // The first of equal levels comes first: that of zero is a small negative number's too.
        Order = [.. Enumerable.Range(0, levels.Length).OrderBy(code => levels[code]).Select(code => (byte)code)];
        Bounds = [.. Order.Zip(Order.Skip(1), (low, high) => (levels[low] + levels[high]) / 2)];
    }

    /// <summary>NF4: quantiles of a normal distribution (QLoRA, appendix E).</summary>
    public static FourBitCode Nf4 { get; } = new("nf4",
    [
        -1, -0.6961928009986877f, -0.5250730514526367f, -0.39491748809814453f, -0.28444138169288635f, -0.18477343022823334f,
        -0.09105003625154495f, 0, 0.07958029955625534f, 0.16093020141124725f, 0.24611230194568634f, 0.33791524171829224f,
        0.44070982933044434f, 0.5626170039176941f, 0.7229568362236023f, 1,
    ]);

    /// <summary>FP4: sign, two bits of exponent, one of mantissa, as parts of the largest.</summary>
    public static FourBitCode Fp4 { get; } = new("fp4",
    [
        0, 0.0625f / 12, 8f / 12, 1, 4f / 12, 6f / 12, 2f / 12, 3f / 12, 0, -0.0625f / 12, -8f / 12, -1, -4f / 12, -6f / 12, -2f / 12, -3f / 12,
    ]);

    public static IReadOnlyList<FourBitCode> All { get; } = [Nf4, Fp4];

    /// <summary>The code of a format; null for one that is no 4-bit format.</summary>
    public static FourBitCode? Of(QuantizationFormat format) => format switch
    {
        QuantizationFormat.Nf4 => Nf4,
        QuantizationFormat.Fp4 => Fp4,
        _ => null,
    };

    /// <summary>The name in files.</summary>
    public string Name { get; }

    public float[] Levels { get; }

    /// <summary>Codes by rising level.</summary>
    public byte[] Order { get; }

    /// <summary>A value is of the level that as many bounds lie below.</summary>
    public float[] Bounds { get; }
}
