using System.Text.Json;
using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
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

    /// <summary>The modules of the model that the method keeps to, by their paths; null (the default) for all. Its names are looked for there alone.</summary>
    [JsonInclude, JsonIgnore(Condition = JsonIgnoreCondition.WhenWritingNull)]
    internal IReadOnlyList<string>? Modules { get; private set; }

    /// <summary>Whether its own files, which know nothing of <see cref="Modules"/>, say all the same what is tuned.</summary>
    internal virtual bool SaysWhatIsTuned => Modules is null;

    /// <summary>Positions of a model's own that the method takes beside those of a row's tokens; none by default.</summary>
    internal virtual int AddedPositions => 0;

    /// <summary>What whoever goes on with an adapter of these settings should know; null for nothing.</summary>
    internal virtual string? NoteOnContinuing => null;

    /// <summary>These settings with the method's own values where nothing is said.</summary>
    internal virtual TunerOptions Settled() => this;

    /// <summary>The same settings for some modules of the model.</summary>
    /// <param name="modules">Their paths; null for all.</param>
    internal TunerOptions Within(IReadOnlyList<string>? modules)
    {
        var copy = (TunerOptions)MemberwiseClone();
        copy.Modules = modules;
        return copy;
    }

    /// <summary>Makes a tuner with these settings.</summary>
    /// <exception cref="ArgumentException">A setting is out of range; the message names it.</exception>
    internal abstract ITuner Create();

    internal JsonObject ToJson() => JsonSerializer.SerializeToNode(this, GetType(), AnyText.Options)!.AsObject();

    /// <summary>These settings as another library's files hold them.</summary>
    /// <param name="refusal">What methods are told that it does not have, behind their name.</param>
    /// <exception cref="NotSupportedException">It does not have the method, or cannot say which part of the model is tuned.</exception>
    internal T ForFiles<T>(string refusal)
        where T : class => SaysWhatIsTuned ? As<T>(refusal) : throw new NotSupportedException(
            $"The adapter keeps to a part of the model ({string.Join(", ", Modules!)}), which such files cannot say with these settings of '{Key}': save the whole model.");

    /// <summary>These settings as something that only some methods are.</summary>
    /// <param name="refusal">What others are told, behind their name.</param>
    /// <exception cref="NotSupportedException">The method is none.</exception>
    internal T As<T>(string refusal)
        where T : class => this as T ?? throw new NotSupportedException($"'{Key}' {refusal}.");
}
