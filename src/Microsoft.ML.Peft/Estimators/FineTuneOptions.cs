namespace Microsoft.ML.Peft;

/// <summary>What every method of fine-tuning is told.</summary>
public abstract class FineTuneOptions
{
    private protected FineTuneOptions() { }

    /// <summary>The folder of a Hugging Face model: config.json, weights and tokenizer. Required.</summary>
    public string BaseModel { get; set; } = "";

    /// <summary>
    /// The folder of a PEFT adapter to start from, with its settings and weights; null (the default) to start anew.
    /// </summary>
    public string? AdapterFolder { get; set; }

    /// <summary>What the model is to learn. Required.</summary>
    public PeftTask? Task { get; set; }

    /// <summary>Epochs, batches, optimizer and schedule.</summary>
    public TrainingOptions Training { get; set; } = new();

    /// <summary>Data to measure each epoch on; null (the default) for none.</summary>
    public IDataView? ValidationSet { get; set; }

    /// <summary>Tokens at which longer texts are cut; null (the default) for 512, or less if model or tokenizer say so.</summary>
    public int? MaxLength { get; set; }

    /// <summary>Rows scored at once; 32 by default.</summary>
    public int ScoringBatchSize { get; set; } = 32;

    /// <summary>
    /// Whether a saved model holds the base's weights; true by default. If false it names the base's folder and the hash of its
    /// weights, and is a few MB.
    /// </summary>
    public bool EmbedBase { get; set; } = true;

    /// <summary>The GPU to run on; null (the default) for the context's choice, the CPU if it has none.</summary>
    public int? GpuDeviceId { get; set; }

    /// <summary>Whether to run on the CPU if the GPU is not there; null (the default) for the context's choice.</summary>
    public bool? FallbackToCpu { get; set; }

    /// <summary>Whether the base's weights start at random; only a method that trains all of them can.</summary>
    internal virtual bool FromScratch => false;
}
