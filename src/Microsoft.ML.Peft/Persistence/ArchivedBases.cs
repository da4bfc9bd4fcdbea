using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Weights;
using TorchSharp;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>What a saved model stands on: each of its bases by role, in the archive or outside.</summary>
internal static class ArchivedBases
{
    public static Dictionary<string, BaseEntry> Describe(ArchivedModel saved)
    {
        ModelWeights weights = saved.Model.Model.Weights;
        bool isTuned = weights.All.All(saved.Model.Trainable.Contains);
        return weights.Sources.Mounts.ToDictionary(mount => mount.Role, mount => Describe(saved, mount, isTuned));
    }

    public static void Write(ArchiveWriter archive, IReadOnlyDictionary<string, BaseEntry> bases, ModelWeights weights)
    {
        foreach (WeightMount mount in weights.Sources.Mounts)
        {
            using var scope = torch.NewDisposeScope();
            if (bases[mount.Role].Kind == BaseKind.Embedded)
                archive.WriteStored(NameOf(mount.Role, "safetensors"), stream => SafetensorsWriter.Write(stream, weights.BaseTensors(mount)));
            if (bases[mount.Role].Kind == BaseKind.Packed)
                archive.WriteStored(NameOf(mount.Role, "gguf"), mount.Checkpoint!.CopyTo!);
        }
    }

    /// <summary>The weights of all bases; who asks disposes them.</summary>
    /// <param name="archive">The archive.</param>
    /// <param name="settings">What its manifest says.</param>
    /// <param name="device">Where the weights are to be.</param>
    /// <param name="tuned">Opens the tuned tensors.</param>
    public static Dictionary<string, BaseWeights> Open(ArchiveReader archive, ArchiveSettings settings, torch.Device device, Func<ITensorSource> tuned)
    {
        var opened = new Dictionary<string, BaseWeights>();
        try
        {
            foreach (var (role, origin) in settings.Manifest.Bases)
                opened[role] = new BaseWeights(Open(role, origin), origin.Quantization);
            return opened;
        }
        catch
        {
            foreach (BaseWeights weights in opened.Values)
                weights.Checkpoint?.Dispose();
            throw;
        }

        SharedCheckpoint Open(string role, BaseEntry origin)
        {
            if (origin.Kind == BaseKind.Referenced)
                return BaseFolders.Acquire(origin, device);
            // Where the tuned tensors are all weights that there are, the model is built over them: every shape is checked.
            ITensorSource source = origin.Kind switch
            {
                BaseKind.Embedded => archive.Read(NameOf(role, "safetensors"), ArchivedTensors.Open),
                BaseKind.Packed => archive.Read(NameOf(role, "gguf"), ArchivedTensors.OpenPacked),
                _ => PeftNames.WithoutPrefix(tuned()),
            };
            return SharedCheckpoint.From(source, device, config: settings.Config);
        }
    }

    private static string NameOf(string role, string extension) => role == WeightMount.OnlyRole ? $"base.{extension}" : $"base.{role}.{extension}";

    private static BaseEntry Describe(ArchivedModel saved, WeightMount mount, bool isTuned)
    {
        BaseEntry? known = saved.Bases?.GetValueOrDefault(mount.Role);
        string? name = known?.Name ?? saved.BaseName;
        if (mount.Checkpoint is not { } checkpoint || isTuned)
            return new BaseEntry { Kind = BaseKind.Tuned, Name = name };
        // A file is copied where it is the model's alone, and as it was.
        ModelWeights weights = saved.Model.Model.Weights;
        bool copies = checkpoint.CopyTo is not null && weights is { Quantized.Count: 0, Sources.Mounts.Count: 1 };
        BaseKind kind = !saved.EmbedBase ? BaseKind.Referenced : copies ? BaseKind.Packed : BaseKind.Embedded;
        return new BaseEntry
        {
            Kind = kind,
            Folder = kind == BaseKind.Referenced ? known?.Folder ?? saved.BaseFolder : null,
            Name = name,
            Sha256 = known?.Sha256 ?? saved.BaseSha256 ?? checkpoint.ContentHash,
            Quantization = mount.Quantization,
        };
    }
}
