using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Checkpoints.Gguf;
using Microsoft.ML.Peft.Registration;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>A method of fine-tuning by its stable key.</summary>
internal sealed record TunerEntry(string Key, Type Type, Func<TunerOptions> Create) : RegisteredSettings(Key, Type)
{
    /// <summary>The kind in PEFT's <c>adapter_config.json</c>; null where PEFT has none.</summary>
    public string? PeftType { get; init; }

    /// <summary>The kind in a .gguf adapter's metadata; null where there is none.</summary>
    public string? GgufType { get; init; }

    /// <exception cref="InvalidDataException">The JSON does not fit.</exception>
    public TunerOptions Read(JsonObject json) => (TunerOptions)Read(TunerRegistry.Kind, json);
}

/// <summary>Finds a tuner's options by the key in an archive, and by the kind in an adapter's files.</summary>
internal static class TunerRegistry
{
    public const string Kind = "tuner";

    public static void AddTuner<T>(this Registry registry, string key, string? peftType = null, string? ggufType = null)
        where T : TunerOptions, new() => registry.Add(new TunerEntry(key, typeof(T), () => new T()) { PeftType = peftType, GgufType = ggufType });

    /// <exception cref="InvalidDataException">The key or the JSON is not known.</exception>
    /// <exception cref="FileNotFoundException">The assembly is not there.</exception>
    public static TunerOptions FromJson(string key, JsonObject json, string assembly = Registries.Library) =>
        Registries.Shared.Find<TunerEntry>(Kind, key, assembly).Read(json);

    /// <summary>Reads a .gguf adapter for a model of the given configuration; the caller disposes it.</summary>
    /// <exception cref="InvalidDataException">The file is malformed, or of another architecture.</exception>
    /// <exception cref="NotSupportedException">The adapter's kind is not known.</exception>
    public static AdapterState FromGguf(string path, HfConfig config)
    {
        using GgufAdapter file = GgufAdapter.Open(path, config);
        return Find(entry => entry.GgufType, file.Type, $"{path}: adapter.type").ReadGguf(file);
    }

    /// <exception cref="NotSupportedException">The adapter's kind is not known.</exception>
    public static TunerOptions FromAdapterConfig(JsonObject config, string file) =>
        Find(entry => entry.PeftType, config["peft_type"]?.ToString(), $"{file}: peft_type").ReadAdapterConfig(config, file);

    private static TunerOptions Find(Func<TunerEntry, string?> nameOf, string? kind, string where)
    {
        TunerEntry[] named = [.. Registries.Shared.All<TunerEntry>().Where(entry => nameOf(entry) is not null)];
        return named.FirstOrDefault(entry => nameOf(entry) == kind)?.Create() ?? throw new NotSupportedException(
            $"{where} is '{kind}'; known are {string.Join(", ", named.Select(nameOf))}.");
    }
}
