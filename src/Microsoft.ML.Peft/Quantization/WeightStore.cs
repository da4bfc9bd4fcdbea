using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Quantization;

/// <summary>How a projection's matrix [out, in] is held: the one thing that quantization changes.</summary>
internal abstract class WeightStore
{
    public abstract long Inputs { get; }

    public abstract long Outputs { get; }

    /// <summary>Whether checkpoints hold the matrix as [in, out].</summary>
    public virtual bool IsTransposed => false;

    /// <summary>x·Wᵀ + b for x [..., in]; gradients flow to x (and to W where it is trained).</summary>
    public abstract Tensor Multiply(Tensor input, Tensor? bias);

    /// <summary>g·W for g [tokens, out].</summary>
    public abstract Tensor InputGradient(Tensor gradient);

    /// <summary>Some rows as floats [N, in], for ids [N]; gradients flow to them where the matrix is trained.</summary>
    public abstract Tensor Rows(Tensor ids);

    /// <summary>The matrix as floats [out, in]; the caller disposes the result.</summary>
    public abstract Tensor Dequantize();

    /// <summary>Multiplies by weight + delta [out, in] from now on (a merged adapter).</summary>
    public abstract void Merge(Tensor delta);

    /// <summary>Takes the last merge back, to the bit.</summary>
    public abstract void Unmerge();
}
