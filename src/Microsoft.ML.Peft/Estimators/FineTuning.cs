using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>The one implementation behind all estimators of fine-tuning: they differ in the tuner alone.</summary>
internal sealed class FineTuning
{
    private readonly PeftHost _host;
    private readonly FineTuneOptions _options;
    private readonly PeftTask _task;
    private readonly TunerOptions _tuner;

    /// <exception cref="ArgumentException">An option is missing or out of range; the message names it.</exception>
    public FineTuning(PeftHost host, FineTuneOptions options)
    {
        options.Validate();
        TunerOptions tuner = options.Tuner;
        tuner.Create().Dispose();
        (_host, _options, _task) = (host, options, options.Task!);
        _task.CheckOutputNames(new SchemaShape([]));
        _tuner = options.AdapterFolder is { } adapter ? Continue(adapter, options) : tuner;
    }

    public SchemaShape GetOutputSchema(SchemaShape input)
    {
        _task.CheckTrainingSchema(input);
        return SchemaShapes.Append(input, _task.OutputShape(input));
    }

    public PeftTransformer Fit(IDataView data) => Prepare(data, run =>
    {
        using var reporter = new HostReporter(_host, _options.Training.CancellationToken);
        reporter.Info($"{Estimate(run)}{(AllocatorSwitch.GivesBack ? "" : $" Without {AllocatorSwitch.Variable} the allocator keeps freed blocks, and the peak is higher.")}");
        TrainingResult result = TrainingLoop.Run(
            run.Model, run.Task, run.Train, run.Validation, _options.Run, run.Device, run.Seed, reporter, reporter.Token, run.Facts);
        var archived = new ArchivedModel(
            run.Model, run.Task, run.Tuner, run.Files, Path.GetFullPath(_options.BaseModel), null, _options.EmbedBase, _options.ScoringBatchSize);
        return new PeftTransformer(_host, archived, run.Device, result);
    });

    /// <summary>What a fit would take.</summary>
    public TrainingEstimate Estimate(IDataView data) => Prepare(data, run =>
    {
        TrainingEstimate estimate = Estimate(run);
        run.Model.Dispose();
        return estimate;
    });

    private static TunerOptions Continue(string adapter, FineTuneOptions options)
    {
        TunerOptions settings = AdapterFiles.ReadSettings(adapter, options.BaseModel), given = options.Given;
        return settings.Key == given.Key ? given.Continue(settings, adapter) : throw new ArgumentException(
            $"The adapter in '{adapter}' is of kind '{settings.Key}', and this method is '{given.Key}': train it further by its own method, or merge it "
            + $"into the base ({nameof(PeftCatalog.MergeAdapter)}) and start from that.", nameof(options.AdapterFolder));
    }

    private TrainingEstimate Estimate(Run run) =>
        Forecast.Of(run.Model, run.Train, run.Validation is { Count: > 0 }, _options.Run, run.Device, run.Seed);

    /// <summary>Does all that comes before training. What the use makes of it takes the model over; if it fails, the model goes.</summary>
    private T Prepare<T>(IDataView data, Func<Run, T> use)
    {
        ArgumentNullException.ThrowIfNull(data);
        using IDisposable modes = Gradients.AsByDefault();
        _task.CheckTrainingSchema(SchemaShapes.Of(data.Schema));
        LabelSet labels = _task.LabelsOf(data.Schema);
        if (_options.ValidationSet is { } given)
            _task.CheckValidationSet(given.Schema, labels);
        Device device = _host.ChooseDevice(_options.GpuDeviceId, _options.FallbackToCpu);
        AllocatorSwitch.Advise(_host);
        PeftTask trained = _task.WithDefaultsOf(_options.BaseModel);
        string source = AdapterFolder.TokenizerOf(_options.AdapterFolder, _options.BaseModel);
        TextTokenizer own = TextTokenizer.Load(source), tokenizer = own;
        TokenizerFiles files = TokenizerFiles.Of(tokenizer);
        TunerOptions tuner = _tuner;
        if (tuner.NewTokens is { Count: > 0 } added)
        {
            tuner = tuner.WithNewTokens([.. Enumerable.Range(tokenizer.VocabularySize, added.Count)]);
            files = files.With(added, tokenizer);
            tokenizer = files.Load();
        }
        long seed = _host.Seed ?? SeedOfState() ?? _host.NewSeed();
        PretrainedModel model = _options.FromScratch
            ? BaseModels.Create(_options.BaseModel, device, seed)
            : BaseModels.Open(_options.BaseModel, device, seed, _options.Precision);
        model.NewHead = _options.NewHead;
        return Failure.Disposes(model, () =>
        {
            // An adapter's tokenizer may have tokens whose rows the adapter brings.
            if (source == _options.BaseModel)
                BaseModels.CheckVocabulary(model, own);
            TaskRuntime task = trained.Bind(labels, tokenizer, BaseModels.MaxLength(model, tokenizer, _options.MaxLength));
            foreach (string warning in task.Warnings)
                _host.Warning(warning);
            using RowSet train = Read(data, task, "training");
            CheckVariety(train, task);
            using RowSet? validation = _options.ValidationSet is { } set ? Read(set, task, "validation") : null;
            using AdapterState? start = _options.AdapterFolder is { } adapter ? AdapterFiles.Open(adapter, model, _options.AllowOtherBase) : null;
            TunedModel tuned = TunedModelFactory.Create(
                model, task, tuner, seed, head => start is null ? null : AdapterLabels.Match(start, head, labels, _host.Warning), _host.Warning);
            return Failure.Disposes(tuned.Tuner, () =>
            {
                if (start is null && FolderHead.Of(model)?.Check(_task, labels, _options.BaseModel) is { } warning)
                    _host.Warning(warning);
                return use(new Run(
                    tuned, task, tuner, files, task.Pack(train.Examples), validation is null ? null : task.Pack(validation.Examples), device, seed,
                    _options.Training.CheckpointFolder is null ? null : FactsOf(model, task, tuner, start)));
            });
        });
    }

