namespace Microsoft.ML.Peft;

/// <summary>When a beam search ends, transformers' <c>early_stopping</c>.</summary>
public enum BeamEarlyStopping
{
    /// <summary>When no running beam is likely to better the finished ones, judged at its present length (<c>False</c>, the default).</summary>
    Likely,

    /// <summary>As soon as there are as many finished sequences as beams (<c>True</c>).</summary>
    WhenFull,

    /// <summary>When no running beam can better the finished ones at any length (<c>"never"</c>).</summary>
    Never,
}

/// <summary>
/// How text is generated, with the names of transformers' <c>GenerationConfig</c>. Null takes the value of the model
/// folder's <c>generation_config.json</c>, or transformers' default where that has none. A setting that the chosen way of
/// generating would not read is refused.
/// </summary>
public sealed class GenerationOptions
{
    /// <summary>The most tokens that are generated. Default 20, unless <see cref="MaxLength"/> is set.</summary>
    public int? MaxNewTokens { get; set; }

    /// <summary>The longest row, prompt and generated tokens together: another way to say <see cref="MaxNewTokens"/>.</summary>
    public int? MaxLength { get; set; }

    /// <summary>Tokens that are generated before an end token may be. Default 0.</summary>
    public int? MinNewTokens { get; set; }

    /// <summary>The length, prompt and generated tokens together, before which no end token may come. Default 0.</summary>
    public int? MinLength { get; set; }

    /// <summary>Whether tokens are drawn by their probabilities, rather than the best taken. Default false.</summary>
    public bool? DoSample { get; set; }

    /// <summary>Sampling: logits are divided by this; below 1 the likely become likelier. Default 1.</summary>
    public double? Temperature { get; set; }

    /// <summary>Sampling: only this many of the likeliest tokens are drawn from; 0 for all. Default 50.</summary>
    public int? TopK { get; set; }

    /// <summary>Sampling: only the likeliest tokens that together have this probability (Holtzman et al. 2019). Default 1: all.</summary>
    public double? TopP { get; set; }

    /// <summary>Sampling: only tokens with this share of the likeliest token's probability (Nguyen et al. 2024). Default 0: all.</summary>
    public double? MinP { get; set; }

    /// <summary>Sampling: only the tokens nearest to the expected information that together have this probability (Meister et al. 2022). Default 1: all.</summary>
    public double? TypicalP { get; set; }

    /// <summary>Sampling: only tokens with at least this probability (Hewitt et al. 2022). Default 0: all.</summary>
    public double? EpsilonCutoff { get; set; }

    /// <summary>Sampling: only tokens above a cutoff that falls with the entropy (Hewitt et al. 2022). Default 0: all.</summary>
    public double? EtaCutoff { get; set; }

    /// <summary>
    /// Sampling: a row draws from a stream that this number and its prompt name, so that it says the same alone and in any batch;
    /// null (the default) for another stream in every call.
    /// </summary>
    public long? Seed { get; set; }

    /// <summary>Above 1, tokens that the row has already, those of the prompt included, become less likely (Keskar et al. 2019). Default 1.</summary>
    public double? RepetitionPenalty { get; set; }

    /// <summary>No run of this many tokens comes twice in a row, its prompt included; 0 (the default) for no such rule.</summary>
    public int? NoRepeatNgramSize { get; set; }

    /// <summary>Beams of a beam search. Default 1: none.</summary>
    public int? NumBeams { get; set; }

    /// <summary>Beams: a sequence's score is its log-probability over its generated length to this power. Default 1.</summary>
    public double? LengthPenalty { get; set; }

    /// <summary>Beams: when the search ends. Default <see cref="BeamEarlyStopping.Likely"/>.</summary>
    public BeamEarlyStopping? EarlyStopping { get; set; }

    /// <summary>Sequences for each prompt: the best beams, or as many draws. Default 1.</summary>
    public int? NumReturnSequences { get; set; }

    /// <summary>
    /// Texts that end a row as soon as one of them stands in what was generated. The text ends before it; the token ids
    /// are kept to the one that completed it, as transformers does.
    /// </summary>
    public IReadOnlyList<string>? StopStrings { get; set; }

    /// <summary>Tokens that end a row (<c>eos_token_id</c>), the last of its ids; empty for none. Default those of the model's folder and what it was taught to end with.</summary>
    public IReadOnlyList<int>? EosTokenIds { get; set; }
}
