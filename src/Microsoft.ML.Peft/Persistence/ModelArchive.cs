using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Weights;
using TorchSharp;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>The only writer and reader of a transformer's part of an archive.</summary>
internal static class ModelArchive
{
    private const string ManifestName = "manifest.json", TunedName = "tuned.safetensors";

    public static void Save(ArchiveWriter archive, ArchivedModel saved)
    {
        Manifest manifest = Describe(saved);
        archive.Write(ManifestName, stream => stream.Write(manifest.ToUtf8()));
        ProcessorFiles.Write(archive, saved.Task.Processor.Files);
        using (torch.NewDisposeScope())
            archive.WriteStored(TunedName, stream => SafetensorsWriter.Write(stream, saved.Model.Tuner.Export()));
        foreach (var (adapter, i) in (saved.Adapters ?? []).Select((adapter, i) => (adapter, i)).Where(a => a.adapter.Tuner is not null))
        {
            using var scope = torch.NewDisposeScope();
            archive.WriteStored(AdapterName(i), stream => SafetensorsWriter.Write(stream, adapter.Tuner!.Export()));
        }
        ArchivedBases.Write(archive, manifest.Bases, saved.Model.Model.Weights);
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
            TaskRuntime task = settings.Task.Bind(settings.Labels, settings.RestoreProcessor(files), manifest.MaxLength);
            return (task, LoadModel(archive, settings, task, device));
        });
        // A base that is the only one is told by its model's fields.
        BaseEntry origin = manifest.Bases.Values.First();
        var loaded = new ArchivedModel(
            model, runtime, settings.Tuner, origin.Folder, origin.Sha256, origin.Kind is BaseKind.Embedded or BaseKind.Packed, manifest.BatchSize)
        {
            BaseName = origin.Name,
            Bases = manifest.Bases,
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
        TunerOptions settings = Failure.IsInvalidData($"The archive's adapter '{adapter.Name}'", () => ArchiveSettings.TunerOf(tuner));
        using ITensorSource source = archive.Read(AdapterName(index), ArchivedTensors.Open);
        // The trained one has its own slots, whatever is called so now.
        string key = adapter.Name == ForwardContext.DefaultAdapter ? $"{adapter.Name}\n" : adapter.Name;
        return new ArchivedAdapter(adapter.Name, TunedModelFactory.AddAdapter(model, settings, source, key), settings) { Key = key };
    }

    private static Manifest Describe(ArchivedModel saved) => new()
    {
        Tasks =
        [
            new ArchivedTask
            {
                Key = saved.Task.Task.Key, Assembly = saved.Task.Task.Entry.Assembly, Settings = saved.Task.Task.ToJson(), Labels = saved.Task.Labels.ToJson(),
            },
        ],
        Tuner = KeyedSettings.Of(saved.Tuner.Entry, saved.Model.Tuner.SettingsForExport(saved.Tuner).ToJson()),
        Processor = saved.Task.Processor is TextProcessor ? null : KeyedSettings.Of(saved.Task.Processor.Entry, saved.Task.Processor.Settings),
        Model = saved.Model.Model.Entry is { } entry ? ArchivedKey.Of(entry) : null,
        MaxLength = saved.Task.MaxLength,
        BatchSize = saved.BatchSize,
        Tokenizer = ProcessorFiles.Hashes(saved.Task.Processor.Files),
        Config = JsonNode.Parse(saved.Model.Model.Config.Json)!.AsObject(),
        Bases = ArchivedBases.Describe(saved),
        GenerationConfig = saved.GenerationConfig,
        Adapters = saved.Adapters is not { } adapters ? null : [.. adapters.Select(adapter => new AdapterEntry(
            adapter.Name, adapter is { Tuner: { } tuner, Settings: { } settings }
                ? KeyedSettings.Of(settings.Entry, tuner.SettingsForExport(settings).ToJson()) : null))],
        ActiveAdapter = saved.Adapters is null ? null : saved.ActiveAdapter,
        AdapterColumn = saved.AdapterColumn,
    };

    private static TunedModel LoadModel(ArchiveReader archive, ArchiveSettings settings, TaskRuntime task, torch.Device device)
    {
        PretrainedModel model = ModelRegistry.Create(
            settings.Model, settings.Config, ArchivedBases.Open(archive, settings, device, OpenTuned), device, seed: 0);
        return Failure.Disposes(model, () =>
        {
            int added = settings.Tuner.AddedPositions;
            if (model is IReadsTokens reader && task.MaxLength > (long)reader.MaxLength - added)
            {
                throw new InvalidDataException(
                    $"The archive's manifest has a maximal length of {task.MaxLength}{(added > 0 ? $" beside {added} virtual tokens" : "")}; its model reads up to {reader.MaxLength} tokens.");
            }
            using ITensorSource source = OpenTuned();
            return TunedModelFactory.Create(model, task, settings.Tuner, seed: 0, source);
        });

        ITensorSource OpenTuned() => archive.Read(TunedName, ArchivedTensors.Open);
    }
}
