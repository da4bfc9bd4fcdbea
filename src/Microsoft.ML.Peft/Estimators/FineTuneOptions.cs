using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;

namespace Microsoft.ML.Peft;

/// <summary>What every method of fine-tuning is told.</summary>
public abstract class FineTuneOptions : ModelOptions
{
    private protected FineTuneOptions() { }

    /// <summary>
    /// An adapter to start from, with its settings and weights: a PEFT folder, or a LoRA adapter as a .gguf file; null (the default) to
    /// start anew. It must be of the method's kind. The method's options are the adapter's where they are left at their defaults; those
    /// that say how it is trained (dropout, LoRA+) count as given, and others that contradict the adapter are refused by name.
    /// </summary>
    [NotLearnt]
    public string? AdapterFolder { get; set; }

    /// <summary>
    /// Whether <see cref="AdapterFolder"/> may name another base than this one, such as the same in another precision or format; false by default: it is
    /// refused where it names its base's hash and that is not this one's.
    /// </summary>
    [NotLearnt]
    public bool AllowOtherBase { get; set; }

    /// <summary>What the model is to learn. Required.</summary>
    [NotLearnt]
    public PeftTask? Task { get; set; }

    /// <summary>
    /// Whether the classifier that the model's folder brings is left out, and the head of a task that chooses among classes starts anew. False by
    /// default: the folder's classifier is taken up, label by label, and refused where its labels (<c>id2label</c>) are not the data's.
    /// </summary>
    public bool NewHead { get; set; }

    /// <summary>Epochs, batches, optimizer and schedule; what it leaves null is the method's own.</summary>
    [NotLearnt]
    public TrainingOptions Training { get; set; } = new();

    /// <summary>Data to measure each epoch on; null (the default) for none.</summary>
    [NotLearnt]
    public IDataView? ValidationSet { get; set; }

    /// <summary>Whether the base's weights start at random; only a method that trains all of them can.</summary>
    internal virtual bool FromScratch => false;

    /// <summary>The method, with its own values where nothing is said.</summary>
    internal abstract TunerOptions Tuner { get; }

    /// <summary>The method's options as they were given.</summary>
    internal virtual TunerOptions Given => Tuner;

    /// <summary>What the method trains with where <see cref="Training"/> says nothing.</summary>
    private protected abstract TrainingDefaults Defaults { get; }

    /// <summary>How the run goes.</summary>
    internal TrainingSettings Run => new(Training, Defaults) { KeepsStart = KeepsStart };

    /// <inheritdoc cref="TrainingSettings.KeepsStart"/>
    private protected virtual bool KeepsStart => false;

    /// <summary>What the method does beside a run, of which it is told before the first step; null for nothing.</summary>
    /// <param name="run">The run.</param>
    /// <param name="reporter">The log.</param>
    /// <param name="token">Ends the fit.</param>
    internal virtual IRunCompanion? Accompany(FitRun run, ITrainingReporter reporter, CancellationToken token) => null;

    internal override void Validate()
    {
        base.Validate();
        ArgumentNullException.ThrowIfNull(Task);
        ArgumentNullException.ThrowIfNull(Training);
        if (NewHead && Task.HeadKind is null)
            throw new ArgumentException($"{nameof(NewHead)} is for tasks that choose among classes, and '{Task.Key}' has no head of its own.", nameof(NewHead));
        Run.Validate();
    }
}
