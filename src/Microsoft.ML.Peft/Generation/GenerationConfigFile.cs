using System.Text.Json;
using Microsoft.ML.Peft.Checkpoints;

namespace Microsoft.ML.Peft.Generation;

/// <summary>How a model's folder wants it to generate: <c>generation_config.json</c>, or the end token of <c>config.json</c> alone.</summary>
internal static class GenerationConfigFile
{
    public const string FileName = "generation_config.json";

    // Settings that would change what is generated and are not supported, and the value under which they change nothing.
    private static readonly Dictionary<string, double?> Unsupported = new()
    {
        ["num_beam_groups"] = 1, ["diversity_penalty"] = 0, ["penalty_alpha"] = 0, ["guidance_scale"] = 1, ["encoder_repetition_penalty"] = 1,
        ["encoder_no_repeat_ngram_size"] = 0, ["top_h"] = null, ["constraints"] = null, ["force_words_ids"] = null, ["bad_words_ids"] = null,
        ["sequence_bias"] = null, ["forced_bos_token_id"] = null, ["forced_eos_token_id"] = null, ["exponential_decay_length_penalty"] = null,
        ["suppress_tokens"] = null, ["begin_suppress_tokens"] = null, ["dola_layers"] = null, ["watermarking_config"] = null,
    };

    /// <param name="folder">The model's folder.</param>
    /// <param name="model">Its configuration, which knows the end token where the file for generation does not name one.</param>
    /// <exception cref="InvalidDataException">A value is of the wrong kind or out of range, or asks for what is not supported.</exception>
    public static GenerationOptions Load(string folder, HfConfig model)
    {
        string path = Path.Combine(folder, FileName);
        return Parse(TextIn(folder), path, model);
    }

    /// <param name="json">What the file says; null where there is none.</param>
    /// <param name="description">The file, for messages.</param>
    /// <param name="model">The model's configuration, which knows the end token where the file does not name one.</param>
    /// <exception cref="InvalidDataException">A value is of the wrong kind or out of range, or asks for what is not supported.</exception>
    public static GenerationOptions Parse(string? json, string description, HfConfig model)
    {
        GenerationOptions options = json is null ? new() : Read(HfConfig.Parse(json, description), description);
        options.EosTokenIds ??= EndTokens(model);
        if (model.Has("vocab_size") && options.EosTokenIds?.FirstOrDefault(id => id >= model.Int("vocab_size")) is > 0 and var beyond)
            throw Malformed.File(description, $"an end token (eos_token_id) among the model's {model.Int("vocab_size")}", $"{beyond}");
        return options;
    }

    /// <summary>The file's text; null where the folder has none.</summary>
    public static string? TextIn(string? folder) =>
        folder is not null && Path.Combine(folder, FileName) is var path && File.Exists(path) ? File.ReadAllText(path) : null;

    public static GenerationOptions Read(HfConfig file, string description)
    {
        foreach (var (key, neutral) in Unsupported)
        {
            if (file.Has(key) && !file.IsEmpty(key) && !(neutral is { } value && file.Double(key) == value))
                throw new InvalidDataException($"{description}: '{key}' is set, which is not supported; remove it to generate without.");
        }
        return new GenerationOptions
        {
            MaxNewTokens = Int(file, "max_new_tokens"),
            MaxLength = file.Has("max_new_tokens") ? null : Int(file, "max_length"),
            MinNewTokens = Int(file, "min_new_tokens"),
            MinLength = Int(file, "min_length"),
            DoSample = file.Has("do_sample") ? file.Bool("do_sample") : null,
            Temperature = Double(file, "temperature"),
            TopK = Int(file, "top_k"),
            TopP = Double(file, "top_p"),
            MinP = Double(file, "min_p"),
            TypicalP = Double(file, "typical_p"),
            EpsilonCutoff = Double(file, "epsilon_cutoff"),
            EtaCutoff = Double(file, "eta_cutoff"),
            RepetitionPenalty = Double(file, "repetition_penalty"),
            NoRepeatNgramSize = Int(file, "no_repeat_ngram_size"),
            NumBeams = Int(file, "num_beams"),
            LengthPenalty = Double(file, "length_penalty"),
            EarlyStopping = EarlyStopping(file, description),
            NumReturnSequences = Int(file, "num_return_sequences"),
            StopStrings = StopStrings(file),
            EosTokenIds = EndTokens(file),
        };
    }

    private static BeamEarlyStopping? EarlyStopping(HfConfig file, string description)
    {
        const string Key = "early_stopping";
        if (!file.Has(Key))
            return null;
        if (file.Kind(Key) != JsonValueKind.String)
            return file.Bool(Key) ? BeamEarlyStopping.WhenFull : BeamEarlyStopping.Likely;
        return file.String(Key) == "never"
            ? BeamEarlyStopping.Never
            : throw Malformed.File(description, $"true, false or 'never' under '{Key}'", $"'{file.String(Key)}'");
    }

    private static IReadOnlyList<string>? StopStrings(HfConfig file)
    {
        const string Key = "stop_strings";
        if (!file.Has(Key))
            return null;
        return file.Kind(Key) == JsonValueKind.String ? [file.String(Key)] : file.Strings(Key);
    }

    // A negative id stands for none.
    private static IReadOnlyList<int>? EndTokens(HfConfig file) =>
        file.Has("eos_token_id") ? [.. file.Ints("eos_token_id").Where(id => id >= 0)] : null;

    private static int? Int(HfConfig file, string key) => file.Has(key) ? file.Int(key) : null;

    private static double? Double(HfConfig file, string key) => file.Has(key) ? file.Double(key) : null;
}
