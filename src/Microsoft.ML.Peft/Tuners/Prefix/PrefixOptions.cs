using System.Text.Json.Nodes;
using System.Text.Json.Serialization;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.Prefix;

namespace Microsoft.ML.Peft;

/// <summary>
/// Settings of prefix tuning (Li and Liang 2021), with the names of PEFT's <c>PrefixTuningConfig</c>: keys and values of virtual tokens, layer by
/// layer, before those of the text. Without a network behind the table it is P-tuning v2's form (Liu et al. 2022).
/// </summary>
public sealed class PrefixOptions : VirtualTokenOptions, IStartsFromTexts, IContinues
{
    internal const string Type = "PREFIX_TUNING";

    private const string ZeroStart = "zero";

    /// <summary>
    /// Whether the table is made by a network of two layers while it is learnt (the paper's reparametrisation), which is gone afterwards: what is
    /// saved is the table, and a fit from it goes on with the table alone. Off by default.
    /// </summary>
    public bool PrefixProjection { get; set; }

    /// <summary>The width of the network's inner layer; null (the default) for that of a token's keys in one layer. The paper has 512 and 800.</summary>
    public int? EncoderHiddenSize { get; set; }

    /// <summary>How the table starts; <see cref="PrefixStart.Random"/> by default.</summary>
    public PrefixStart Start { get; set; }

    /// <summary>
    /// The text whose keys and values the table starts from under <see cref="PrefixStart.Text"/>: of at least <see cref="VirtualTokenOptions.VirtualTokens"/>
    /// tokens, of which the first are taken. Null (the default) for other starts.
    /// </summary>
    public string? StartText { get; set; }

    /// <summary>What of an encoder-decoder has a prefix; <see cref="PrefixParts.Decoder"/> by default. Other models have one part.</summary>
    public PrefixParts Parts { get; set; }

    /// <summary>Dropout on the prefix's keys and values in training, from 0 to below 1; null (the default) for the method's own: 0, and 0.1 of P-tuning v2.</summary>
    public double? Dropout { get; set; }

    /// <summary>The tokens of <see cref="StartText"/>; empty before they are known.</summary>
    [JsonInclude]
    internal IReadOnlyList<int> StartTokens { get; private set; } = [];

    internal override string PeftType => Type;

    internal override bool IsMade => PrefixProjection;

    TunerOptions IStartsFromTexts.WithTokens(StartWords words)
    {
        PrefixOptions copy = Copy<PrefixOptions>();
        copy.StartTokens = Start == PrefixStart.Text ? words.Marked(StartText!) : [];
        return copy;
    }

    TunerOptions IContinues.Continue(TunerOptions adapter, string path) => Continuation.Of(this, (PrefixOptions)adapter, path, nameof(Dropout));

    /// <summary>These settings, with a method's own dropout where nothing is said.</summary>
    internal PrefixOptions WithDropout(double dropout)
    {
        PrefixOptions copy = Copy<PrefixOptions>();
        copy.Dropout ??= dropout;
        return copy;
    }

    private protected override ITuner CreateTuner()
    {
        Check(EncoderHiddenSize is null or >= 1, nameof(EncoderHiddenSize), EncoderHiddenSize ?? 0, "at least 1");
        Check(Enum.IsDefined(Start), nameof(Start), Start, "one of the enumeration");
        Check(Enum.IsDefined(Parts), nameof(Parts), Parts, "one of the enumeration");
        Check(Dropout is null or (>= 0 and < 1), nameof(Dropout), Dropout ?? 0, "from 0 to below 1");
        if ((Start == PrefixStart.Text) != (StartText is { Length: > 0 }))
            throw new ArgumentException($"{nameof(PrefixStart)}.{nameof(PrefixStart.Text)} needs a {nameof(StartText)}, and other starts take none.", nameof(StartText));
        if (PrefixProjection && Start is PrefixStart.Text or PrefixStart.SampledVocabulary)
        {
            throw new ArgumentException(
                $"{nameof(Start)} is {Start}, and {nameof(PrefixProjection)} is on: keys and values are no start of the network that makes the table.", nameof(Start));
        }
        return new PrefixTuner(this);
    }

    private protected override void ReadOwn(JsonObject config)
    {
        PrefixProjection = config["prefix_projection"]?.GetValue<bool>() ?? false;
        EncoderHiddenSize = config["encoder_hidden_size"]?.GetValue<int>();
        Start = config["init_weights"]?.GetValue<string>() is not { } start ? PrefixStart.Random
            : start == ZeroStart ? PrefixStart.Zero
            : throw new NotSupportedException($"'init_weights' is '{start}'; known is '{ZeroStart}'.");
    }

    private protected override void WriteOwn(JsonObject config, VirtualTokenSizes sizes)
    {
        if (Parts == PrefixParts.All && sizes.Parts > 1)
        {
            throw new NotSupportedException(
                $"The adapter has prefixes for encoder, decoder and cross-attention ({nameof(PrefixParts)}.{nameof(PrefixParts.All)}), and PEFT's folders hold the decoder's alone: save the whole model.");
        }
        config["encoder_hidden_size"] = EncoderHiddenSize ?? sizes.Width;
        config["init_weights"] = Start == PrefixStart.Zero ? ZeroStart : null;
        config["prefix_projection"] = PrefixProjection;
    }
}

/// <summary>How a prefix starts.</summary>
public enum PrefixStart
{
    /// <summary>N(0, 1), or what PyTorch's first values of a network make (the default).</summary>
    Random,

    /// <summary>Zeros: of the table, or of the network's last layer. PEFT's <c>init_weights</c> "zero".</summary>
    Zero,

    /// <summary>The keys and values that the model makes of tokens drawn from its vocabulary.</summary>
    SampledVocabulary,

    /// <summary>The keys and values that the model makes of <see cref="PrefixOptions.StartText"/>: PEFT's <c>initialize_kv_prefix_from_text</c>.</summary>
    Text,
}

/// <summary>Where an encoder-decoder has a prefix.</summary>
public enum PrefixParts
{
    /// <summary>In the decoder's attention to its own text, as in PEFT's folders (the default).</summary>
    Decoder,

    /// <summary>
    /// Prefixes of their own for the encoder, the decoder and its attention to the encoder, as in the paper. PEFT's folders cannot hold them: they are
    /// saved with the whole model.
    /// </summary>
    All,
}
