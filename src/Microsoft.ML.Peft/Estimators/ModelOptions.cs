using Microsoft.ML.Peft.Checkpoints;

namespace Microsoft.ML.Peft;

/// <summary>What every estimator over a base model is told.</summary>
public abstract class ModelOptions
{
    private protected ModelOptions() { }

    /// <summary>The folder of a Hugging Face model: config.json, weights and tokenizer; or a .gguf file, or what else an assembly reads. Required.</summary>
    [NotLearnt]
    public string BaseModel { get; set; } = "";

    /// <summary>
    /// The folder of the tokenizer; null (the default) for the model's own. For models that come without one, such as a file of OpenAI's CLIP.
    /// </summary>
    [NotLearnt]
    public string? TokenizerFolder { get; set; }

    /// <summary>Tokens at which longer texts are cut, as far as the model goes; null (the default) for what the folder says, as a rule 512.</summary>
    [NotLearnt]
    public int? MaxLength { get; set; }

    /// <summary>Rows scored at once; 32 by default.</summary>
    [NotLearnt]
    public int ScoringBatchSize { get; set; } = 32;

    /// <summary>
    /// Whether a saved model holds the base's weights; true by default. If false it names the base's folder and the hash of its
    /// weights, and is a few MB.
    /// </summary>
    [NotLearnt]
    public bool EmbedBase { get; set; } = true;

    /// <summary>
    /// How the base's matrices are kept: in 4 or 8 bits, or as floats if null (the default). Embeddings, norms and heads stay
    /// floats. A checkpoint that is quantized already stays as it is.
    /// </summary>
    [NotLearnt]
    public QuantizationOptions? Quantization { get; set; }

    /// <summary>The GPU to run on; null (the default) for the context's choice, the CPU if it has none.</summary>
    [NotLearnt]
    public int? GpuDeviceId { get; set; }

    /// <summary>Whether to run on the CPU if the GPU is not there; null (the default) for the context's choice.</summary>
    [NotLearnt]
    public bool? FallbackToCpu { get; set; }

    /// <summary>How the base's matrices are kept, with the method's own values where nothing is said.</summary>
    internal virtual QuantizationOptions? Precision => Quantization?.Over(doubleQuantization: false);

    /// <summary>Whether the estimator reads texts, and so takes the settings of texts; true by default.</summary>
    internal virtual bool ReadsTexts => true;

    /// <summary>Gives other settings the same model, held and run in the same way; those of texts where the other reads texts.</summary>
    internal T WithSameModel<T>(T other)
        where T : ModelOptions
    {
        if (other.ReadsTexts)
            (other.TokenizerFolder, other.MaxLength) = (TokenizerFolder, MaxLength);
        (other.BaseModel, other.ScoringBatchSize, other.EmbedBase, other.Quantization) = (BaseModel, ScoringBatchSize, EmbedBase, Quantization);
        (other.GpuDeviceId, other.FallbackToCpu) = (GpuDeviceId, FallbackToCpu);
        return other;
    }

    /// <exception cref="ArgumentException">A setting is missing or out of range; the message names it.</exception>
    /// <exception cref="DirectoryNotFoundException">There is no such model.</exception>
    internal virtual void Validate()
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(BaseModel);
        ModelPath.Check(BaseModel, nameof(BaseModel));
        if (TokenizerFolder is { } tokenizer)
            ModelPath.Check(tokenizer, nameof(TokenizerFolder));
        ArgumentOutOfRangeException.ThrowIfLessThan(ScoringBatchSize, 1);
        Quantization?.Validate();
        if (MaxLength is { } length)
            ArgumentOutOfRangeException.ThrowIfLessThan(length, 1, nameof(MaxLength));
        if (!ReadsTexts && (TokenizerFolder is not null ? nameof(TokenizerFolder) : MaxLength is not null ? nameof(MaxLength) : null) is { } unread)
            throw new ArgumentException($"{unread} is a setting of texts, and this estimator reads pictures alone: leave it null.", unread);
    }
}
