using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Quantization;

/// <summary>A frozen matrix [out, in] in a format of its own. It belongs to no dispose scope.</summary>
internal abstract class PackedMatrix(long outputs, long inputs) : IDisposable
{
    public long Outputs { get; } = outputs;

    public long Inputs { get; } = inputs;

    /// <summary>The memory that it takes.</summary>
    public abstract long Bytes { get; }

    /// <summary>The settings that give its format; null for floats.</summary>
    public abstract QuantizationOptions? Options { get; }

    /// <summary>The type that the weight had.</summary>
    public virtual ScalarType Type => ScalarType.Float32;

    /// <summary>The memory that a product takes for unpacked weights.</summary>
    public virtual long UnpackedBytes => Outputs * Inputs * sizeof(float);

    /// <summary>The matrix as floats; the caller's.</summary>
    public abstract Tensor Dequantize();

    /// <summary>Some of its rows as floats, for ids [N]; the caller's.</summary>
    public virtual Tensor Rows(Tensor ids)
    {
        using Tensor weight = Dequantize();
        return weight.index_select(0, ids);
    }

    /// <summary>x·Wᵀ + b for x [..., in].</summary>
    public virtual Tensor Product(Tensor input, Tensor? bias)
    {
        using Tensor weight = Dequantize();
        return nn.functional.linear(input, weight, bias);
    }

    /// <summary>The same with x rounded to 8 bits, where the format has a kernel for it.</summary>
    public virtual Tensor RoundedProduct(Tensor input, Tensor? bias) => Product(input, bias);

    /// <summary>g·W for g [tokens, out].</summary>
    public virtual Tensor InputGradient(Tensor gradient)
    {
        using Tensor weight = Dequantize();
        return gradient.mm(weight);
    }

    /// <summary>Another matrix in the same format.</summary>
    /// <exception cref="InvalidDataException">It has a value that is not finite; the message says <paramref name="name"/>.</exception>
    public virtual PackedMatrix Repack(Tensor weight, string name) => Quantizer.Quantize(weight, Options!, name);

    /// <summary>The tensors that keep it in a file, named as bitsandbytes does. What has to be made belongs to the caller's scope.</summary>
    /// <param name="key">The weight's name.</param>
    /// <param name="transposed">Whether files of floats hold it as [in, out].</param>
    public abstract IEnumerable<(string Name, Tensor Value)> Export(string key, bool transposed);

    public abstract void Dispose();
}

/// <summary>A matrix that stayed in floats: one that an adapter was merged into.</summary>
internal sealed class FloatMatrix(Tensor weight) : PackedMatrix(weight.size(0), weight.size(1))
{
    private readonly Tensor _weight = weight.DetachFromDisposeScope();

    public override long Bytes => _weight.numel() * sizeof(float);

    public override QuantizationOptions? Options => null;

    public override Tensor Dequantize() => _weight.alias();

    public override PackedMatrix Repack(Tensor weight, string name) => new FloatMatrix(weight.clone());

    public override IEnumerable<(string Name, Tensor Value)> Export(string key, bool transposed) => [(key, transposed ? _weight.t() : _weight)];

    public override void Dispose() => _weight.Dispose();
}
