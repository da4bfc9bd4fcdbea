using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Quantization;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>
/// LoRA over a packed matrix of the adapter's own, as LoftQ makes it in its later iterations. It stands in for the base's under this
/// adapter alone, and is saved with it.
/// </summary>
internal sealed class RequantizedProjection(Projection site, Projection own, QuantizedWeight matrix, IWeightDelta delta) : TunedPart
{
    private const string MatrixName = ".base_layer.weight";

    private readonly TunedProjection _tuned = new(own, delta);

    public override string Path => site.Path;

    public override IReadOnlyList<Parameter> Parameters => _tuned.Parameters;

    /// <summary>The name of a module's own matrix in files.</summary>
    public static string KeyOf(string path) => path + MatrixName;

    /// <summary>A matrix that was saved.</summary>
    /// <exception cref="InvalidDataException">Its parts do not fit one another, or the base's matrix.</exception>
    public static PackedMatrix Read(ITensorSource saved, Projection site, Device device) => QuantStateFile.Read(
        saved, PeftNames.Prefix + KeyOf(site.Path), site.Weight.Outputs, site.Weight.Inputs, device);

    /// <summary>Whether a saved tensor is part of the matrix.</summary>
    public bool Holds(string name) => name == KeyOf(Path) || QuantStateFile.IsPartOf(name, KeyOf(Path));

    public override IEnumerable<(string Name, Tensor Value)> Export() => _tuned.Export().Concat(matrix.Matrix.Export(KeyOf(Path), transposed: false));

    public override bool Wraps(Parameter parameter) => _tuned.Wraps(parameter);

    public override void Attach(string adapter)
    {
        _tuned.Attach(adapter);
        site.Attach(adapter, own);
    }

    public override void Detach(string adapter)
    {
        site.Detach(adapter);
        _tuned.Detach(adapter);
    }

    /// <summary>Its own matrix takes the update in; it stays in its slot.</summary>
    public override void Merge(string adapter) => _tuned.Merge(adapter);

    public override void Unmerge(string adapter) => _tuned.Unmerge(adapter);

    public override IEnumerable<MergedWeight> MergedWeights() => _tuned.MergedWeights();

    public override void Dispose()
    {
        _tuned.Dispose();
        matrix.Dispose();
    }
}
