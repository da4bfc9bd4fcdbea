using System.Text.RegularExpressions;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Checkpoints.Gguf;
using Microsoft.ML.Peft.Tuners.Lora.Mixing;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>LoRA adapters as llama.cpp's files, both ways. Such a file has one alpha, and each module's scale is alpha / rank.</summary>
internal static class LoraGguf
{
    /// <summary>What llama.cpp calls the method.</summary>
    public const string Type = "lora";

    /// <exception cref="NotSupportedException">The adapter holds what such a file cannot.</exception>
    public static void Write(string file, AdapterState adapter, HfConfig config, string? tiedOutput)
    {
        var settings = (LoraOptions)adapter.Settings;
        string[] others = [.. FactorNames.Others(adapter.Tensors).Where(name => !name.Contains(".base_layer.", StringComparison.Ordinal))];
        if (others.Length > 0 || settings.Bias != LoraBias.None || settings.HasOwnMatrices)
        {
            throw new NotSupportedException(
                $"Adapter '{adapter.Name}' does not fit into a GGUF file, which holds low-rank updates alone: {string.Join(", ", others.Take(5))}"
                + $"{(others.Length > 0 ? "" : settings.HasOwnMatrices ? "quantized matrices of its own" : "biases of the base")}. Write the merged model instead.");
        }
        FactorNames[] sites = [.. FactorNames.Of(adapter.Tensors)];
        if (sites.Any(site => !site.IsTable && site.Site == tiedOutput))
            throw new NotSupportedException($"Adapter '{adapter.Name}' tunes '{tiedOutput}', which a GGUF file of a tied base does not have. Write the merged model instead.");
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        GgufUpdate[] updates = [.. sites.Select(site => new GgufUpdate(
            site.Site, site.IsTable, adapter.Tensors.Read(site.A), adapter.Tensors.Read(site.B)))];
        // Modules whose alpha is another than the file's take the difference into B.
        double alpha = AlphaOf(updates[0]);
        double AlphaOf(GgufUpdate update) => settings.SizeOf(update.Path).Scale * update.A.size(0);
        GgufAdapter.Write(file, Type, alpha, adapter.BaseSha256, config, updates.Select(
            update => AlphaOf(update) == alpha ? update : update with { B = update.B * (AlphaOf(update) / alpha) }));
    }

    /// <exception cref="InvalidDataException">The file is malformed.</exception>
    public static AdapterState Read(GgufAdapter file)
    {
        IReadOnlyList<GgufUpdate> updates = file.Updates();
        if (updates.Count == 0)
            throw Malformed.File(file.Description, "low-rank updates", "none");
        int rank = (int)updates[0].A.size(0);
        var settings = new LoraOptions
        {
            Rank = rank,
            Alpha = file.Alpha ?? rank,
            TargetModules = [.. updates.Select(update => update.Path)],
            RankPattern = updates.Where(update => update.A.size(0) != rank).ToDictionary(update => Regex.Escape(update.Path), update => (int)update.A.size(0)),
            // Without an alpha every scale is 1.
            AlphaPattern = file.Alpha is not null ? [] : updates.Where(update => update.A.size(0) != rank)
                .ToDictionary(update => Regex.Escape(update.Path), update => (double)update.A.size(0)),
        };
        var tensors = new Dictionary<string, Tensor>(StringComparer.Ordinal);
        foreach (GgufUpdate update in updates)
        {
            FactorNames names = FactorNames.At(update.Path, update.IsTable);
            (tensors[names.A], tensors[names.B]) = (update.A, update.B);
        }
        return new AdapterState(file.Description, settings, new HeldTensors(file.Description, tensors)) { BaseSha256 = file.BaseSha256 };
    }
}
