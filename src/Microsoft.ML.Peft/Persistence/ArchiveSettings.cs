using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Registration;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>A manifest with the objects that it stands for.</summary>
internal sealed record ArchiveSettings(Manifest Manifest, PeftTask Task, TunerOptions Tuner, LabelSet Labels, HfConfig Config, ModelEntry Model)
{
    /// <exception cref="InvalidDataException">The manifest is newer than the library, malformed, or names what is not known.</exception>
    /// <exception cref="FileNotFoundException">It names an assembly that is not there.</exception>
    public static ArchiveSettings Parse(byte[] utf8)
    {
        Manifest manifest = Manifest.Parse(utf8);
        return Failure.IsInvalidData("The archive's manifest", () =>
        {
            if (manifest is not { Processor: null, Tasks: [var task] })
                throw new NotSupportedException("The archive's model has an input processor or several tasks, which this version of the library does not load.");
            TunerOptions tuner = TunerOf(manifest.Tuner);
            tuner.Create().Dispose();
            foreach (BaseEntry origin in manifest.Bases.Values)
                origin.Quantization?.Validate();
            HfConfig config = HfConfig.Parse(manifest.Config.ToJsonString(), "the archive's config.json");
            return new ArchiveSettings(
                manifest, TaskRegistry.FromJson(task.Key, task.Settings, task.Assembly), tuner, LabelSet.FromJson(task.Labels), config, ModelOf(manifest, config));
        });
    }

    /// <exception cref="InvalidDataException">The key or the settings are not known.</exception>
    /// <exception cref="FileNotFoundException">The assembly is not there.</exception>
    public static TunerOptions TunerOf(KeyedSettings tuner) => TunerRegistry.FromJson(tuner.Key, tuner.Settings, tuner.Assembly);

    private static ModelEntry ModelOf(Manifest manifest, HfConfig config) => manifest.Model is { } model
        ? Registries.Shared.Find<ModelEntry>(ModelRegistry.Kind, model.Key, model.Assembly)
        : ModelRegistry.Choose(config, Registries.Shared.All<ModelEntry>());
}
