using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Tuners;
using Microsoft.ML.Peft.Tuners.PTuning;

namespace Microsoft.ML.Peft;

/// <summary>What makes the vectors of <see cref="PTuningOptions"/>.</summary>
public enum PTuningEncoder
{
    /// <summary>Three linear layers with ReLU between them, each token by itself (PEFT's default).</summary>
    Mlp,

    /// <summary>A bidirectional LSTM over the virtual tokens and two linear layers (the paper).</summary>
    Lstm,

    /// <summary>Two linear layers with ReLU between them, as GLM's own code has them.</summary>
    GlmMlp,

    /// <summary>The LSTM as GLM's own code has it: half as wide between the two linear layers.</summary>
    GlmLstm,
}

/// <summary>
/// Settings of P-tuning (Liu, Zheng et al. 2021), with the names of PEFT's <c>PromptEncoderConfig</c>: vectors beside a row's tokens, made by a
/// network while they are learnt, which is gone afterwards.
/// </summary>
public sealed class PTuningOptions : InputVectorOptions, IContinues
{
    internal const string Type = "P_TUNING";

    private const int DefaultLayers = 2;

    // PEFT's names of what it has too.
    private static readonly Dictionary<string, PTuningEncoder> s_encoders = new() { ["MLP"] = PTuningEncoder.Mlp, ["LSTM"] = PTuningEncoder.Lstm };

    /// <summary>A network beside the vectors of 20 sampled tokens (<see cref="VirtualTokenStart.SampledVocabulary"/>).</summary>
    public PTuningOptions() => Start = VirtualTokenStart.SampledVocabulary;

    /// <summary>What makes the vectors (PEFT's <c>encoder_reparameterization_type</c>); <see cref="PTuningEncoder.Mlp"/> by default.</summary>
    public PTuningEncoder Encoder { get; set; }

    /// <summary>The width of the network's inner layers; null (the default) for the model's.</summary>
    public int? EncoderHiddenSize { get; set; }

    /// <summary>Layers of the LSTM, 2 by default; an MLP has its linear layers whatever it says.</summary>
    public int EncoderNumLayers { get; set; } = DefaultLayers;

    /// <summary>Dropout between the layers of the LSTM while it is trained, from 0 to below 1; 0 by default.</summary>
    public double EncoderDropout { get; set; }

    internal override string PeftType => Type;

    internal override bool IsMade => true;

    TunerOptions IContinues.Continue(TunerOptions adapter, string path) => Continuation.Of(this, (PTuningOptions)adapter, path);

    private protected override ITuner CreateTuner()
    {
        Check(Enum.IsDefined(Encoder), nameof(Encoder), Encoder, "one of the enumeration");
        Check(EncoderHiddenSize is null or >= 1, nameof(EncoderHiddenSize), EncoderHiddenSize ?? 0, "at least 1");
        Check(EncoderNumLayers >= 1, nameof(EncoderNumLayers), EncoderNumLayers, "at least 1");
        Check(EncoderDropout is >= 0 and < 1, nameof(EncoderDropout), EncoderDropout, "from 0 to below 1");
        CheckStart();
        return new PTuner(this);
    }

    private protected override void ReadOwn(JsonObject config)
    {
        base.ReadOwn(config);
        Start = VirtualTokenStart.Random; // PEFT's network makes the vectors alone.
        string encoder = config["encoder_reparameterization_type"]?.GetValue<string>() ?? NameOf(PTuningEncoder.Mlp);
        Encoder = s_encoders.TryGetValue(encoder, out PTuningEncoder known) ? known : throw new NotSupportedException(
            $"'encoder_reparameterization_type' is '{encoder}'; known are {string.Join(", ", s_encoders.Keys)}.");
        EncoderHiddenSize = config["encoder_hidden_size"]?.GetValue<int>();
        EncoderNumLayers = config["encoder_num_layers"]?.GetValue<int>() ?? DefaultLayers;
        EncoderDropout = config["encoder_dropout"]?.GetValue<double>() ?? 0;
    }

    private protected override void WriteOwn(JsonObject config, VirtualTokenSizes sizes)
    {
        base.WriteOwn(config, sizes);
        config["encoder_dropout"] = EncoderDropout;
        config["encoder_hidden_size"] = EncoderHiddenSize ?? sizes.Width;
        config["encoder_num_layers"] = EncoderNumLayers;
        config["encoder_reparameterization_type"] = NameOf(Encoder);
    }

    // A network is gone when its table is written, and PEFT's nearest stands for one that only GLM has.
    private static string NameOf(PTuningEncoder encoder) => encoder is PTuningEncoder.Lstm or PTuningEncoder.GlmLstm ? "LSTM" : "MLP";
}
