using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tuners;

/// <summary>What the methods share that learn virtual tokens and leave the model as it is (PEFT's prompt learning).</summary>
internal abstract class VirtualTokenOptions : TunerOptions, IPeftAdapterFormat
{
    private protected VirtualTokenOptions() { }

    /// <summary>How many; 20 by default.</summary>
    public int VirtualTokens { get; set; } = 20;

    /// <summary>Modules that train as a whole beside the head, by the ends of their names; none by default.</summary>
    public IReadOnlyList<string> ModulesToSave { get; set; } = [];

    /// <summary>The sizes that PEFT's file repeats from the model; null before the method is attached.</summary>
    internal VirtualTokenSizes? Sizes { get; set; }

    internal abstract string PeftType { get; }

    /// <summary>The same settings with a model's sizes.</summary>
    internal VirtualTokenOptions With(VirtualTokenSizes sizes)
    {
        var copy = (VirtualTokenOptions)MemberwiseClone();
        copy.Sizes = sizes;
        return copy;
    }

    /// <summary>Reads PEFT's <c>adapter_config.json</c>.</summary>
    /// <exception cref="InvalidDataException">A setting is missing or of another type.</exception>
    public static T Read<T>(JsonObject config, string file)
        where T : VirtualTokenOptions, new()
    {
        var read = new T();
        try
        {
            read.VirtualTokens = config["num_virtual_tokens"]!.GetValue<int>();
            read.ModulesToSave = config["modules_to_save"]?.Deserialize<string[]>() ?? [];
            read.Sizes = new VirtualTokenSizes(
                config["num_layers"]!.GetValue<int>(), config["num_attention_heads"]!.GetValue<int>(), config["token_dim"]!.GetValue<int>());
            read.ReadOwn(config, file);
            return read;
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException or JsonException or NullReferenceException)
        {
            throw new InvalidDataException($"{file}: a setting of {read.PeftType} is missing or of another type than expected: {e.Message}", e);
        }
    }

    public JsonObject ToAdapterConfig(string? taskType, string baseModel)
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
            ["num_transformer_submodules"] = 1,
            ["num_virtual_tokens"] = VirtualTokens,
            ["peft_type"] = PeftType,
            ["revision"] = null,
            ["task_type"] = taskType,
            ["token_dim"] = sizes.Width,
        };
        WriteOwn(config);
        return config;
    }

    internal sealed override ITuner Create()
    {
        if (VirtualTokens < 1)
            throw new ArgumentOutOfRangeException(nameof(VirtualTokens), VirtualTokens, $"{nameof(VirtualTokens)} must be at least 1.");
        return CreateTuner();
    }

    private protected abstract ITuner CreateTuner();

    /// <summary>Reads what only this method has.</summary>
    private protected abstract void ReadOwn(JsonObject config, string file);

    /// <summary>Writes what only this method has.</summary>
    private protected abstract void WriteOwn(JsonObject config);
}

/// <summary>What PEFT's prompt-learning files say of their model.</summary>
/// <param name="Layers">Its layers.</param>
/// <param name="Heads">Heads of an attention; of keys and values where the method makes those.</param>
/// <param name="Width">Numbers of a virtual token; of its keys in one layer where the method makes those.</param>
internal sealed record VirtualTokenSizes(int Layers, int Heads, int Width);

/// <summary>One table of virtual tokens, and what reads it.</summary>
/// <param name="options">The settings.</param>
internal abstract class VirtualTokenTuner(VirtualTokenOptions options) : PartTuner(options)
{
    /// <summary>The table's name in PEFT's files, where it stands without a prefix.</summary>
    public const string TableName = "prompt_embeddings";

    private VirtualTokenSizes? _sizes;

    protected sealed override IReadOnlyList<string> ModulesToSave => options.ModulesToSave;

    protected sealed override string FilePrefix => "base_model.";

    public sealed override TunerOptions SettingsForExport(TunerOptions given) => ((VirtualTokenOptions)given).With(_sizes!);

    protected sealed override string FileName(string name) => name == TableName ? name : FilePrefix + name;

    protected sealed override IEnumerable<TunedPart> Tune(TuningTarget target, Generator generator)
    {
        _sizes = SizesOf(target);
        if (options.Sizes is { } saved && saved != _sizes)
            throw new ArgumentException($"The adapter was made for a model with {saved}; this one has {_sizes}.");
        Tensor start = normal(0, 1, [options.VirtualTokens, NumbersOf(_sizes)], ScalarType.Float32, generator.device, generator: generator);
        return [Part(target, new Parameter(TableName, start.DetachFromDisposeScope(), owned: true))];
    }

    protected abstract VirtualTokenSizes SizesOf(TuningTarget target);

    /// <summary>The table's width.</summary>
    protected abstract int NumbersOf(VirtualTokenSizes sizes);

    protected abstract TunedPart Part(TuningTarget target, Parameter table);
}
