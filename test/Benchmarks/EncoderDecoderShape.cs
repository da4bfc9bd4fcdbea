using Microsoft.ML.Peft.Data;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>An encoder-decoder of as many layers on either side, whose heads fill its width.</summary>
/// <param name="Written">Tokens that the decoder writes for a row; the encoder reads <paramref name="Length"/>.</param>
internal sealed record EncoderDecoderShape(
    string Config, int Layers, int Hidden, int Inner, int InnerMatrices, int Vocabulary, int Rows, int Length, int Written)
    : StepShape(Config, Layers, Hidden, Inner, InnerMatrices, Vocabulary, Rows, Length)
{
    public static EncoderDecoderShape T5Small { get; } = new("""
        {"model_type":"t5","architectures":["T5ForConditionalGeneration"],"d_model":512,"d_kv":64,"num_heads":8,"num_layers":6,"d_ff":2048,"vocab_size":32128,
         "relative_attention_num_buckets":32,"dropout_rate":0.1,"is_encoder_decoder":true,"decoder_start_token_id":0,"eos_token_id":1,"pad_token_id":0}
        """, Layers: 6, Hidden: 512, Inner: 2048, InnerMatrices: 2, Vocabulary: 32128, Rows: 8, Length: 128, Written: 64);

    public override Example[] Examples()
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, Rows).Select(_ => new Example { Ids = RandomIds(random, Length), Labels = RandomIds(random, Written) })];
    }

    /// <summary>Weights that are read for each written token: all of the decoder but cross-attention's keys and values, which are made once.</summary>
    public double BytesWritten => sizeof(float) * ((Layers * ((6 * Square) + Feed)) + ((double)Hidden * Vocabulary));

    // Cross-attention takes keys and values of what was read, queries and outputs of what is written.
    protected override double Products => Rows * ((Length * Layers * ((6 * Square) + Feed)) + (Written * ((Layers * ((6 * Square) + Feed)) + ((double)Hidden * Vocabulary))));

    protected override double Attention => (double)Rows * Layers * 2 * Hidden * ((Length * Length) + (Written * Written) + (Written * Length));

    private double Square => (double)Hidden * Hidden;

    private double Feed => (double)InnerMatrices * Hidden * Inner;
}
