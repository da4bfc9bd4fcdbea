using System.Numerics;
using System.Text.Json;

namespace Microsoft.ML.Peft;

/// <summary>How a weight's numbers are written in few bits.</summary>
public enum QuantizationFormat
{
    /// <summary>4-bit NormalFloat (QLoRA, Dettmers et al. 2023): 16 levels that suit weights of a normal distribution. The default.</summary>
    Nf4,

    /// <summary>4-bit floating point: a sign, two bits of exponent and one of mantissa.</summary>
    Fp4,

    /// <summary>8 bits in blocks, with the dynamic levels of Dettmers et al. (2022), dense around 0.</summary>
    Int8,

    /// <summary>8-bit integers with a scale for each row, as LLM.int8 (Dettmers et al. 2022) keeps its weights.</summary>
    Int8Rowwise,

    /// <summary>
    /// bfloat16, the upper half of a float: half the memory of floats, and half the time of a decoded token on a CPU, where reading
    /// the weights decides it. Products multiply by float inputs.
    /// </summary>
    BFloat16,
}

/// <summary>Settings of a base whose matrices are kept in 4 or 8 bits, as bitsandbytes keeps them.</summary>
public sealed class QuantizationOptions
{
    private const int SmallestBlock = 32, LargestBlock = 4096;

    /// <summary>The format; <see cref="QuantizationFormat.Nf4"/> by default.</summary>
    public QuantizationFormat Format { get; set; }

    /// <summary>Weights that share a scale: a power of two from 32 to 4096; 64 by default. Row-wise formats have no blocks.</summary>
    public int BlockSize { get; set; } = 64;

    /// <summary>
    /// Whether the scales of 4-bit blocks are kept in 8 bits in their turn, which saves 0.37 bits a weight; null (the default) for
    /// the method's own: on in <see cref="QloraFineTune"/>, off elsewhere.
    /// </summary>
    public bool? DoubleQuantization { get; set; }

    /// <summary>
    /// Of a row-wise format: columns with a weight at least this large are kept as floats beside the integers; 0 (the default)
    /// for none.
    /// </summary>
    public double OutlierThreshold { get; set; }

    /// <summary>Whether a matrix that an adapter was merged into is quantized again, as PEFT does (the default), or is kept in floats.</summary>
    [NotLearnt]
    public bool RequantizeMerged { get; set; } = true;

    /// <summary>
    /// Whether products round their inputs to 8 bits in groups of 64, as llama.cpp does: faster, by several times for one token,
    /// and off by about a hundredth; off by default. For 4-bit formats with blocks of 64 or more and for row-wise integers, on CPUs
    /// with the native library; elsewhere, and in the backward pass, inputs stay floats.
    /// </summary>
    public bool QuantizeActivations { get; set; }

    /// <summary>
    /// The format of the matrices whose rows are the vocabulary's, the table of tokens and the output matrix of language models:
    /// <see cref="QuantizationFormat.Int8Rowwise"/> or <see cref="QuantizationFormat.BFloat16"/>; null (the default) for floats, as
    /// bitsandbytes keeps them. Of a small model they are most of what a decoded token reads. No tuner can change
    /// the table then; the output matrix takes LoRA as any quantized one does.
    /// </summary>
    public QuantizationFormat? VocabularyFormat { get; set; }

    /// <summary>The settings of the vocabulary's matrices; null for floats.</summary>
    internal QuantizationOptions? OfVocabulary => VocabularyFormat is not { } format ? null
        : new() { Format = format, QuantizeActivations = QuantizeActivations, RequantizeMerged = RequantizeMerged };

    /// <summary>The same text for the same settings.</summary>
    internal string Key => JsonSerializer.Serialize(Over(doubleQuantization: false));

    /// <summary>These settings, with a method's own where nothing is said; a format that has no second quantization gets none.</summary>
    internal QuantizationOptions Over(bool doubleQuantization)
    {
        var copy = (QuantizationOptions)MemberwiseClone();
        copy.DoubleQuantization ??= doubleQuantization && IsFourBit;
        return copy;
    }

    private bool IsFourBit => Format is QuantizationFormat.Nf4 or QuantizationFormat.Fp4;

    /// <exception cref="ArgumentException">A setting is out of range; the message names it.</exception>
    internal void Validate()
    {
        if (!Enum.IsDefined(Format))
            throw new ArgumentOutOfRangeException(nameof(Format), Format, $"{nameof(Format)} is not one of the formats.");
        if (BlockSize is < SmallestBlock or > LargestBlock || !BitOperations.IsPow2(BlockSize))
        {
            throw new ArgumentOutOfRangeException(
                nameof(BlockSize), BlockSize, $"{nameof(BlockSize)} must be a power of two from {SmallestBlock} to {LargestBlock}.");
        }
        if (DoubleQuantization is true && !IsFourBit)
            throw new ArgumentException($"{nameof(DoubleQuantization)} is for 4-bit formats, not for {Format}.", nameof(DoubleQuantization));
        if (VocabularyFormat is not (null or QuantizationFormat.Int8Rowwise or QuantizationFormat.BFloat16))
        {
            throw new ArgumentOutOfRangeException(
                nameof(VocabularyFormat), VocabularyFormat,
                $"{nameof(VocabularyFormat)} must be {QuantizationFormat.Int8Rowwise}, {QuantizationFormat.BFloat16} or null.");
        }
        if (!(OutlierThreshold >= 0) || (OutlierThreshold > 0 && Format != QuantizationFormat.Int8Rowwise))
        {
            throw new ArgumentOutOfRangeException(
                nameof(OutlierThreshold), OutlierThreshold, $"{nameof(OutlierThreshold)} must be 0 or more, and 0 unless the format is {QuantizationFormat.Int8Rowwise}.");
        }
    }
}
