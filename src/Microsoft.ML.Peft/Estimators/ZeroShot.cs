using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Tasks;

namespace Microsoft.ML.Peft;

/// <summary>Answers a task with what a model knows from its pretraining, where the task needs no head of its own: by a cloze, or in blanks. Fitting trains nothing.</summary>
public sealed class ZeroShot : IEstimator<PeftTransformer>
{
    private readonly UntrainedModel _model;

    internal ZeroShot(PeftHost host, Options options)
    {
        options.Validate();
        Settings = options;
        PeftTask task = options.Task ?? throw new ArgumentNullException(nameof(options.Task));
        LabelSet labels = task.OwnLabels ?? throw new ArgumentException(
            $"'{task.Key}' has something to learn first: without training go {nameof(PeftTask.ClozeClassification)}, {nameof(PeftTask.FactualProbing)} and {nameof(PeftTask.FillBlanks)}.", nameof(options.Task));
        _model = new UntrainedModel(host, options, task, options.MaxLength, adapterPath: null) { Labels = labels };
    }

    internal Options Settings { get; }

    /// <inheritdoc/>
    public PeftTransformer Fit(IDataView input) => _model.Fit(input);

    /// <inheritdoc/>
    public SchemaShape GetOutputSchema(SchemaShape inputSchema) => _model.GetOutputSchema(inputSchema);

    /// <summary>Settings of <see cref="ZeroShot"/>.</summary>
    public sealed class Options : ModelOptions
    {
        /// <summary>What the model answers: <see cref="PeftTask.ClozeClassification"/>, <see cref="PeftTask.FactualProbing"/> or <see cref="PeftTask.FillBlanks"/>. Required.</summary>
        public PeftTask? Task { get; set; }
    }
}
