using Microsoft.ML.Peft.Quantization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Parity;

/// <summary>
/// A 4-bit matrix as bitsandbytes 0.50.2 dequantizes it on CPUs with AVX-512 (dequantizeBlockwise4bitCpu in csrc/cpu_ops.cpp):
/// each row's scales are counted as if the row had columns / block whole blocks, which is wrong where it has not. Its own
/// scalar code, and its quantization, count along the flat matrix, as this library does.
/// </summary>
internal sealed class MisreadMatrix(Blockwise4Bit matrix) : PackedMatrix(matrix.Outputs, matrix.Inputs)
{
    private const int Register = 16, LargestBlock = 1024;

    private readonly Blockwise4Bit? _owned;

    private MisreadMatrix(Blockwise4Bit matrix, bool owned) : this(matrix) => _owned = owned ? matrix : null;

    public override long Bytes => matrix.Bytes;

    public override QuantizationOptions Options => matrix.Options;

    public static bool Differs(Blockwise4Bit matrix) =>
        matrix.Inputs % matrix.Block != 0 && matrix.Inputs % Register == 0 && matrix.Block <= LargestBlock;

    public override Tensor Dequantize()
    {
        using var scope = NewDisposeScope();
        Tensor scales = matrix.Scales.Values(), right = BlockScales.Spread(scales, matrix.Block, Outputs * Inputs).view(Outputs, Inputs);
        Tensor rows = arange(Outputs, ScalarType.Int64).unsqueeze(1) * (Inputs / matrix.Block);
        Tensor columns = arange(Inputs, ScalarType.Int64).div(matrix.Block, RoundingMode.floor).unsqueeze(0);
        Tensor misread = scales.index_select(0, (rows + columns).flatten()).view(Outputs, Inputs);
        // Values over their right scale are levels again, to a rounding.
        return (matrix.Dequantize() / right * misread).MoveToOuterDisposeScope();
    }

    public override PackedMatrix Repack(Tensor weight, string name) => new MisreadMatrix((Blockwise4Bit)matrix.Repack(weight, name), owned: true);

    public override IEnumerable<(string Name, Tensor Value)> Export(string key, bool transposed) => matrix.Export(key, transposed);

    public override void Dispose() => _owned?.Dispose();
}
