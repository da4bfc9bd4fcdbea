using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;

namespace Microsoft.ML.Peft.Benchmarks;

/// <summary>A model's shape and a batch's, and the FLOPs that the peer's recipe (shared/PEERS.md) counts for them.</summary>
/// <param name="Config">config.json.</param>
/// <param name="Layers">Layers.</param>
/// <param name="Hidden">Width.</param>
/// <param name="Inner">Width of the feed-forward.</param>
/// <param name="InnerMatrices">Matrices of the feed-forward: 2, or 3 where it is gated.</param>
/// <param name="Vocabulary">Width of the language model's head; 0 for a classifier.</param>
/// <param name="Rows">Rows of a batch.</param>
/// <param name="Length">Tokens of a row.</param>
internal record StepShape(string Config, int Layers, int Hidden, int Inner, int InnerMatrices, int Vocabulary, int Rows, int Length)
{
    public static StepShape Roberta { get; } = new("""
        {"model_type":"roberta","architectures":["RobertaForSequenceClassification"],"hidden_size":768,"num_hidden_layers":12,
         "num_attention_heads":12,"intermediate_size":3072,"vocab_size":50265,"max_position_embeddings":514,"type_vocab_size":1,
         "layer_norm_eps":1e-5,"hidden_dropout_prob":0.1,"attention_probs_dropout_prob":0.1,"hidden_act":"gelu","pad_token_id":1}
        """, Layers: 12, Hidden: 768, Inner: 3072, InnerMatrices: 2, Vocabulary: 0, Rows: 8, Length: 128);

    public static StepShape Gpt2 { get; } = new("""
        {"model_type":"gpt2","architectures":["GPT2LMHeadModel"],"n_embd":768,"n_layer":12,"n_head":12,"n_positions":1024,"vocab_size":50257}
        """, Layers: 12, Hidden: 768, Inner: 3072, InnerMatrices: 2, Vocabulary: 50257, Rows: 4, Length: 128);

    public static StepShape Llama110M { get; } = new("""
        {"model_type":"llama","architectures":["LlamaForCausalLM"],"hidden_size":768,"num_hidden_layers":12,"num_attention_heads":12,
         "intermediate_size":2048,"vocab_size":32000,"max_position_embeddings":1024,"rms_norm_eps":1e-6,"tie_word_embeddings":true}
        """, Layers: 12, Hidden: 768, Inner: 2048, InnerMatrices: 3, Vocabulary: 32000, Rows: 2, Length: 128);

    public static StepShape Llama7B { get; } = Llama(layers: 32, hidden: 4096, inner: 11008, heads: 32);

    public static StepShape Llama13B { get; } = Llama(layers: 40, hidden: 5120, inner: 13824, heads: 40);

    public static StepShape Llama33B { get; } = Llama(layers: 60, hidden: 6656, inner: 17920, heads: 52);

    private static StepShape Llama(int layers, int hidden, int inner, int heads) => new($$"""
        {"model_type":"llama","architectures":["LlamaForCausalLM"],"hidden_size":{{hidden}},"num_hidden_layers":{{layers}},"num_attention_heads":{{heads}},
         "intermediate_size":{{inner}},"vocab_size":32000,"max_position_embeddings":2048,"rms_norm_eps":1e-6,"tie_word_embeddings":false}
        """, layers, hidden, inner, InnerMatrices: 3, Vocabulary: 32000, Rows: 1, Length: 64);

    /// <summary>FLOPs of a forward pass.</summary>
    public double Forward => 2 * (Products + Attention);

    /// <summary>FLOPs of a LoRA step: two forward passes, and attention's second product in the backward pass.</summary>
    public double LoraStep => (2 * Forward) + (2 * Attention);

    /// <summary>A language model's head, or a classifier's.</summary>
    public virtual Head CreateHead(PretrainedModel model) =>
        Vocabulary > 0 ? model.As<IWritesTexts>().CreateLanguageModelHead() : model.As<ISequenceClassifier>().CreateSequenceClassificationHead(2);

    /// <summary>The rows of a batch, of random tokens.</summary>
    public virtual Example[] Examples()
    {
        var random = new Random(1);
        bool classifies = Vocabulary == 0;
        return [.. Enumerable.Range(0, Rows).Select(i =>
        {
            int[] ids = RandomIds(random, Length);
            return new Example
            {
                Ids = ids,
                ReadPositions = classifies ? [] : [.. Enumerable.Range(0, Length - 1)],
                Label = classifies ? i % 2 : null,
                Labels = classifies ? [] : ids[1..],
            };
        })];
    }

    /// <summary>Multiplications of a batch by the model's matrices.</summary>
    protected virtual double Products => (double)Rows * ((Length * Layers * ((4.0 * Hidden * Hidden) + ((double)InnerMatrices * Hidden * Inner))) + (Told * (double)Hidden * Vocabulary));

    /// <summary>Tokens of a row for which the language model's head is computed.</summary>
    protected virtual int Told => Length;

    /// <summary>Multiplications of a batch in attention.</summary>
    protected virtual double Attention => (double)Rows * Length * Layers * 2.0 * Length * Hidden;

    protected static int[] RandomIds(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(5, 30000))];
}
