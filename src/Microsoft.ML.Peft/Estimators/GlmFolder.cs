using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Tokenization;

namespace Microsoft.ML.Peft;

/// <summary>
/// Folders of GLMs that are to be pretrained from scratch (<see cref="GlmPretrain"/>): a configuration and a tokenizer with the special tokens
/// of blank infilling, and no weights.
/// </summary>
public static class GlmFolder
{
    /// <summary>Writes the folder of a GLM with another model's tokenizer; the special tokens that it lacks are added.</summary>
    /// <param name="folder">The folder, which must not exist; it appears whole or not at all.</param>
    /// <param name="shape">The model's sizes.</param>
    /// <param name="tokenizerFolder">The folder of a tokenizer of any kind.</param>
    /// <exception cref="ArgumentException">A size is out of range.</exception>
    /// <exception cref="IOException">The folder exists, or cannot be written.</exception>
    /// <exception cref="InvalidDataException">The tokenizer's files are missing or malformed.</exception>
    public static void Create(string folder, GlmShape shape, string tokenizerFolder)
    {
        Check(folder, shape);
        ArgumentException.ThrowIfNullOrWhiteSpace(tokenizerFolder);
        Write(folder, shape, TextProcessor.Load(tokenizerFolder));
    }

    /// <summary>Writes the folder of a GLM with a tokenizer of byte pairs that is made of the texts.</summary>
    /// <param name="folder">The folder, which must not exist; it appears whole or not at all.</param>
    /// <param name="shape">The model's sizes.</param>
    /// <param name="texts">The texts.</param>
    /// <param name="vocabularySize">Tokens at most, beside the special ones; 256 or more.</param>
    /// <exception cref="ArgumentException">A size is out of range, or there is no text.</exception>
    /// <exception cref="IOException">The folder exists, or cannot be written.</exception>
    public static void Create(string folder, GlmShape shape, IEnumerable<string> texts, int vocabularySize)
    {
        Check(folder, shape);
        ArgumentNullException.ThrowIfNull(texts);
        Write(folder, shape, TextProcessor.Of(new Dictionary<string, byte[]> { ["tokenizer.json"] = BytePairTrainer.Train(texts, vocabularySize) }));
    }

    private static void Check(string folder, GlmShape shape)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        ArgumentNullException.ThrowIfNull(shape);
        shape.Validate();
    }

    private static void Write(string folder, GlmShape shape, TextProcessor own)
    {
        TextProcessor processor = own.WithSpecialTokens(BlankTokens.MissingIn(own.Tokenizer));
        BlankTokens tokens = BlankTokens.Of(processor.Tokenizer, folder);
        NewFolder.Write(folder, partial =>
        {
            processor.Write(partial);
            JsonObject config = shape.ToConfig(processor.Tokenizer.VocabularySize, tokens.End, tokens.Pad);
            File.WriteAllText(Path.Combine(partial, HfConfig.FileName), config.ToJsonString(new JsonSerializerOptions { WriteIndented = true }));
        });
    }
}

/// <summary>The sizes of a GLM; as they come those of its base model, 110 million weights.</summary>
public sealed class GlmShape
{
    /// <summary>Width of the hidden states; 768 by default.</summary>
    public int HiddenSize { get; set; } = 768;

    /// <summary>Layers; 12 by default.</summary>
    public int Layers { get; set; } = 12;

    /// <summary>Attention heads, which share the width; 12 by default.</summary>
    public int Heads { get; set; } = 12;

    /// <summary>Tokens of a text at most; 512 by default.</summary>
    public int MaxLength { get; set; } = 512;

    /// <summary>Dropout of embeddings, attention and residuals; 0.1 by default.</summary>
    public double Dropout { get; set; } = 0.1;

    internal void Validate()
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(HiddenSize, 1, nameof(HiddenSize));
        ArgumentOutOfRangeException.ThrowIfLessThan(Layers, 1, nameof(Layers));
        ArgumentOutOfRangeException.ThrowIfLessThan(MaxLength, 4, nameof(MaxLength));
        if (Heads < 1 || HiddenSize % Heads != 0)
            throw new ArgumentException($"{nameof(Heads)} is {Heads}: it must divide {nameof(HiddenSize)}, {HiddenSize}.", nameof(Heads));
        if (Dropout is not (>= 0 and < 1))
            throw new ArgumentOutOfRangeException(nameof(Dropout), Dropout, "Dropout is 0 or more and below 1.");
    }

    internal JsonObject ToConfig(int vocabulary, int end, int pad) => new()
    {
        ["architectures"] = new JsonArray("GLMForConditionalGeneration"),
        ["model_type"] = "glm",
        ["vocab_size"] = vocabulary,
        ["hidden_size"] = HiddenSize,
        ["num_layers"] = Layers,
        ["num_attention_heads"] = Heads,
        ["max_sequence_length"] = MaxLength,
        ["embedding_dropout_prob"] = Dropout,
        ["attention_dropout_prob"] = Dropout,
        ["output_dropout_prob"] = Dropout,
        ["initializer_range"] = 0.02,
        ["layernorm_epsilon"] = 1e-5,
        ["block_position_encoding"] = true,
        ["relative_encoding"] = false,
        ["pool_token"] = "cls",
        ["output_predict"] = true,
        ["eos_token_id"] = end,
        ["pad_token_id"] = pad,
        ["torch_dtype"] = "float32",
    };
}
