using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
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
            if (manifest.Tasks is not [var task])
                throw new NotSupportedException($"The archive's model has several tasks ({manifest.Tasks.Count}); this version of the library loads one.");
            TunerOptions tuner = TunerOf(manifest.Tuner);
            tuner.Create().Dispose();
            foreach (BaseEntry origin in manifest.Bases.Values)
                origin.Quantization?.Validate();
            HfConfig config = HfConfig.Parse(manifest.Config.ToJsonString(), "the archive's config.json");
            ModelEntry model = ModelOf(manifest, config);
            PeftTask written = TaskRegistry.FromJson(task.Key, task.Settings, task.Assembly).WrittenBy(WritingModels.Of(model.Type));
            return new ArchiveSettings(manifest, written, tuner, LabelSet.FromJson(task.Labels), config, model);
        });
    }

    /// <exception cref="InvalidDataException">The key or the settings are not known.</exception>
    /// <exception cref="FileNotFoundException">The assembly is not there.</exception>
    public static TunerOptions TunerOf(KeyedSettings tuner) => TunerRegistry.FromJson(tuner.Key, tuner.Settings, tuner.Assembly);

    /// <summary>What makes the model's inputs.</summary>
    /// <param name="files">Its files.</param>
    /// <exception cref="InvalidDataException">The key, the settings or the files are not known.</exception>
    /// <exception cref="FileNotFoundException">The assembly is not there.</exception>
    public InputProcessor RestoreProcessor(IReadOnlyDictionary<string, byte[]> files) => Manifest.Processor is { } saved
        ? Registries.Shared.Find<ProcessorEntry>(ProcessorRegistry.Kind, saved.Key, saved.Assembly).Restore(saved.Settings, files)
        : TextProcessor.Of(files);

    private static ModelEntry ModelOf(Manifest manifest, HfConfig config) => manifest.Model is { } model
        ? Registries.Shared.Find<ModelEntry>(ModelRegistry.Kind, model.Key, model.Assembly)
        : ModelRegistry.Choose(config, Registries.Shared.All<ModelEntry>());
}
