using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Interop;
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
    private const string ManifestName = "manifest.json", TunedName = "tuned.safetensors", BaseName = "base.safetensors", PackedName = "base.gguf";

    public static void Save(ArchiveWriter archive, ArchivedModel saved)
    {
        BaseEntry origin = OriginOf(saved);
        Manifest manifest = Describe(saved, origin);
        archive.Write(ManifestName, stream => stream.Write(manifest.ToUtf8()));
        ProcessorFiles.Write(archive, saved.Task.Processor.Files);
        using (torch.NewDisposeScope())
            archive.WriteStored(TunedName, stream => SafetensorsWriter.Write(stream, saved.Model.Tuner.Export()));
        foreach (var (adapter, i) in (saved.Adapters ?? []).Select((adapter, i) => (adapter, i)).Where(a => a.adapter.Tuner is not null))
        {
            using var scope = torch.NewDisposeScope();
            archive.WriteStored(AdapterName(i), stream => SafetensorsWriter.Write(stream, adapter.Tuner!.Export()));
        }
        if (origin.Kind == BaseKind.Embedded)
            archive.WriteStored(BaseName, stream => WriteBase(stream, saved.Model.Model.Weights));
        if (origin.Kind == BaseKind.Packed)
            archive.WriteStored(PackedName, saved.Model.Model.Weights.Checkpoint!.CopyTo!);
    }

    /// <exception cref="InvalidDataException">The archive is newer than the library, damaged, or its base is another one.</exception>
    /// <exception cref="FileNotFoundException">The base is not in the archive and its folder is not there.</exception>
    public static ArchivedModel Load(ArchiveReader archive, torch.Device device)
    {
        using IDisposable modes = Gradients.AsByDefault();
        ArchiveSettings settings = ArchiveSettings.Parse(archive.ReadBytes(ManifestName));
        Manifest manifest = settings.Manifest;
        IReadOnlyDictionary<string, byte[]> files = ProcessorFiles.Read(archive, manifest.Tokenizer);
        var (runtime, model) = Failure.IsInvalidData("The archive's model", () =>
        {
            TaskRuntime task = settings.Task.Bind(settings.Labels, TextProcessor.Of(files), manifest.MaxLength);
            return (task, LoadModel(archive, settings, task, device));
        });
        BaseEntry origin = manifest.Base;
        var loaded = new ArchivedModel(
            model, runtime, settings.Tuner, origin.Folder, origin.Sha256, origin.Kind is BaseKind.Embedded or BaseKind.Packed, manifest.BatchSize)
        {
            BaseName = origin.Name,
            GenerationConfig = manifest.GenerationConfig,
        };
        return manifest.Adapters is not { } adapters ? loaded with { AdapterColumn = manifest.AdapterColumn } : Failure.Disposes(model, () => loaded with
        {
            Adapters = LoadAdapters(archive, model, adapters),
            ActiveAdapter = manifest.ActiveAdapter,
            AdapterColumn = manifest.AdapterColumn,
        });
    }

    private static string AdapterName(int index) => FormattableString.Invariant($"adapter.{index}.safetensors");

    private static List<ArchivedAdapter> LoadAdapters(ArchiveReader archive, TunedModel model, IReadOnlyList<AdapterEntry> adapters)
    {
        var loaded = new List<ArchivedAdapter>();
        try
        {
            foreach (AdapterEntry adapter in adapters)
                loaded.Add(LoadAdapter(archive, model, adapter, loaded.Count));
            return loaded;
        }
        catch
        {
            loaded.ForEach(adapter => adapter.Tuner?.Dispose());
            throw;
        }
    }

    private static ArchivedAdapter LoadAdapter(ArchiveReader archive, TunedModel model, AdapterEntry adapter, int index)
    {
        if (adapter.Tuner is not { } tuner)
            return new ArchivedAdapter(adapter.Name, null, null);
        TunerOptions settings = Failure.IsInvalidData($"The archive's adapter '{adapter.Name}'", () => TunerRegistry.FromJson(tuner.Key, tuner.Settings));
        using ITensorSource source = archive.Read(AdapterName(index), ArchivedTensors.Open);
        // The trained one has its own slots, whatever is called so now.
        string key = adapter.Name == ForwardContext.DefaultAdapter ? $"{adapter.Name}\n" : adapter.Name;
        return new ArchivedAdapter(adapter.Name, TunedModelFactory.AddAdapter(model, settings, source, key), settings) { Key = key };
    }

    private static BaseEntry OriginOf(ArchivedModel saved)
    {
        ModelWeights weights = saved.Model.Model.Weights;
        if (weights.Checkpoint is not { } checkpoint || weights.All.All(saved.Model.Trainable.Contains))
            return new BaseEntry { Kind = BaseKind.Tuned, Name = saved.BaseName };
        bool copies = checkpoint.CopyTo is not null && weights.Quantized.Count == 0;
        BaseKind kind = !saved.EmbedBase ? BaseKind.Referenced : copies ? BaseKind.Packed : BaseKind.Embedded;
        return new BaseEntry
        {
            Kind = kind,
            Folder = kind == BaseKind.Referenced ? saved.BaseFolder : null,
            Name = saved.BaseName,
            Sha256 = saved.BaseSha256 ?? checkpoint.ContentHash,
            Quantization = weights.Quantization,
        };
    }

    private static Manifest Describe(ArchivedModel saved, BaseEntry origin) => new()
    {
        Task = new KeyedSettings { Key = saved.Task.Task.Key, Settings = saved.Task.Task.ToJson() },
        Tuner = new KeyedSettings { Key = saved.Tuner.Key, Settings = saved.Model.Tuner.SettingsForExport(saved.Tuner).ToJson() },
        Labels = saved.Task.Labels.ToJson(),
        MaxLength = saved.Task.MaxLength,
        BatchSize = saved.BatchSize,
        Tokenizer = ProcessorFiles.Hashes(saved.Task.Processor.Files),
        Config = JsonNode.Parse(saved.Model.Model.Config.Json)!.AsObject(),
        Base = origin,
        GenerationConfig = saved.GenerationConfig,
        Adapters = saved.Adapters is not { } adapters ? null : [.. adapters.Select(adapter => new AdapterEntry(
            adapter.Name, adapter is { Tuner: { } tuner, Settings: { } settings }
                ? new KeyedSettings { Key = settings.Key, Settings = tuner.SettingsForExport(settings).ToJson() } : null))],
        ActiveAdapter = saved.Adapters is null ? null : saved.ActiveAdapter,
        AdapterColumn = saved.AdapterColumn,
    };

    private static void WriteBase(Stream stream, ModelWeights weights)
    {
        using var scope = torch.NewDisposeScope();
        SafetensorsWriter.Write(stream, weights.BaseTensors());
    }

    private static TunedModel LoadModel(ArchiveReader archive, ArchiveSettings settings, TaskRuntime task, torch.Device device)
    {
        SharedCheckpoint checkpoint = OpenBase(archive, settings, device);
        PretrainedModel model = ModelRegistry.Create(settings.Config, checkpoint, device, seed: 0, settings.Manifest.Base.Quantization);
        return Failure.Disposes(model, () =>
        {
            if (model is IReadsTokens reader && task.MaxLength > reader.MaxLength)
                throw new InvalidDataException($"The archive's manifest has a maximal length of {task.MaxLength}; its model reads up to {reader.MaxLength} tokens.");
            using ITensorSource source = archive.Read(TunedName, ArchivedTensors.Open);
            return TunedModelFactory.Create(model, task, settings.Tuner, seed: 0, source);
        });
    }

    private static SharedCheckpoint OpenBase(ArchiveReader archive, ArchiveSettings settings, torch.Device device)
    {
        BaseEntry origin = settings.Manifest.Base;
        if (origin.Kind == BaseKind.Referenced)
            return BaseFolders.Acquire(origin, device);
        // Where the tuned tensors are all weights that there are, the model is built over them: every shape is checked.
        ITensorSource source = origin.Kind switch
        {
            BaseKind.Embedded => archive.Read(BaseName, ArchivedTensors.Open),
            BaseKind.Packed => archive.Read(PackedName, ArchivedTensors.OpenPacked),
            _ => PeftNames.WithoutPrefix(archive.Read(TunedName, ArchivedTensors.Open)),
        };
        return SharedCheckpoint.From(source, device, config: settings.Config);
    }
}
