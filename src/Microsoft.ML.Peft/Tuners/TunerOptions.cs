using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Checkpoints.Gguf;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>The settings of a method of fine-tuning; they travel as JSON in archives.</summary>
public abstract class TunerOptions
{
    private protected TunerOptions() { }

    /// <summary>The stable name in archives.</summary>
    internal abstract string Key { get; }

    /// <summary>Whether users may bring adapters of the kind; false until the method has an estimator, and tasks that know what it does to a row.</summary>
    internal virtual bool IsServed => true;

    /// <summary>Makes a tuner with these settings.</summary>
    /// <exception cref="ArgumentException">A setting is out of range; the message names it.</exception>
    internal abstract ITuner Create();

    /// <summary>The settings of a fit that starts from an adapter, with these beside it.</summary>
    /// <param name="adapter">The adapter's settings, which are of the same kind and taken over.</param>
    /// <param name="path">Where it lies.</param>
    /// <exception cref="ArgumentException">These settings contradict the adapter's; the message names them.</exception>
    internal virtual TunerOptions Continue(TunerOptions adapter, string path) => adapter;

    /// <summary>The kind in PEFT's <c>adapter_config.json</c>; null where PEFT has none.</summary>
    internal virtual string? PeftType => null;

    /// <summary>Settings of the same kind, read from PEFT's <c>adapter_config.json</c>.</summary>
    internal virtual TunerOptions ReadAdapterConfig(JsonObject config, string file) => throw NoAdapter();

    /// <summary>These settings as PEFT's <c>adapter_config.json</c>.</summary>
    internal virtual JsonObject ToAdapterConfig(string? taskType, string baseModel) => throw NoAdapter();

    /// <summary>Tokens that the vocabulary is to grow by.</summary>
    internal virtual IReadOnlyList<string> NewTokens => [];

    /// <summary>These settings with the ids that the new tokens got.</summary>
    internal virtual TunerOptions WithNewTokens(IReadOnlyList<int> ids) => this;

    /// <summary>The kind in a .gguf adapter's metadata; null where there is none.</summary>
    internal virtual string? GgufType => null;

    /// <summary>An adapter of this kind from a .gguf file; the caller disposes it.</summary>
    internal virtual AdapterState ReadGguf(GgufAdapter file) => throw NoAdapter();

    /// <summary>Writes an adapter of this kind as a .gguf file.</summary>
    /// <param name="file">The file.</param>
    /// <param name="adapter">The adapter.</param>
    /// <param name="config">The base's configuration.</param>
    /// <param name="tiedOutput">The output's path where it multiplies by the token table, else null.</param>
    internal virtual void WriteGguf(string file, AdapterState adapter, HfConfig config, string? tiedOutput) => throw NoAdapter();

    /// <summary>Makes one adapter of several of this kind, with a weight each.</summary>
    internal virtual AdapterState Mix(string name, IReadOnlyList<(AdapterState State, double Weight)> parts, AdapterMixOptions options) =>
        throw NoAdapter();

    internal JsonObject ToJson() => JsonSerializer.SerializeToNode(this, GetType(), AnyText.Options)!.AsObject();

    private NotSupportedException NoAdapter() => new($"'{Key}' makes no adapter that PEFT knows.");
}

/// <summary>Finds a tuner's options by the key in an archive.</summary>
internal static class TunerRegistry
{
    private static readonly KeyedTypes<TunerOptions> Known = new(options => options.Key);

    /// <exception cref="InvalidDataException">The key or the JSON is not known.</exception>
    public static TunerOptions FromJson(string key, JsonObject json) => Known.Deserialize("tuner", key, json);

    /// <summary>Reads a .gguf adapter for a model of the given configuration; the caller disposes it.</summary>
    /// <exception cref="InvalidDataException">The file is malformed, or of another architecture.</exception>
    /// <exception cref="NotSupportedException">The adapter's kind is not known.</exception>
    public static AdapterState FromGguf(string path, HfConfig config)
    {
        using GgufAdapter file = GgufAdapter.Open(path, config);
        TunerOptions? known = Known.Samples.FirstOrDefault(options => options.GgufType is { } type && type == file.Type);
        return known?.ReadGguf(file) ?? throw new NotSupportedException(
            $"{path}: adapter.type is '{file.Type}'; known are {string.Join(", ", Known.Samples.Select(o => o.GgufType).OfType<string>())}.");
    }

    /// <exception cref="NotSupportedException">The adapter's kind is not known.</exception>
    public static TunerOptions FromAdapterConfig(JsonObject config, string file)
    {
        string? kind = config["peft_type"]?.ToString();
        TunerOptions? known = Known.Samples.FirstOrDefault(options => options.PeftType is { } type && type == kind);
        return known?.ReadAdapterConfig(config, file) ?? throw new NotSupportedException(
            $"{file}: peft_type is '{kind}'; known are {string.Join(", ", Known.Samples.Select(o => o.PeftType).OfType<string>())}.");
    }
}