    // A run that nobody gave a seed goes on with the one that it drew.
    private long? SeedOfState() =>
        _options.Training is { Resume: true, CheckpointFolder: { } folder } ? TrainingCheckpoint.SeedIn(folder) : null;

    private RunFacts FactsOf(PretrainedModel model, TaskRuntime task, TunerOptions tuner, AdapterState? start) => new RunFacts()
        .With("method", tuner.Key)
        .With("task", task.Task.Key)
        .WithOptions(_options)
        .WithOptions(tuner)
        .WithOptions(task.Task)
        .WithOptions(_options.Precision)
        .WithContent("labels", RunFacts.HashOf(task.Labels.ToJson()))
        .WithContent("base weights", model.Weights.Checkpoint?.ContentHash)
        .WithContent("weights in the adapter folder", start is null ? null : ContentHash.Of(start.Tensors));

    private RowSet Read(IDataView data, TaskRuntime task, string what)
    {
        RowSet rows = RowSet.Read(
            data, task.InputColumns.Concat(task.LabelColumns), row => task.CreateReader(row, withLabels: true), ThrowIfCanceled);
        string columns = Names(task.LabelColumns.Count > 0 ? task.LabelColumns : task.InputColumns);
        string cut = $"of which the longest length of {task.MaxLength} tokens leaves nothing to learn ({nameof(ModelOptions.MaxLength)})";
        if (rows.Examples.Count == 0)
        {
            throw new InvalidOperationException(
                $"The {what} data has no row to use: {rows.Skipped} rows without a value in {columns}{(rows.CutOff > 0 ? $", and {rows.CutOff} {cut}" : "")}.");
        }
        if (rows.Skipped > 0)
            _host.Warning($"{rows.Skipped} rows of the {what} data have no value in {columns} and are skipped.");
        if (rows.CutOff > 0)
            _host.Warning($"{rows.CutOff} rows of the {what} data, {cut}, are skipped.");
        if (rows.Truncated > 0)
            _host.Warning($"{rows.Truncated} of {rows.Examples.Count} rows of the {what} data are longer than {task.MaxLength} tokens and are cut.");
        if (rows.SplitTokens > 0)
        {
            _host.Warning(
                $"In {rows.SplitTokens} of {rows.Examples.Count} rows of the {what} data the last characters of the prompt and the first of what follows would be one token if "
                + "they came as one text, as the model has read it so far; here they are two, in training as in use. A blank or a line feed between the two goes best to what follows.");
        }
        return rows;
    }

    private void CheckVariety(RowSet rows, TaskRuntime task)
    {
        if (task.Labels.Count > 0 && rows.DistinctLabels < 2)
            throw new InvalidOperationException($"The training data has fewer than two different labels in {Names(task.LabelColumns)}.");
        if (rows.DistinctLabels < task.Labels.Count)
        {
            _host.Warning(
                $"{task.Labels.Count} classes, {rows.DistinctLabels} seen: no row of the training data has one of the others in {Names(task.LabelColumns)}. "
                + "Nothing is learnt of them, and each takes memory.");
        }
    }

    private void ThrowIfCanceled()
    {
        _options.Training.CancellationToken.ThrowIfCancellationRequested();
        if (_host.IsCanceled)
            throw new OperationCanceledException("The context's execution was cancelled.");
    }

    private static string Names(IReadOnlyList<string> columns) =>
        $"column{(columns.Count == 1 ? "" : "s")} {string.Join(", ", columns.Select(name => $"'{name}'"))}";

    /// <summary>All that training needs.</summary>
    private sealed record Run(
        TunedModel Model, TaskRuntime Task, TunerOptions Tuner, TokenizerFiles Files, IReadOnlyList<Example> Train,
        IReadOnlyList<Example>? Validation, Device Device, long Seed, RunFacts? Facts);
}
