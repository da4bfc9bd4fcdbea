using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Registration;
using Microsoft.ML.VisionLanguage;

namespace Microsoft.ML;

/// <summary>The door to vision-language models: <c>mlContext.VisionLanguage()</c>.</summary>
public static class VisionLanguageExtensions
{
    /// <summary>Gives the catalog of vision-language estimators.</summary>
    /// <param name="mlContext">The context whose seed, device and log the estimators use.</param>
    /// <exception cref="ArgumentNullException"><paramref name="mlContext"/> is null.</exception>
    public static VisionLanguageCatalog VisionLanguage(this MLContext mlContext)
    {
        ArgumentNullException.ThrowIfNull(mlContext);
        return new VisionLanguageCatalog(mlContext);
    }
}

/// <summary>Estimators over models of pictures and texts. CLIP is the first; BLIP and BLIP-2 follow.</summary>
public sealed partial class VisionLanguageCatalog
{
    internal VisionLanguageCatalog(MLContext mlContext)
    {
        Context = mlContext;
        Registries.Shared.Include(typeof(VisionLanguageCatalog).Assembly);
    }

    internal MLContext Context { get; }

    /// <summary>Turns pictures into vectors with CLIP as it is.</summary>
    /// <param name="model">A CLIP or SigLIP: a folder of Hugging Face or open_clip, or a file of OpenAI.</param>
    /// <param name="imageColumnName">The pictures: bytes, paths of files, or images.</param>
    /// <param name="outputColumnName">The column of vectors.</param>
    /// <param name="normalize">Whether vectors get length 1.</param>
    /// <param name="batchSize">Pictures scored at once.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">An argument is missing or out of range.</exception>
    public ClipImageEmbedder ClipImageEmbedder(
        string model, string imageColumnName = "Image", string outputColumnName = "Embedding", bool normalize = true, int batchSize = 32) =>
        ClipImageEmbedder(new ClipImageEmbedder.Options
        {
            BaseModel = model, ImageColumnName = imageColumnName, OutputColumnName = outputColumnName, Normalize = normalize, ScoringBatchSize = batchSize,
        });

    /// <summary>Turns pictures into vectors with CLIP as it is.</summary>
    /// <param name="options">All settings.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">A setting is missing or out of range.</exception>
    public ClipImageEmbedder ClipImageEmbedder(ClipImageEmbedder.Options options) => new(Host(nameof(ClipImageEmbedder)), Given(options));

    /// <summary>Fine-tunes CLIP with LoRA in both towers, on pairs of a picture and a text.</summary>
    /// <param name="model">A CLIP or SigLIP with its tokenizer: a folder of Hugging Face or open_clip, or a file of OpenAI.</param>
    /// <param name="imageColumnName">The pictures: bytes, paths of files, or images.</param>
    /// <param name="textColumnName">The texts.</param>
    /// <param name="rank">Rank of the update; null (the default) for 8.</param>
    /// <param name="alpha">Scale of the update, which is alpha / rank; null (the default) for the rank.</param>
    /// <param name="maxEpochs">Times that every row is seen; null (the default) for 3.</param>
    /// <param name="batchSize">Pairs that are told from each other; null (the default) for 32.</param>
    /// <param name="learningRate">The highest learning rate; null (the default) for 1e-3.</param>
    /// <param name="validationSet">Data to measure each epoch on; null (the default) for none.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">An argument is missing or out of range.</exception>
    public ClipFineTune ClipFineTune(
        string model, string imageColumnName = "Image", string textColumnName = "Text", int? rank = null, double? alpha = null,
        int? maxEpochs = null, int? batchSize = null, double? learningRate = null, IDataView? validationSet = null) =>
        ClipFineTune(new ClipFineTune.Options
        {
            BaseModel = model,
            Task = ClipTask.Pairs(imageColumnName, textColumnName),
            Adapter = new LoraOptions { Rank = rank, Alpha = alpha },
            Training = new TrainingOptions { MaxEpochs = maxEpochs, BatchSize = batchSize, LearningRate = learningRate },
            ValidationSet = validationSet,
        });

    /// <summary>Fine-tunes CLIP on pairs of a picture and a text.</summary>
    /// <param name="options">All settings.</param>
    /// <returns>The estimator.</returns>
    /// <exception cref="ArgumentException">A setting is missing or out of range.</exception>
    public ClipFineTune ClipFineTune(ClipFineTune.Options options) => new(Host(nameof(ClipFineTune)), Given(options));

    private PeftHost Host(string name) => new(Context, name);

    private static T Given<T>(T? options) => options ?? throw new ArgumentNullException(nameof(options));
}
