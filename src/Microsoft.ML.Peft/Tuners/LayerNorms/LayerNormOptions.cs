using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Tuners.LayerNorms;

/// <summary>Trains the norms alone (Zhao et al. 2023).</summary>
internal sealed class LayerNormOptions : TunerOptions, IPeftAdapterFormat
{
    public const string PeftType = "LN_TUNING";

    /// <summary>Norms by name or by the end of their path; null (the default) for all.</summary>
    public IReadOnlyList<string>? TargetModules { get; set; }

    /// <summary>Modules that train as a whole beside the head, by the ends of their names; none by default.</summary>
    public IReadOnlyList<string> ModulesToSave { get; set; } = [];

    /// <summary>Reads PEFT's <c>adapter_config.json</c>.</summary>
    /// <exception cref="InvalidDataException">A setting is of another type.</exception>
    public static LayerNormOptions Read(JsonObject config, string file)
    {
        try
        {
            return new LayerNormOptions
            {
                TargetModules = config["target_modules"].Deserialize<string[]>(),
                ModulesToSave = config["modules_to_save"].Deserialize<string[]>() ?? [],
            };
        }
        catch (JsonException e)
        {
            throw new InvalidDataException($"{file}: a setting of LN_TUNING is of another type than expected: {e.Message}", e);
        }
    }

    public JsonObject ToAdapterConfig(string? taskType, string baseModel) => new()
    {
        ["auto_mapping"] = null,
        ["base_model_name_or_path"] = baseModel,
        ["exclude_modules"] = null,
        ["inference_mode"] = true,
        ["modules_to_save"] = ModulesToSave.Count == 0 ? null : JsonSerializer.SerializeToNode(ModulesToSave),
        ["peft_type"] = PeftType,
        ["revision"] = null,
        ["target_modules"] = JsonSerializer.SerializeToNode(TargetModules),
        ["task_type"] = taskType,
    };

    internal override ITuner Create() => new LayerNormTuner(this);
}
