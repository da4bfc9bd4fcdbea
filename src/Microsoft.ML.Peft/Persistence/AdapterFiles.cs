using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>Adapters as they come: a PEFT folder, or a .gguf file. Whoever takes one takes it from here, so that all check the same.</summary>
internal static class AdapterFiles
{
    /// <summary>Opens an adapter for a model; the caller disposes it.</summary>
    /// <exception cref="InvalidDataException">The files are malformed, or of another architecture or base.</exception>
    /// <exception cref="NotSupportedException">The adapter is of a kind, or uses a setting, that is not supported.</exception>
    public static AdapterState Open(string path, PretrainedModel model, bool allowOtherBase) =>
        Open(path, model.Config, () => model.Weights.Checkpoint?.ContentHash, allowOtherBase);

    /// <summary>Opens an adapter for a base; the caller disposes it.</summary>
    /// <param name="path">A PEFT folder, or a .gguf file.</param>
    /// <param name="config">The base's configuration.</param>
    /// <param name="baseHash">Gives SHA-256 of the base's weights, null where it is not known; asked only if the adapter names its base's.</param>
    /// <param name="allowOtherBase">Whether the adapter may name another base.</param>
    /// <exception cref="InvalidDataException">The files are malformed, or of another architecture or base.</exception>
    /// <exception cref="NotSupportedException">The adapter is of a kind, or uses a setting, that is not supported.</exception>
    public static AdapterState Open(string path, HfConfig config, Func<string?> baseHash, bool allowOtherBase)
    {
        AdapterState adapter = Read(path, config);
        return Failure.Disposes(adapter, () =>
        {
            if (!allowOtherBase)
                CheckBase(adapter, path, baseHash);
            FiniteWeights.Check(adapter.Tensors);
            return adapter;
        });
    }

    /// <summary>The settings of an adapter alone.</summary>
    /// <param name="path">A PEFT folder, or a .gguf file.</param>
    /// <param name="model">The folder or file of the base.</param>
    /// <exception cref="InvalidDataException">The files are malformed, or of another architecture.</exception>
    /// <exception cref="NotSupportedException">The adapter is of a kind, or uses a setting, that is not supported.</exception>
    public static TunerOptions ReadSettings(string path, string model)
    {
        ModelPath.Check(path, "The adapter");
        if (!File.Exists(path))
            return Served(AdapterFolder.ReadOptions(path), path);
        using AdapterState adapter = Read(path, HfConfig.Load(model));
        return adapter.Settings;
    }

    private static AdapterState Read(string path, HfConfig config)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        ModelPath.Check(path, "The adapter");
        AdapterState adapter = File.Exists(path) ? TunerRegistry.FromGguf(path, config) : AdapterFolder.Read(path);
        return Failure.Disposes(adapter, () =>
        {
            Served(adapter.Settings, path);
            return adapter;
        });
    }

    private static TunerOptions Served(TunerOptions settings, string path) => settings.Entry.IsServed ? settings : throw new NotSupportedException(
        $"The adapter in '{path}' has the peft_type '{settings.Entry.Peft?.Type ?? settings.Key}', which has no estimator here yet.");

    private static void CheckBase(AdapterState adapter, string path, Func<string?> baseHash)
    {
        if (adapter.BaseSha256 is { } wanted && baseHash() is { } found && !string.Equals(wanted, found, StringComparison.OrdinalIgnoreCase))
        {
            throw new InvalidDataException(
                $"The adapter in '{path}' was trained on a base whose weights have SHA-256 {wanted}; this base has {found}. "
                + "The same base in another precision or format has another hash: if it is that, allow another base (allowOtherBase).");
        }
    }
}
