using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Tuners.Ia3;

/// <summary>(IA)³ (Liu et al. 2022): learned vectors that scale what chosen projections read or give.</summary>
internal sealed class Ia3Options : TunerOptions, IPeftAdapterFormat
{
    public const string PeftType = "IA3";

    /// <summary>Modules by name or by the end of their path; null (the default) for the architecture's.</summary>
    public IReadOnlyList<string>? TargetModules { get; set; }

    /// <summary>Those of the targets whose input is scaled, not their output.</summary>
    public IReadOnlyList<string> FeedForwardModules { get; set; } = [];

    /// <summary>Modules that train as a whole beside the head, by the ends of their names; none by default.</summary>
    public IReadOnlyList<string> ModulesToSave { get; set; } = [];

    /// <summary>Reads PEFT's <c>adapter_config.json</c>.</summary>
    /// <exception cref="InvalidDataException">A setting is of another type.</exception>
    public static Ia3Options Read(JsonObject config, string file)
    {
        try
        {
            return new Ia3Options
            {
                TargetModules = config["target_modules"].Deserialize<string[]>(),
                FeedForwardModules = config["feedforward_modules"].Deserialize<string[]>() ?? [],
                ModulesToSave = config["modules_to_save"].Deserialize<string[]>() ?? [],
            };
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{file}: a setting of IA3 is of another type than expected: {e.Message}", e);
        }
    }

    public JsonObject ToAdapterConfig(string? taskType, string baseModel) => new()
    {
        ["auto_mapping"] = null,
        ["base_model_name_or_path"] = baseModel,
        ["exclude_modules"] = null,
        ["fan_in_fan_out"] = false,
        ["feedforward_modules"] = JsonSerializer.SerializeToNode(FeedForwardModules),
        ["inference_mode"] = true,
        ["init_ia3_weights"] = true,
        ["modules_to_save"] = ModulesToSave.Count == 0 ? null : JsonSerializer.SerializeToNode(ModulesToSave),
        ["peft_type"] = PeftType,
        ["revision"] = null,
        ["target_modules"] = JsonSerializer.SerializeToNode(TargetModules),
        ["task_type"] = taskType,
    };

    internal override ITuner Create() => new Ia3Tuner(this);
}
