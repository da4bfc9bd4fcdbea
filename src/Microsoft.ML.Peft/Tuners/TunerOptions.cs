using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Checkpoints.Gguf;
using Microsoft.ML.Peft.Registration;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>The settings of a method of fine-tuning; they travel as JSON in archives.</summary>
public abstract class TunerOptions
{
    private protected TunerOptions() { }

    /// <summary>The stable name in archives.</summary>
    internal string Key => Entry.Key;

    internal TunerEntry Entry => Registries.Shared.Of<TunerEntry>(GetType());

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
