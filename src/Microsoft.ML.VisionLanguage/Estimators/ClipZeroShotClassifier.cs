using Microsoft.ML.Data;
using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.VisionLanguage.Tasks;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage;

/// <summary>Tells the class of pictures by the names of the classes alone, as CLIP's paper does (Radford et al. 2021); nothing is trained.</summary>
/// <remarks>
/// A fit puts each label into each template and reads the texts once; the mean of a label's vectors, brought to length 1, is a row of a linear
/// classifier, which is all that is kept of the texts, in memory and in a saved model. The logits are cosines times the model's temperature.
///
/// | column | type |
/// |---|---|
/// | <c>Image</c> (input) | bytes of a file, the path of one, or an <c>MLImage</c> |
/// | <c>PredictedLabel</c> | key over the labels |
/// | <c>Score</c> | vector of Single, the softmax over all labels, with slot names: what <c>MulticlassClassification.Evaluate</c> reads |
/// | <c>TopLabels</c>, <c>TopScores</c> (with <see cref="Options.TopK"/>) | the likeliest labels as keys, and their scores, the likeliest first |
///
/// The transformer holds native memory and is <see cref="IDisposable"/>.
/// </remarks>
public sealed class ClipZeroShotClassifier : IEstimator<ITransformer>
{
    // Texts that are embedded between two looks at whether the fit was cancelled.
    private const int PromptsAtOnce = 2048, PromptBatch = 256;

    private readonly PeftHost _host;
    private readonly Options _options;
    private readonly LabelSource _labels;
    private readonly ZeroShotTask _task;

    internal ClipZeroShotClassifier(PeftHost host, Options options)
    {
        options.Validate();
        (_host, _options, _labels) = (host, options, new LabelSource(options.Labels, options.LabelColumnName, options.LabelData));
        _task = new ZeroShotTask
        {
            ImageColumnName = options.ImageColumnName,
            OutputColumnName = options.OutputColumnName,
            ScoreColumnName = options.ScoreColumnName,
            TopK = options.TopK,
            TopLabelsColumnName = options.TopLabelsColumnName,
            TopScoresColumnName = options.TopScoresColumnName,
            LabelColumnName = options.LabelColumnName,
            Pictures = options.Pictures,
        };
        _task.CheckOutputNames(new SchemaShape([]));
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">The picture column is missing or of another type, or the labels are not two or more different ones.</exception>
    /// <exception cref="InvalidOperationException">A label in a template is longer than the model reads; the message names both.</exception>
    public ITransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        _task.CheckScoringSchema(SchemaShapes.Of(input.Schema));
        LabelSet labels = _labels.Read(input);
        using HeldTensors classes = ClassVectors(labels);
        return new UntrainedModel(_host, _options, _task, _options.MaxLength, adapterPath: null) { Labels = labels, HeadWeights = classes }.Fit(input);
    }

    /// <inheritdoc/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        _task.CheckScoringSchema(inputSchema);
        return SchemaShapes.Append(inputSchema, _task.OutputShape(_labels.Shape(inputSchema)));
    }

    private HeldTensors ClassVectors(LabelSet labels)
    {
        var prompts = new PromptEnsemble(labels.Names, [.. _options.Templates]);
        ClipTextEmbedder.Options tower = _options.WithSameModel(new ClipTextEmbedder.Options { TruncateTexts = _options.TruncateTexts });
        tower.ScoringBatchSize = PromptBatch;
        using PeftTransformer texts = new ClipTextEmbedder(_host, tower).Open();
        var embedder = new DirectEmbedder<string>(texts, "texts");
        var vectors = new List<float[]>(prompts.Count);
        foreach (string[] some in prompts.Prompts.Chunk(PromptsAtOnce))
        {
            if (_host.IsCanceled)
                throw new OperationCanceledException("The context's execution was cancelled.");
            int first = vectors.Count;
            vectors.AddRange(embedder.Embed(some, i => prompts.NameOf(first + i)).Vectors);
        }
        _host.Info($"{labels.Count} labels in {_options.Templates.Count} templates: {prompts.Count} texts were read.");
        Tensor classes = tensor(prompts.Average(vectors), [labels.Count, embedder.Width], ScalarType.Float32, CPU).DetachFromDisposeScope();
        return new HeldTensors("The labels' vectors", new Dictionary<string, Tensor> { [ZeroShotTask.ClassVectors] = classes });
    }

    /// <summary>Settings of <see cref="ClipZeroShotClassifier"/>.</summary>
    public sealed class Options : ClipTextOptions
    {
        /// <summary>What pictures are allowed, and how they are read.</summary>
        public PictureOptions Pictures { get; set; } = new();

        /// <summary>The labels, two or more different ones; null (the default) to take them from <see cref="LabelColumnName"/>.</summary>
        public IReadOnlyList<string>? Labels { get; set; }

        /// <summary>
        /// The column that has the labels, where <see cref="Labels"/> is null: keys, whose values are the labels in the keys' order (so that
        /// <c>Evaluate</c> compares the predictions with that column), or text, whose different values are the labels in the order in which they come.
        /// </summary>
        public string? LabelColumnName { get; set; }

        /// <summary>The data that has <see cref="LabelColumnName"/>; null (the default) for the data that is fitted on.</summary>
        public IDataView? LabelData { get; set; }

        /// <summary>
        /// What is said of a picture of each label, <c>{}</c> or <c>{label}</c> standing for the label; <see cref="ClipTemplates.Default"/> by default.
        /// With several the label's vector is the mean of theirs.
        /// </summary>
        public IReadOnlyList<string> Templates { get; set; } = ClipTemplates.Default;

        /// <summary>The column of pictures: bytes, paths of files, or images.</summary>
        public string ImageColumnName { get; set; } = "Image";

        /// <summary>The predicted label, a key over the labels.</summary>
        public string OutputColumnName { get; set; } = "PredictedLabel";

        /// <summary>The probabilities of all labels, a vector of Single.</summary>
        public string ScoreColumnName { get; set; } = "Score";

        /// <summary>How many of the likeliest labels get columns of their own, as far as there are so many; null (the default) for no such columns.</summary>
        public int? TopK { get; set; }

        /// <summary>The likeliest labels where <see cref="TopK"/> is set, a vector of keys, the likeliest first.</summary>
        public string TopLabelsColumnName { get; set; } = "TopLabels";

        /// <summary>Their probabilities, a vector of Single.</summary>
        public string TopScoresColumnName { get; set; } = "TopScores";

        internal override void Validate()
        {
            base.Validate();
            PromptEnsemble.Check(Templates, nameof(Templates));
            if (TopK is { } top)
                ArgumentOutOfRangeException.ThrowIfLessThan(top, 1, nameof(TopK));
        }
    }
}
