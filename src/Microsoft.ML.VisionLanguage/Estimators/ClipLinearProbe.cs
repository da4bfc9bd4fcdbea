using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.VisionLanguage.Probes;
using Microsoft.ML.VisionLanguage.Tasks;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage;

/// <summary>Classifies pictures by multinomial logistic regression over CLIP's vectors (Radford et al. 2021); CLIP stays as it is.</summary>
/// <remarks>
/// Every picture goes through the model once. The features are what openai/CLIP's README takes, <c>encode_image</c>: the vector in the space of both
/// towers, not scaled to length 1. (The paper's own figures for vision transformers are from before that projection.)
///
/// The fit minimises ½·|W|² + C·Σ cross-entropy without a penalty on the bias, scikit-learn's objective, by L-BFGS in double precision to
/// convergence. With two classes there are two rows of W, where scikit-learn has one: its C is then twice ours.
///
/// | column | type |
/// |---|---|
/// | <c>Image</c> (input) | bytes of a file, the path of one, or an <c>MLImage</c> |
/// | <c>Label</c> (input of the fit) | key |
/// | <c>PredictedLabel</c> | key over the label's values |
/// | <c>Score</c> | vector of Single, the probabilities of all classes, with slot names |
///
/// The transformer holds native memory and is <see cref="IDisposable"/>.
/// </remarks>
public sealed class ClipLinearProbe : IEstimator<ITransformer>
{
    private const string Features = "Linear probe features";

    private readonly PeftHost _host;
    private readonly Options _options;
    private readonly LinearProbeTask _task;

    internal ClipLinearProbe(PeftHost host, Options options)
    {
        options.Validate();
        (_host, _options) = (host, options);
        _task = new LinearProbeTask
        {
            ImageColumnName = options.ImageColumnName,
            LabelColumnName = options.LabelColumnName,
            OutputColumnName = options.OutputColumnName,
            ScoreColumnName = options.ScoreColumnName,
            Pictures = options.Pictures,
        };
        _task.CheckOutputNames(new SchemaShape([]));
    }

    /// <inheritdoc/>
    /// <exception cref="ArgumentException">A column is missing or of another type.</exception>
    /// <exception cref="InvalidOperationException">The data has no row to train on, or rows of one class alone.</exception>
    /// <exception cref="OperationCanceledException">The fit was cancelled.</exception>
    public ITransformer Fit(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        _task.CheckTrainingSchema(SchemaShapes.Of(input.Schema));
        LabelSet labels = _task.LabelsOf(input.Schema);
        if (_options.ValidationSet is { } validation)
            _task.CheckValidationSet(validation.Schema, labels);
        using HeldTensors weights = Weights(input, labels);
        return new UntrainedModel(_host, _options, _task, maxLength: null, adapterPath: null) { Labels = labels, HeadWeights = weights }.Fit(input);
    }

    /// <inheritdoc/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema)
    {
        _task.CheckTrainingSchema(inputSchema);
        return SchemaShapes.Append(inputSchema, _task.OutputShape(inputSchema));
    }

    /// <summary>
    /// What a fit would take in memory and work. An epoch is the one pass of the pictures through the tower; the search for the weights behind it is
    /// not timed.
    /// </summary>
    /// <param name="input">The data that it would be given.</param>
    /// <returns>The estimate.</returns>
    public TrainingEstimate Estimate(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        var pass = new LinearProbe.Options { Task = _task, Training = new TrainingOptions { BatchSize = _options.ScoringBatchSize } };
        TrainingEstimate tower = new FineTuning(_host, _options.WithSameModel(pass)).Estimate(input);
        using PeftTransformer opened = new ClipImageEmbedder(_host, PictureTower()).Open();
        int width = new FeatureColumn(Features).WidthIn(opened.GetOutputSchema(input.Schema));
        return WithSearch(tower, input.GetRowCount() ?? CountRows(input), _task.LabelsOf(input.Schema).Count, width);
    }

    /// <summary>The tower's pass over the pictures, and the search over the vectors that it leaves.</summary>
    private TrainingEstimate WithSearch(TrainingEstimate tower, long rows, int classes, int width)
    {
        // The rows' log-probabilities, what is made of them, and one more on the way; rows that are held out are copies, and so are the others then.
        const int ProbabilitiesHeld = 3;
        int copies = _options.C is null && _options.ValidationSet is null ? 2 : 1;
        long weights = sizeof(double) * classes * (width + 1L), read = sizeof(float) * rows * width;
        long features = sizeof(double) * rows * ((ProbabilitiesHeld * classes) + (copies * width));
        return tower with
        {
            TrainableBytes = weights,
            GradientBytes = weights,
            OptimizerBytes = (Lbfgs.VectorsHeld - 2) * weights,
            ActivationBytes = Math.Max(tower.ActivationBytes, features),
            // Vectors come as single floats, row by row, and as one array; the tower's own memory has gone when they are there.
            PeakMemoryBytes = Math.Max(
                tower.PeakMemoryBytes + read, tower.MappedBytes + tower.WeightBytes + (2 * read) + features + (Lbfgs.VectorsHeld * weights)),
        };
    }

