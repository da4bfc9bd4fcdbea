using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Data.BlankInfilling;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tokenization;

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
internal sealed record StepShape(string Config, int Layers, int Hidden, int Inner, int InnerMatrices, int Vocabulary, int Rows, int Length)
{
    /// <summary>A row of 116 tokens without 18 of them, in six blanks: 15 %, as GLM's pretraining draws them. With masks and marks it is of 128, 24 of which are learnt.</summary>
    public static StepShape Glm110M { get; } = new("""
        {"model_type":"glm","architectures":["GLMForConditionalGeneration"],"hidden_size":768,"num_layers":12,"num_attention_heads":12,
         "vocab_size":30592,"max_sequence_length":512,"embedding_dropout_prob":0.1,"attention_dropout_prob":0.1,"output_dropout_prob":0.1}
        """, Layers: 12, Hidden: 768, Inner: 3072, InnerMatrices: 2, Vocabulary: 30592, Rows: 8, Length: 128)
    {
        Head = model => model.As<IFillsBlanks>().CreateLanguageModelHead(), Row = Blanked, Learnt = 24.0 / 128,
    };

    /// <summary>The head; null for a language model's or a classifier's.</summary>
    public Func<PretrainedModel, Head>? Head { get; init; }

    /// <summary>Makes a row; null for one of random tokens, of which each is to tell the next.</summary>
    public Func<Random, Example>? Row { get; init; }

    /// <summary>The share of tokens for which the language model's head is computed.</summary>
    public double Learnt { get; init; } = 1;

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
    public double Forward => 2 * ((Layers * ((4.0 * Hidden * Hidden) + ((double)InnerMatrices * Hidden * Inner))) + Attention + (Learnt * Hidden * Vocabulary)) * Tokens;

    /// <summary>FLOPs of a LoRA step: two forward passes, and attention's second product in the backward pass.</summary>
    public double LoraStep => (2 * Forward) + (2 * Attention * Tokens);

    private double Tokens => (double)Rows * Length;

    private static Example Blanked(Random random)
    {
        int[] text = [.. Enumerable.Range(0, 116).Select(_ => random.Next(10, 30000))];
        Blank[] blanks = [.. Enumerable.Range(0, 6).Select(i => new Blank(5 + (18 * i), 8 + (18 * i)))];
        BlankedText row = BlankedText.Of(text, blanks, mask: 4, new BlankTokens { Mask = 4, SentenceMask = 5, DocumentMask = 6, Start = 7, End = 8, Cls = 2, EndOfText = 3, Sep = 3, Pad = 0 });
        return new Example { Ids = row.Tokens, ReadPositions = [.. Enumerable.Range(row.Separator, row.Tokens.Length - row.Separator)], Labels = row.Targets[row.Separator..] }
            .With(Fields.Positions, row.Positions).With(Fields.BlockPositions, row.BlockPositions).With(Fields.ContextLength, [row.Separator]);
    }

    private double Attention => Layers * 2.0 * Length * Hidden;
}
