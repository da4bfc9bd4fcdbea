using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>PEFT's <c>adapter_config.json</c> and our options, both ways. What is not ours to change stays as it was.</summary>
internal static class LoraConfigFile
{
    public const string FileName = "adapter_config.json";

    // Settings that change the numbers and that this library does not know: to pass over one would give wrong answers.
    private static readonly string[] Refused =
    [
        "use_dora", "lora_bias", "use_qalora", "use_bdlora", "layer_replication", "target_parameters",
        "trainable_token_indices", "alora_invocation_tokens", "arrow_config", "layers_pattern", "fan_in_fan_out",
    ];

    /// <exception cref="InvalidDataException">A setting has the wrong type.</exception>
    /// <exception cref="NotSupportedException">A setting is in use that is not supported.</exception>
    public static LoraOptions Read(JsonObject config, string file)
    {
        foreach (string key in Refused.Where(key => IsSet(config[key])))
            throw new NotSupportedException($"{file}: '{key}' is {config[key]!.ToJsonString()}, which is not supported.");
        try
        {
            JsonNode? targets = config["target_modules"];
            string? pattern = targets is JsonValue value ? value.GetValue<string>() : null;
            bool all = pattern == LoraOptions.AllLinear;
            return new LoraOptions
            {
                Rank = config["r"]!.GetValue<int>(),
                Alpha = config["lora_alpha"]!.GetValue<double>(),
                Dropout = config["lora_dropout"]?.GetValue<double>() ?? 0,
                UseRankStabilizedScaling = config["use_rslora"]?.GetValue<bool>() ?? false,
                Bias = Enum.Parse<LoraBias>((config["bias"]?.GetValue<string>() ?? "none").Replace("_", "", StringComparison.Ordinal), ignoreCase: true),
                TargetModules = all ? [LoraOptions.AllLinear] : targets is JsonArray ? Strings(targets) : null,
                TargetPattern = all ? null : pattern,
                ExcludeModules = Strings(config["exclude_modules"]),
                RankPattern = config["rank_pattern"]?.Deserialize<Dictionary<string, int>>() ?? [],
                AlphaPattern = config["alpha_pattern"]?.Deserialize<Dictionary<string, double>>() ?? [],
                LayersToTransform = config["layers_to_transform"] switch
                {
                    JsonArray many => many.Deserialize<int[]>(),
                    JsonValue one => [one.GetValue<int>()],
                    _ => null,
                },
                ModulesToSave = Strings(config["modules_to_save"]),
            };
        }
        catch (Exception e) when (e is InvalidOperationException or FormatException or JsonException or NullReferenceException or ArgumentException)
        {
            throw new InvalidDataException($"{file}: a LoRA setting is missing or of another type than expected: {e.Message}", e);
        }
    }

    /// <summary>Writes our settings over those of <paramref name="original"/> (or of PEFT's defaults).</summary>
    public static JsonObject Write(LoraOptions options, JsonObject? original, string? taskType, string baseModel)
    {
        JsonObject config = original?.DeepClone().AsObject() ?? new JsonObject
        {
            ["base_model_name_or_path"] = baseModel,
            ["inference_mode"] = true,
            ["task_type"] = taskType,
            ["fan_in_fan_out"] = false,
            ["init_lora_weights"] = true,
        };
        // A file that came in keeps its own spelling (an integer alpha, a null list) where the meaning is the same.
        LoraOptions? before = original is null ? null : Read(original, FileName);
        Set("peft_type", "LORA", "LORA");
        Set("r", options.Rank, before?.Rank);
        Set("lora_alpha", options.Alpha, before?.Alpha);
        Set("lora_dropout", options.Dropout, before?.Dropout);
        Set("use_rslora", options.UseRankStabilizedScaling, before?.UseRankStabilizedScaling);
        Set("bias", Spell(options.Bias), Spell(before?.Bias));
        Set("target_modules", Targets(options), before is null ? null : Targets(before));
        Set("exclude_modules", options.ExcludeModules, before?.ExcludeModules);
        Set("rank_pattern", options.RankPattern, before?.RankPattern);
        Set("alpha_pattern", options.AlphaPattern, before?.AlphaPattern);
        Set("layers_to_transform", options.LayersToTransform, before?.LayersToTransform);
        Set("modules_to_save", options.ModulesToSave, before?.ModulesToSave);
        return config;

        void Set(string key, object? now, object? was)
        {
            JsonNode? node = JsonSerializer.SerializeToNode(now);
            if (before is null || !JsonNode.DeepEquals(node, JsonSerializer.SerializeToNode(was)))
                config[key] = node;
        }
    }

    private static object? Targets(LoraOptions options) => options.TargetPattern is { } pattern ? pattern
        : options.TargetModules is [LoraOptions.AllLinear] ? LoraOptions.AllLinear
        : options.TargetModules;

    private static string? Spell(LoraBias? bias) => bias switch { LoraBias.All => "all", LoraBias.LoraOnly => "lora_only", LoraBias.None => "none", _ => null };

    private static string[] Strings(JsonNode? node) => node switch
    {
        JsonArray array => [.. array.Select(item => item!.GetValue<string>())],
        JsonValue one => [one.GetValue<string>()],
        _ => [],
    };

    private static bool IsSet(JsonNode? node) => node switch
    {
        null => false,
        JsonValue value when value.TryGetValue(out bool flag) => flag,
        JsonArray array => array.Count > 0,
        JsonObject fields => fields.Count > 0,
        _ => true,
    };
}
