using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Checkpoints.Gguf;
using Microsoft.ML.Peft.Registration;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>How a method's adapters are read.</summary>
/// <typeparam name="TFile">What is read.</typeparam>
/// <typeparam name="TRead">What comes of it.</typeparam>
/// <param name="Type">What the files call the method.</param>
/// <param name="Read">Reads one; the text says where it lies.</param>
internal sealed record AdapterReader<TFile, TRead>(string Type, Func<TFile, string, TRead> Read);

/// <summary>A method of fine-tuning by its stable key.</summary>
internal sealed record TunerEntry(string Key, Type Type) : RegisteredSettings(Key, Type)
{
    /// <summary>Reads PEFT's <c>adapter_config.json</c>; null where PEFT does not have the method.</summary>
    public AdapterReader<JsonObject, TunerOptions>? Peft { get; init; }

    /// <summary>Reads a .gguf file, which the caller disposes; null where llama.cpp does not have the method.</summary>
    public AdapterReader<GgufAdapter, AdapterState>? Gguf { get; init; }

    /// <summary>Whether users may bring adapters of the method; false until it has an estimator, and tasks that know what it does to a row.</summary>
    public bool IsServed { get; init; } = true;

    /// <exception cref="InvalidDataException">The JSON does not fit.</exception>
    public TunerOptions Read(JsonObject json) => (TunerOptions)Read(TunerRegistry.Kind, json);
}

/// <summary>Finds a tuner's options by the key in an archive, and by the kind in an adapter's files.</summary>
internal static class TunerRegistry
{
    public const string Kind = "tuner";

    /// <param name="registry">What the assembly brings.</param>
    /// <param name="key">The stable name in archives.</param>
    /// <param name="peft">Reads PEFT's <c>adapter_config.json</c>.</param>
    /// <param name="gguf">Reads a .gguf file.</param>
    /// <param name="isServed">Whether users may bring adapters of the method.</param>
    public static void AddTuner<T>(
        this Registry registry, string key, AdapterReader<JsonObject, TunerOptions>? peft = null, AdapterReader<GgufAdapter, AdapterState>? gguf = null, bool isServed = true)
        where T : TunerOptions => registry.Add(new TunerEntry(key, typeof(T)) { Peft = peft, Gguf = gguf, IsServed = isServed });

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
        return Reader(entry => entry.Gguf, file.Type, $"{path}: adapter.type").Read(file, path);
    }

    /// <exception cref="NotSupportedException">The adapter's kind is not known.</exception>
    public static TunerOptions FromAdapterConfig(JsonObject config, string file) =>
        Reader(entry => entry.Peft, config["peft_type"]?.ToString(), $"{file}: peft_type").Read(config, file);

    private static AdapterReader<TFile, TRead> Reader<TFile, TRead>(Func<TunerEntry, AdapterReader<TFile, TRead>?> of, string? type, string where)
    {
        AdapterReader<TFile, TRead>[] known = [.. Registries.Shared.All<TunerEntry>().Select(of).OfType<AdapterReader<TFile, TRead>>()];
        AdapterReader<TFile, TRead>[] found = Array.FindAll(known, reader => reader.Type == type);
        return found is [var one] ? one : throw new NotSupportedException(
            $"{where} is '{type}'{(found.Length > 1 ? ", which several assemblies register" : "")}; known are {string.Join(", ", known.Select(reader => reader.Type))}.");
    }
}
