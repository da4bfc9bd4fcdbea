using System.Text.Json;
using System.Text.Json.Nodes;

namespace Microsoft.ML.Peft.Tuners.Lora;

/// <summary>PEFT's <c>adapter_config.json</c> and our options, both ways. What is not ours to change stays as it was.</summary>
internal static class LoraConfigFile
{
    public const string FileName = "adapter_config.json";

    // What PEFT takes where a file says nothing: its alpha is a number of its own, not the rank.
    private const int PeftRank = 8, PeftAlpha = 8;

    // What is read below, and what changes no number of a trained adapter. To pass over another one would give wrong answers.
    private static readonly HashSet<string> Known = new(StringComparer.Ordinal)
    {
        "r", "lora_alpha", "lora_dropout", "use_rslora", "use_dora", "fan_in_fan_out", "init_lora_weights", "loftq_config", "bias",
        "target_modules", "exclude_modules", "rank_pattern", "alpha_pattern", "layers_to_transform", "layers_pattern", "modules_to_save",
        "trainable_token_indices", "peft_type", "peft_version", "task_type", "base_model_name_or_path", "revision", "inference_mode",
        "auto_mapping", "megatron_core", "runtime_config", "qalora_group_size", "eva_config", "corda_config", "lora_ga_config",
    };

    /// <exception cref="InvalidDataException">A setting has the wrong type.</exception>
    /// <exception cref="NotSupportedException">A setting is in use that is not supported.</exception>
    public static LoraOptions Read(JsonObject config, string file)
    {
        foreach (var (key, value) in config.Where(setting => !Known.Contains(setting.Key) && IsSet(setting.Value)))
            throw new NotSupportedException($"{file}: '{key}' is {value!.ToJsonString()}, which is not supported.");
        try
        {
            JsonNode? targets = config["target_modules"];
            string? pattern = targets is JsonValue value ? value.GetValue<string>() : null;
            bool all = string.Equals(pattern, LoraOptions.AllLinear, StringComparison.OrdinalIgnoreCase);
            (LoraStart start, int? iterations) = StartNames.Read(config["init_lora_weights"], file);
            JsonNode? excluded = config["exclude_modules"], tokens = config["trainable_token_indices"];
            return new LoraOptions
            {
                Rank = config["r"]?.GetValue<int>() ?? PeftRank,
                Alpha = config["lora_alpha"]?.GetValue<double>() ?? PeftAlpha,
                Dropout = config["lora_dropout"]?.GetValue<double>() ?? 0,
                UseRankStabilizedScaling = config["use_rslora"]?.GetValue<bool>() ?? false,
                UseDora = config["use_dora"]?.GetValue<bool>() ?? false,
                FanInFanOut = config["fan_in_fan_out"]?.GetValue<bool>() ?? false,
                Start = start,
                PissaIterations = iterations,
                LoftqIterations = start == LoraStart.Loftq ? StartNames.ReadLoftq(config["loftq_config"], file) : 1,
                Bias = Enum.Parse<LoraBias>((config["bias"]?.GetValue<string>() ?? "none").Replace("_", "", StringComparison.Ordinal), ignoreCase: true),
                TargetModules = all ? [LoraOptions.AllLinear] : targets is JsonArray ? Strings(targets) : null,
                TargetPattern = all ? null : pattern,
                ExcludeModules = excluded is JsonArray ? Strings(excluded) : [],
                ExcludePattern = (excluded as JsonValue)?.GetValue<string>() is { Length: > 0 } excludes ? excludes : null,
                RankPattern = config["rank_pattern"]?.Deserialize<Dictionary<string, int>>() ?? [],
                AlphaPattern = config["alpha_pattern"]?.Deserialize<Dictionary<string, double>>() ?? [],
                LayersToTransform = config["layers_to_transform"] switch
                {
                    JsonArray many => many.Deserialize<int[]>(),
                    JsonValue one => [one.GetValue<int>()],
                    _ => null,
                },
                LayersPattern = Strings(config["layers_pattern"]),
                ModulesToSave = Strings(config["modules_to_save"]),
                TrainableTokens = (tokens as JsonArray)?.Deserialize<int[]>() ?? [],
                TrainableTokensByModule = (tokens as JsonObject)?.Deserialize<Dictionary<string, int[]>>()
                    ?.ToDictionary(t => t.Key, t => (IReadOnlyList<int>)t.Value) ?? [],
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
        };
        // A file that came in keeps its own spelling (an integer alpha, a null list) where the meaning is the same.
        LoraOptions? before = original is null ? null : Read(original, FileName);
        Set("peft_type", LoraOptions.PeftType, LoraOptions.PeftType);
        Set("r", options.Values.Rank, before?.Rank);
        Set("lora_alpha", options.Values.Alpha, before?.Alpha);
        Set("lora_dropout", options.Values.Dropout, before?.Dropout);
        Set("use_rslora", options.UseRankStabilizedScaling, before?.UseRankStabilizedScaling);
        Set("use_dora", options.UseDora, before?.UseDora);
        Set("fan_in_fan_out", options.FanInFanOut, before?.FanInFanOut);
        Set("init_lora_weights", StartNames.Write(options), before is null ? null : StartNames.Write(before));
        Set("bias", Spell(options.Bias), Spell(before?.Bias));
        Set("target_modules", Targets(options), before is null ? null : Targets(before));
        Set("exclude_modules", Excluded(options), before is null ? null : Excluded(before));
        Set("rank_pattern", options.RankPattern, before?.RankPattern);
        Set("alpha_pattern", options.AlphaPattern, before?.AlphaPattern);
        Set("layers_to_transform", options.LayersToTransform, before?.LayersToTransform);
        Set("layers_pattern", Optional(options.LayersPattern), Optional(before?.LayersPattern));
        Set("trainable_token_indices", Tokens(options), before is null ? null : Tokens(before));
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

    private static object? Excluded(LoraOptions options) => options.ExcludePattern is { } pattern ? pattern : options.ExcludeModules;

    private static object? Tokens(LoraOptions options) =>
        options.TrainableTokensByModule.Count > 0 ? options.TrainableTokensByModule : Optional(options.TrainableTokens);

    // PEFT takes an empty list for a wish.
    private static IReadOnlyList<T>? Optional<T>(IReadOnlyList<T>? list) => list is { Count: > 0 } ? list : null;

    private static string? Spell(LoraBias? bias) => bias switch { LoraBias.All => "all", LoraBias.LoraOnly => "lora_only", LoraBias.None => "none", _ => null };

    private static string[] Strings(JsonNode? node) => node switch
    {
        JsonArray array => [.. array.Select(item => item!.GetValue<string>())],
        // An empty text is none, as in PEFT.
        JsonValue one when one.GetValue<string>() is { Length: > 0 } name => [name],
        JsonValue or null => [],
        _ => throw new FormatException($"expected a text or a list of them, found {node.ToJsonString()}"),
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
