using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Tuners;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Persistence;

/// <summary>An adapter as PEFT keeps it: <c>adapter_config.json</c> and <c>adapter_model.safetensors</c>, or <c>.bin</c> as older versions wrote it.</summary>
internal static class AdapterFolder
{
    private const string ConfigName = "adapter_config.json", WeightsName = "adapter_model.safetensors", PickledName = "adapter_model.bin";
    private const string BaseHashKey = "base_sha256";

    /// <summary>A folder's adapter; the caller disposes it.</summary>
    /// <exception cref="InvalidDataException">A file is missing or malformed.</exception>
    /// <exception cref="NotSupportedException">The adapter is of a kind, or uses a setting, that is not supported.</exception>
    public static AdapterState Read(string folder)
    {
        TunerOptions settings = ReadOptions(folder);
        ITensorSource tensors = OpenWeights(folder);
        IReadOnlyDictionary<string, string>? metadata = (tensors as SafetensorsFile)?.Metadata;
        return new AdapterState(folder, settings, tensors)
        {
            BaseSha256 = metadata?.GetValueOrDefault(BaseHashKey),
            Labels = metadata?.GetValueOrDefault(AdapterLabels.Key),
        };
    }

    /// <summary>The settings of a folder's adapter.</summary>
    /// <exception cref="InvalidDataException">The file is missing or malformed.</exception>
    /// <exception cref="NotSupportedException">The adapter is of a kind, or uses a setting, that is not supported.</exception>
    public static TunerOptions ReadOptions(string folder)
    {
        string file = Path.Combine(folder, ConfigName);
        return TunerRegistry.FromAdapterConfig(Parse(file), file);
    }

    /// <summary>The folder whose tokenizer goes with the adapter: its own where it brings one, else the base's.</summary>
    public static string TokenizerOf(string? folder, string baseFolder) =>
        folder is not null && TokenizerFolder.Has(folder) ? folder : baseFolder;

    /// <summary>Writes an adapter with its tokenizer as a new folder, which appears whole or not at all. Its labels stand in the weights' metadata.</summary>
    /// <exception cref="IOException">The folder exists, or cannot be written.</exception>
    /// <exception cref="NotSupportedException">The tuner makes no adapter that PEFT knows.</exception>
    public static void Write(string folder, ITuner tuner, JsonObject config, InputProcessor processor, LabelSet labels, string? baseSha256) => NewFolder.Write(folder, partial =>
    {
        var metadata = new Dictionary<string, string>();
        if (baseSha256 is not null)
            metadata[BaseHashKey] = baseSha256;
        if (labels.Count > 0)
            metadata[AdapterLabels.Key] = labels.ToJson().ToJsonString();
        File.WriteAllText(Path.Combine(partial, ConfigName), config.ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
        processor.Write(partial);
        using var scope = NewDisposeScope();
        SafetensorsWriter.WriteFile(Path.Combine(partial, WeightsName), tuner.Export(), metadata);
    });

    private static ITensorSource OpenWeights(string folder)
    {
        string safe = Path.Combine(folder, WeightsName), pickled = Path.Combine(folder, PickledName);
        return File.Exists(safe) ? SafetensorsFile.Open(safe)
            : File.Exists(pickled) ? PyTorchFile.Open(pickled)
            : throw Malformed.File(folder, $"the adapter's weights in {WeightsName} or {PickledName}", "neither");
    }

    private static JsonObject Parse(string file)
    {
        try
        {
            JsonObject config = JsonNode.Parse(LfsPointer.ReadAllBytes(file)) as JsonObject ?? throw new InvalidDataException($"{file}: expected a JSON object.");
            // Broken UTF-8 and halves of surrogate pairs are noticed where a text is taken out.
            foreach (var (_, value) in config)
                _ = value?.ToString();
            return config;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FileNotFoundException or DirectoryNotFoundException)
        {
            throw new InvalidDataException($"{file}: the adapter's settings cannot be read: {e.Message}", e);
        }
    }
}
