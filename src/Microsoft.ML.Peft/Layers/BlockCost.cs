namespace Microsoft.ML.Peft.Layers;

/// <summary>What a block of a model holds and computes in a training step, besides its weights.</summary>
/// <param name="Input">Floats that come in: all that gradient checkpointing keeps.</param>
/// <param name="Kept">Floats that the backward pass reads, the input included.</param>
/// <param name="Made">Floats that exist while the block runs.</param>
/// <param name="Gradients">Floats that exist besides while its backward pass runs.</param>
/// <param name="Attention">Floating-point operations of the attention in the forward pass.</param>
internal readonly record struct BlockCost(long Input, long Kept, long Made, long Gradients, double Attention)
{
    /// <summary>The operations of scores and weighted sums over heads of so many values together.</summary>
    public static double AttentionOf(long queries, long keys, long width) => 4.0 * queries * keys * width;
}

/// <summary>The size of a batch.</summary>
/// <param name="Rows">B</param>
/// <param name="Length">S</param>
/// <param name="Read">Positions of a row that the head reads.</param>
/// <param name="IsPacked">Rows hold several texts.</param>
/// <param name="IsPadded">Some row is shorter than the longest.</param>
internal sealed record BatchShape(long Rows, long Length, long Read, bool IsPacked, bool IsPadded)
{
    public long Tokens => Rows * Length;

    public long ReadTokens => Rows * Read;
}
