using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>The settings of a method of fine-tuning; they travel as JSON in archives.</summary>
public abstract class TunerOptions
{
    private protected TunerOptions() { }

    /// <summary>The stable name in archives.</summary>
    internal abstract string Key { get; }

    /// <summary>Makes a tuner with these settings.</summary>
    /// <exception cref="ArgumentException">A setting is out of range; the message names it.</exception>
    internal abstract ITuner Create();

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

    internal JsonObject ToJson() => JsonSerializer.SerializeToNode(this, GetType())!.AsObject();

    private NotSupportedException NoAdapter() => new($"'{Key}' makes no adapter that PEFT knows.");
}

/// <summary>Finds a tuner's options by the key in an archive.</summary>
internal static class TunerRegistry
{
    private static readonly KeyedTypes<TunerOptions> Known = new(options => options.Key);

    /// <exception cref="InvalidDataException">The key or the JSON is not known.</exception>
    public static TunerOptions FromJson(string key, JsonObject json) => Known.Deserialize("tuner", key, json);

    /// <exception cref="NotSupportedException">The adapter's kind is not known.</exception>
    public static TunerOptions FromAdapterConfig(JsonObject config, string file)
    {
        string? kind = config["peft_type"]?.ToString();
        TunerOptions? known = Known.Samples.FirstOrDefault(options => options.PeftType is { } type && type == kind);
        return known?.ReadAdapterConfig(config, file) ?? throw new NotSupportedException(
            $"{file}: peft_type is '{kind}'; known are {string.Join(", ", Known.Samples.Select(o => o.PeftType).OfType<string>())}.");
    }
}
