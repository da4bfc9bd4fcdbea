using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using TorchSharp;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>The only writer and reader of a transformer's part of an archive.</summary>
internal static class ModelArchive
{
    private const string ManifestName = "manifest.json", TunedName = "tuned.safetensors", BaseName = "base.safetensors";

    public static void Save(ArchiveWriter archive, ArchivedModel saved)
    {
        BaseEntry origin = OriginOf(saved);
        Manifest manifest = Describe(saved, origin);
        archive.Write(ManifestName, stream => stream.Write(manifest.ToUtf8()));
        saved.Tokenizer.Write(archive);
        using (torch.NewDisposeScope())
            archive.WriteStored(TunedName, stream => SafetensorsWriter.Write(stream, saved.Model.Tuner.Export()));
        if (origin.Kind == BaseKind.Embedded)
            archive.WriteStored(BaseName, stream => WriteBase(stream, saved.Model.Model.Weights.Checkpoint!));
    }

    /// <exception cref="InvalidDataException">The archive is newer than the library, damaged, or its base is another one.</exception>
    /// <exception cref="FileNotFoundException">The base is not in the archive and its folder is not there.</exception>
    public static ArchivedModel Load(ArchiveReader archive, torch.Device device)
    {
        Manifest manifest = Manifest.Parse(archive.ReadBytes(ManifestName));
        PeftTask task = TaskRegistry.FromJson(manifest.Task.Key, manifest.Task.Settings);
        TunerOptions tuner = TunerRegistry.FromJson(manifest.Tuner.Key, manifest.Tuner.Settings);
        TokenizerFiles tokenizer = TokenizerFiles.Read(archive, manifest.Tokenizer);
        TaskRuntime runtime = task.Bind(LabelSet.FromJson(manifest.Labels), tokenizer.Load(), manifest.MaxLength);
        TunedModel model = LoadModel(archive, manifest, runtime, tuner, device);
        BaseEntry origin = manifest.Base;
        return new ArchivedModel(
            model, runtime, tuner, tokenizer, origin.Folder, origin.Sha256, origin.Kind == BaseKind.Embedded, manifest.BatchSize);
    }

    private static BaseEntry OriginOf(ArchivedModel saved)
    {
        ModelWeights weights = saved.Model.Model.Weights;
        if (weights.Checkpoint is not { } checkpoint || weights.All.All(saved.Model.Trainable.Contains))
            return new BaseEntry { Kind = BaseKind.Tuned };
        BaseKind kind = saved.EmbedBase ? BaseKind.Embedded : BaseKind.Referenced;
        return new BaseEntry { Kind = kind, Folder = saved.BaseFolder, Sha256 = saved.BaseSha256 ?? checkpoint.ContentHash };
    }

    private static Manifest Describe(ArchivedModel saved, BaseEntry origin) => new()
    {
        Task = new KeyedSettings { Key = saved.Task.Task.Key, Settings = saved.Task.Task.ToJson() },
        Tuner = new KeyedSettings { Key = saved.Tuner.Key, Settings = saved.Model.Tuner.SettingsForExport(saved.Tuner).ToJson() },
        Labels = saved.Task.Labels.ToJson(),
        MaxLength = saved.Task.MaxLength,
        BatchSize = saved.BatchSize,
        Tokenizer = saved.Tokenizer.Hashes,
        Config = JsonNode.Parse(saved.Model.Model.Config.Json)!.AsObject(),
        Base = origin,
    };

    private static void WriteBase(Stream stream, SharedCheckpoint checkpoint) =>
        SafetensorsWriter.Write(stream, checkpoint.Names.Order(StringComparer.Ordinal).Select(name => (name, checkpoint.Get(name))));

    private static TunedModel LoadModel(ArchiveReader archive, Manifest manifest, TaskRuntime task, TunerOptions tuner, torch.Device device)
    {
        HfConfig config = HfConfig.Parse(manifest.Config.ToJsonString(), "the archive's config.json");
        SharedCheckpoint? checkpoint = manifest.Base.Kind switch
        {
            BaseKind.Embedded => SharedCheckpoint.From(archive.Read(BaseName, ArchivedTensors.Open), device, config: config),
            BaseKind.Referenced => BaseFolders.Acquire(manifest.Base, device),
            _ => null,
        };
        PretrainedModel model = ModelRegistry.Create(config, checkpoint, device, seed: 0);
        return Failure.Disposes(model, () =>
        {
            TunedModel tuned = TunedModelFactory.Create(model, task, tuner, seed: 0);
            using ITensorSource source = archive.Read(TunedName, ArchivedTensors.Open);
            tuned.Tuner.Import(source);
            return tuned;
        });
    }
}
