using Microsoft.ML.Peft.Quantization;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>A frozen matrix that is kept packed; merges lie over it.</summary>
/// <param name="name">The weight's name.</param>
/// <param name="matrix">The matrix.</param>
/// <param name="owned">Whether it goes with this store; one of a checkpoint is shared.</param>
/// <param name="transposed">Whether float checkpoints hold it as [in, out].</param>
/// <param name="options">How it multiplies and merges; null for the defaults.</param>
internal sealed class QuantizedWeight(string name, PackedMatrix matrix, bool owned, bool transposed, QuantizationOptions? options) : WeightStore, IDisposable
{
    private readonly Stack<PackedMatrix> _beneath = new();

    public string Name => name;

    /// <summary>Whether it is a table of tokens or an output matrix, which files for other programs hold as floats.</summary>
    public bool IsVocabulary { get; init; }

    public PackedMatrix Matrix { get; private set; } = matrix;

    public override bool IsTransposed => transposed;

    public override long Inputs => Matrix.Inputs;

    public override long Outputs => Matrix.Outputs;

    /// <summary>Another matrix, which is the result's, in this one's place.</summary>
    public QuantizedWeight With(PackedMatrix other) => new(name, other, owned: true, transposed, options);

    public override Tensor Multiply(Tensor input, Tensor? bias) => QuantizedProduct.Apply(input, Matrix, bias, options?.QuantizeActivations ?? false);

    public override Tensor InputGradient(Tensor gradient) => Matrix.InputGradient(gradient);

    public override Tensor Rows(Tensor ids)
    {
        using var noGrad = no_grad();
        return Matrix.Rows(ids);
    }

    public override Tensor Dequantize() => Matrix.Dequantize();

    public override void Merge(Tensor delta)
    {
        using var noGrad = no_grad();
        using Tensor whole = Matrix.Dequantize();
        using Tensor sum = whole + delta;
        Substitute(options?.RequantizeMerged ?? true ? Matrix.Repack(sum, name) : new FloatMatrix(sum.clone()));
    }

    /// <summary>Lays another matrix over this one, until <see cref="Unmerge"/>; it is the store's from now on.</summary>
    public void Substitute(PackedMatrix matrix)
    {
        _beneath.Push(Matrix);
        Matrix = matrix;
    }

    public override void Unmerge()
    {
        if (!_beneath.TryPop(out PackedMatrix? beneath))
            return;
        Matrix.Dispose();
        Matrix = beneath;
    }

    public void Dispose()
    {
        while (_beneath.Count > 0)
            Unmerge();
        if (owned)
            Matrix.Dispose();
    }
}