    private static long CountRows(IDataView data)
    {
        using DataViewRowCursor cursor = data.GetRowCursor([]);
        long rows = 0;
        while (cursor.MoveNext())
            rows++;
        return rows;
    }

    private HeldTensors Weights(IDataView input, LabelSet labels)
    {
        ITransformer tower = new ClipImageEmbedder(_host, PictureTower()).Fit(input);
        using var held = (IDisposable)tower;
        var reader = new FeatureRows(_host, Features, _options.LabelColumnName, _options.CancellationToken, _options.Pictures.AllowUnreadable);
        using LabelledFeatures rows = reader.Read(tower.Transform(input), labels, "training");
        reader.CheckVariety(rows);
        using LabelledFeatures? judges = _options.C is null && _options.ValidationSet is { } set ? reader.Read(tower.Transform(set), labels, "validation") : null;
        var probe = new ProbeFit(_host, _options.MaxIterations, _options.CancellationToken);
        double strength = _options.C ?? (judges is null ? probe.Choose(rows, _options.ValidationFraction, _host.NewSeed()) : probe.Choose(rows, judges));
        using var scope = NewDisposeScope();
        (Tensor weight, Tensor bias) = probe.Fit(rows, strength).Weights();
        return new HeldTensors("The probe's weights", new Dictionary<string, Tensor>
        {
            [LinearProbeTask.Weight] = weight.to(ScalarType.Float32).MoveToOuterDisposeScope(), [LinearProbeTask.Bias] = bias.to(ScalarType.Float32).MoveToOuterDisposeScope(),
        });
    }

    private ClipImageEmbedder.Options PictureTower() => _options.WithSameModel(new ClipImageEmbedder.Options
    {
        ImageColumnName = _options.ImageColumnName,
        OutputColumnName = Features,
        Normalize = false,
        Pictures = _options.Pictures,
    });

    /// <summary>Settings of <see cref="ClipLinearProbe"/>.</summary>
    public sealed class Options : ModelOptions
    {
        /// <summary>What pictures are allowed, and how they are read.</summary>
        public PictureOptions Pictures { get; set; } = new();

        /// <summary>The column of pictures: bytes, paths of files, or images.</summary>
        public string ImageColumnName { get; set; } = "Image";

        /// <summary>The label, a key.</summary>
        public string LabelColumnName { get; set; } = "Label";

        /// <summary>The predicted label, a key over the same values.</summary>
        public string OutputColumnName { get; set; } = "PredictedLabel";

        /// <summary>The probabilities of all classes, a vector of Single.</summary>
        public string ScoreColumnName { get; set; } = "Score";

        /// <summary>
        /// How much a row counts against the penalty on the weights, scikit-learn's C (openai/CLIP's README has 0.316); null (the default) to choose
        /// it by validation rows as the paper does, among 97 values from 1e-6 to 1e6.
        /// </summary>
        public double? C { get; set; }

        /// <summary>Rows to choose <see cref="C"/> by, which are not trained on; null (the default) to hold out some of the training rows.</summary>
        public IDataView? ValidationSet { get; set; }

        /// <summary>
        /// The share of each class that is held out to choose <see cref="C"/> by where there is no <see cref="ValidationSet"/>; 0.2 by default. The
        /// model that comes out is trained on all rows.
        /// </summary>
        public double ValidationFraction { get; set; } = 0.2;

        /// <summary>Steps of L-BFGS at most, for each fit; 1000 by default, as in the paper. A warning says when they did not suffice.</summary>
        public int MaxIterations { get; set; } = 1000;

        /// <summary>Ends the fit in an <see cref="OperationCanceledException"/>.</summary>
        public CancellationToken CancellationToken { get; set; }

        internal override bool ReadsTexts => false;

        internal override void Validate()
        {
            base.Validate();
            ProbeChecks.Strength(C, nameof(C));
            ArgumentOutOfRangeException.ThrowIfLessThan(MaxIterations, 1);
            if (!(ValidationFraction > 0 && ValidationFraction < 1))
                throw new ArgumentOutOfRangeException(nameof(ValidationFraction), ValidationFraction, $"{nameof(ValidationFraction)} must be between 0 and 1.");
        }
    }
}
