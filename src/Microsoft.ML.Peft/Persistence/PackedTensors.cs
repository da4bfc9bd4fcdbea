using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Quantization;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>
/// The tensors of one quantized matrix in a checkpoint that is written: known by the format beforehand, made together when the
/// first of them is written.
/// </summary>
internal sealed class PackedTensors
{
    private readonly string _key;
    private readonly bool _transposed;
    private readonly Action<Action<PackedMatrix>> _use;
    private readonly Dictionary<string, Tensor> _values = new(StringComparer.Ordinal);

    private PackedTensors(string key, bool transposed, Action<Action<PackedMatrix>> use) => (_key, _transposed, _use) = (key, transposed, use);

    /// <param name="key">The weight's name in the file.</param>
    /// <param name="format">A matrix of the format and shape.</param>
    /// <param name="transposed">Whether files of floats hold it as [in, out].</param>
    /// <param name="use">Makes the matrix and calls with it; it may be gone afterwards.</param>
    /// <exception cref="NotSupportedException">What the format writes depends on the values.</exception>
    public static IEnumerable<PlannedTensor> Plan(string key, PackedMatrix format, bool transposed, Action<Action<PackedMatrix>> use)
    {
        var tensors = new PackedTensors(key, transposed, use);
        return QuantStateFile.Plan(format.Options!, format.Type, format.Outputs, format.Inputs, key, transposed)
            .Select(part => new PlannedTensor(part.Name, part.Type, part.Shape, () => tensors.Take(part.Name, part.Shape[0])));
    }

    private Tensor Take(string name, long length)
    {
        if (_values.Count == 0)
            _use(Keep);
        _values.Remove(name, out Tensor? value);
        if (value!.size(0) == length)
            return value;
        using (value)
        using (Tensor blanks = full(length - value.size(0), (byte)' ', ScalarType.Byte, CPU))
            return cat([value, blanks]);
    }

    // Aliases: what is made for the file is theirs alone, what is the matrix's lives on with it.
    private void Keep(PackedMatrix matrix)
    {
        using var scope = NewDisposeScope();
        foreach (var (name, value) in matrix.Export(_key, _transposed))
            _values.Add(name, value.alias().DetachFromDisposeScope());
    }
}
