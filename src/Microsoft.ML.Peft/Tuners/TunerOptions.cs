using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Registration;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>
/// The settings of a method of fine-tuning; they travel as JSON in archives. What only some methods can is told by the interfaces that
/// their settings have (<see cref="IPeftAdapterFormat"/> and its like).
/// </summary>
public abstract class TunerOptions
{
    private protected TunerOptions() { }

    /// <summary>The stable name in archives.</summary>
    internal string Key => Entry.Key;

    internal TunerEntry Entry => Registries.Shared.Of<TunerEntry>(GetType());

    /// <summary>Makes a tuner with these settings.</summary>
    /// <exception cref="ArgumentException">A setting is out of range; the message names it.</exception>
    internal abstract ITuner Create();

    internal JsonObject ToJson() => JsonSerializer.SerializeToNode(this, GetType(), AnyText.Options)!.AsObject();

    /// <summary>These settings as something that only some methods are.</summary>
    /// <param name="refusal">What others are told, behind their name.</param>
    /// <exception cref="NotSupportedException">The method is none.</exception>
    internal T As<T>(string refusal)
        where T : class => this as T ?? throw new NotSupportedException($"'{Key}' {refusal}.");
}
