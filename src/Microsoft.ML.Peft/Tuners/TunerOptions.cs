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

    internal JsonObject ToJson() => JsonSerializer.SerializeToNode(this, GetType())!.AsObject();
}

/// <summary>Finds a tuner's options by the key in an archive.</summary>
internal static class TunerRegistry
{
    private static readonly KeyedTypes<TunerOptions> Known = new(options => options.Key);

    /// <exception cref="InvalidDataException">The key or the JSON is not known.</exception>
    public static TunerOptions FromJson(string key, JsonObject json) => Known.Deserialize("tuner", key, json);
}
