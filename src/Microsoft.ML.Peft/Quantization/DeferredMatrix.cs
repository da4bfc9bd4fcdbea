using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Quantization;

/// <summary>A matrix that is quantized whenever it is asked for, and never kept: for work that takes one matrix after another.</summary>
/// <param name="read">Gives the floats [out, in], in the caller's scope.</param>
/// <param name="type">Their type.</param>
/// <param name="options">The format.</param>
/// <param name="name">The weight's name, for messages.</param>
/// <param name="shape">[out, in]</param>
internal sealed class DeferredMatrix(Func<Tensor> read, ScalarType type, QuantizationOptions options, string name, (long Outputs, long Inputs) shape)
    : PackedMatrix(shape.Outputs, shape.Inputs)
{
    public override long Bytes => 0;

    public override QuantizationOptions Options => options;

    public override ScalarType Type => type;

    /// <summary>Quantizes the matrix; the caller disposes it.</summary>
    public PackedMatrix Pack()
    {
        using var scope = NewDisposeScope();
        return Quantizer.Quantize(read(), options, name);
    }

    public override Tensor Dequantize()
    {
        using PackedMatrix packed = Pack();
        return packed.Dequantize();
    }

    public override IEnumerable<(string Name, Tensor Value)> Export(string key, bool transposed) =>
        throw new NotSupportedException($"'{name}' is quantized on the way and not kept.");

    public override void Dispose() { }
}
