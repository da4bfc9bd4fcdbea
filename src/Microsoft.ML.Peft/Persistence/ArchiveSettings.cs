using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>A manifest with the objects that it stands for.</summary>
internal sealed record ArchiveSettings(Manifest Manifest, PeftTask Task, TunerOptions Tuner, LabelSet Labels, HfConfig Config)
{
    /// <exception cref="InvalidDataException">The manifest is newer than the library, malformed, or names what is not known.</exception>
    public static ArchiveSettings Parse(byte[] utf8)
    {
        Manifest manifest = Manifest.Parse(utf8);
        return Failure.IsInvalidData("The archive's manifest", () =>
        {
            TunerOptions tuner = TunerRegistry.FromJson(manifest.Tuner.Key, manifest.Tuner.Settings);
            tuner.Create().Dispose();
            manifest.Base.Quantization?.Validate();
            return new ArchiveSettings(
                manifest, TaskRegistry.FromJson(manifest.Task.Key, manifest.Task.Settings), tuner, LabelSet.FromJson(manifest.Labels),
                HfConfig.Parse(manifest.Config.ToJsonString(), "the archive's config.json"));
        });
    }
}
