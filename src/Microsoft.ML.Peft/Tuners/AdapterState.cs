using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>An adapter as files hold it: its settings, and its tensors under PEFT's names.</summary>
/// <param name="Name">What the user calls it.</param>
/// <param name="Settings">The settings with which the tensors load.</param>
/// <param name="Tensors">The tensors.</param>
internal sealed record AdapterState(string Name, TunerOptions Settings, ITensorSource Tensors) : IDisposable
{
    /// <summary>SHA-256 of the base's weights; null where the files do not say.</summary>
    public string? BaseSha256 { get; init; }

    /// <summary>The labels that its classifier tells apart, as JSON; null where the files do not say.</summary>
    public string? Labels { get; init; }

    /// <summary>The state of an attached tuner, as views of its parameters where these are saved as they are.</summary>
    public static AdapterState Of(string name, ITuner tuner, TunerOptions settings) => new(
        name, tuner.SettingsForExport(settings),
        new HeldTensors($"Adapter '{name}'", tuner.Export().ToDictionary(t => t.Name, t => t.Value.alias().DetachFromDisposeScope())));

    public void Dispose() => Tensors.Dispose();
}
