using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft;

/// <summary>
/// What the methods share that learn virtual tokens and leave the model as it is (PEFT's prompt learning), with the names of its
/// <c>PromptLearningConfig</c>.
/// </summary>
public abstract class VirtualTokenOptions : TunerOptions, IPeftAdapterFormat
{
    private const int DefaultVirtualTokens = 20;

    private protected VirtualTokenOptions() { }

    /// <summary>How many virtual tokens there are; null (the default) for 20.</summary>
    public int? VirtualTokens { get; set; }

    /// <summary>Modules that train in full and are saved whole, beside the task's head, which always is; none by default.</summary>
    public IReadOnlyList<string> ModulesToSave { get; set; } = [];

    /// <summary>How many there are, where nothing is said too.</summary>
    internal int Count => VirtualTokens ?? DefaultVirtualTokens;

    /// <summary>The sizes that PEFT's file repeats from the model; null before the method is attached.</summary>
    internal VirtualTokenSizes? Sizes { get; private set; }

    internal abstract string PeftType { get; }

    /// <summary>Whether a network makes the table while it is learnt anew.</summary>
    internal virtual bool IsMade => false;

    internal sealed override string? NoteOnContinuing => IsMade
        ? "A network made the adapter's virtual tokens, and its files hold what came of it alone: the fit goes on with the table itself." : null;

    internal sealed override int AddedPositions => Count;

    /// <summary>The same settings with a model's sizes.</summary>
    internal VirtualTokenOptions With(VirtualTokenSizes sizes)
    {
        VirtualTokenOptions copy = Copy<VirtualTokenOptions>();
        copy.Sizes = sizes;
        return copy;
    }

    internal override TunerOptions Settled()
    {
        VirtualTokenOptions copy = Copy<VirtualTokenOptions>();
        copy.VirtualTokens = Count;
        return copy;
    }

    /// <summary>Reads PEFT's <c>adapter_config.json</c>.</summary>
    /// <exception cref="InvalidDataException">A setting is missing or of another type.</exception>
    /// <exception cref="NotSupportedException">A setting is not supported.</exception>
    internal static T Read<T>(JsonObject config, string file)
        where T : VirtualTokenOptions, new()
    {
        var read = new T();
        try
        {
            read.VirtualTokens = config["num_virtual_tokens"]!.GetValue<int>();
            read.ModulesToSave = config["modules_to_save"]?.Deserialize<string[]>() ?? [];
            read.Sizes = new VirtualTokenSizes(
                config["num_layers"]!.GetValue<int>(), config["num_attention_heads"]!.GetValue<int>(), config["token_dim"]!.GetValue<int>(),
                config["num_transformer_submodules"]?.GetValue<int>() ?? 1);
            read.ReadOwn(config);
            return read;
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException or JsonException or NullReferenceException)
        {
            throw new InvalidDataException($"{file}: a setting of {read.PeftType} is missing or of another type than expected: {e.Message}", e);
        }
        catch (NotSupportedException e)
        {
            throw new NotSupportedException($"{file}: {e.Message}", e);
        }
    }

    JsonObject IPeftAdapterFormat.ToAdapterConfig(string? taskType, string baseModel)
    {
        VirtualTokenSizes sizes = Sizes ?? throw new InvalidOperationException($"'{Key}' has not been attached to a model.");
        var config = new JsonObject
        {
            ["auto_mapping"] = null,
            ["base_model_name_or_path"] = baseModel,
            ["inference_mode"] = true,
            ["modules_to_save"] = ModulesToSave.Count == 0 ? null : JsonSerializer.SerializeToNode(ModulesToSave),
            ["num_attention_heads"] = sizes.Heads,
            ["num_layers"] = sizes.Layers,
            ["num_transformer_submodules"] = sizes.Parts,
            ["num_virtual_tokens"] = Count,
            ["peft_type"] = PeftType,
            ["revision"] = null,
            ["task_type"] = taskType,
            ["token_dim"] = sizes.Width,
        };
        WriteOwn(config, sizes);
        return config;
    }

    internal sealed override ITuner Create()
    {
        Check(Count >= 1, nameof(VirtualTokens), Count, "at least 1");
        return CreateTuner();
    }

    private protected abstract ITuner CreateTuner();

    /// <summary>Reads what only this method has.</summary>
    private protected abstract void ReadOwn(JsonObject config);

    /// <summary>Writes what only this method has.</summary>
    private protected abstract void WriteOwn(JsonObject config, VirtualTokenSizes sizes);

    private protected T Copy<T>()
        where T : VirtualTokenOptions => (T)MemberwiseClone();

    private protected void Check(bool good, string option, object value, string expected)
    {
        if (!good)
            throw new ArgumentOutOfRangeException(option, value, $"{GetType().Name}.{option} must be {expected}.");
    }
}

/// <summary>What PEFT's prompt-learning files say of their model.</summary>
/// <param name="Layers">Its layers; an encoder-decoder's in one of its parts.</param>
/// <param name="Heads">Heads of an attention; of keys and values where the method makes those.</param>
/// <param name="Width">Numbers of a virtual token; of its keys in one layer where the method makes those.</param>
/// <param name="Parts">2 for an encoder-decoder, else 1.</param>
internal sealed record VirtualTokenSizes(int Layers, int Heads, int Width, int Parts)
{
    /// <exception cref="ArgumentException">An adapter was made for a model of other sizes; the message names each.</exception>
    public void Check(VirtualTokenSizes? adapter)
    {
        if (adapter is null || adapter == this)
            return;
        (string Name, int Adapter, int Model)[] all =
        [
            ("token_dim", adapter.Width, Width), ("num_layers", adapter.Layers, Layers), ("num_attention_heads", adapter.Heads, Heads),
            ("num_transformer_submodules", adapter.Parts, Parts),
        ];
        IEnumerable<string> differences = all.Where(size => size.Adapter != size.Model)
            .Select(size => string.Create(CultureInfo.InvariantCulture, $"{size.Name} is {size.Adapter} in the adapter and {size.Model} in the model"));
        throw new ArgumentException($"The adapter was made for another model: {string.Join("; ", differences)}.");
    }
}
