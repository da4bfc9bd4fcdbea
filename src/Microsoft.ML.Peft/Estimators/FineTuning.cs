using System.Globalization;
using Microsoft.ML.Peft.Checkpoints;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Training.Estimates;
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

    public PeftTransformer Fit(IDataView data)
    {
        using var session = new FitSession();
        FitRun run = Prepare(data, session);
        using var reporter = new HostReporter(_host, _options.Training.CancellationToken);
        reporter.Info(WhatTrains(run.Model));
        reporter.Info(Estimate(run, session).ToString());
        using IRunCompanion? companion = _options.Accompany(run, reporter, reporter.Token);
        TrainingResult result = TrainingLoop.Run(
            run.Model, run.Task, run.Train, run.Validation, _options.Run, run.Device, run.Seed, reporter, reporter.Token, run.Facts);
        result = companion?.Finish(result) ?? result;
        AdapterEffect.Check(run.Model.Model, run.Model.Tuner, ForwardContext.DefaultAdapter, "What was trained", _host.Warning);
        run.Task.Conclude(run.Model);
        var archived = new ArchivedModel(
            run.Model, run.Task, run.Tuner, Path.GetFullPath(_options.BaseModel), null, _options.EmbedBase, _options.ScoringBatchSize);
        var transformer = new PeftTransformer(_host, archived, run.Device, result);
        session.Release(run.Model.Model, run.Model.Tuner);
        return transformer;
    }

    /// <summary>What a fit would take.</summary>
    public TrainingEstimate Estimate(IDataView data)
    {
        using var session = new FitSession();
        return Estimate(Prepare(data, session), session);
    }

    private static TunerOptions Continue(string adapter, FineTuneOptions options)
    {
        TunerOptions settings = AdapterFiles.ReadSettings(adapter, options.BaseModel), given = options.Given;
        return settings.Key == given.Key ? (given as IContinues)?.Continue(settings, adapter) ?? settings : throw new ArgumentException(
            $"The adapter in '{adapter}' is of kind '{settings.Key}', and this method is '{given.Key}': train it further by its own method, or merge it "
            + $"into the base ({nameof(PeftCatalog.MergeAdapter)}) and start from that.", nameof(options.AdapterFolder));
    }

    private static string WhatTrains(TunedModel model)
    {
        long trained = model.Trainable.Sum(weight => weight.Value.numel()), all = model.WeightCount;
        return string.Create(CultureInfo.InvariantCulture, $"{trained:n0} of {all:n0} weights train ({(double)trained / all:p3}).");
    }

    private TrainingEstimate Estimate(FitRun run, FitSession session) =>
        Forecast.Of(run.Model, run.Task, run.Train, run.Validation is { Count: > 0 }, _options.Run, run.Device, run.Seed, session.HeldBefore);

    /// <summary>Does all that comes before training; what is made is the session's.</summary>
    private FitRun Prepare(IDataView data, FitSession session)
    {
        ArgumentNullException.ThrowIfNull(data);
        session.Own(Gradients.AsByDefault());
        _task.CheckTrainingSchema(SchemaShapes.Of(data.Schema));
        LabelSet labels = _task.LabelsOf(data.Schema);
        if (_options.ValidationSet is { } given)
            _task.CheckValidationSet(given.Schema, labels);
        Device device = _host.ChooseDevice(_options.GpuDeviceId, _options.FallbackToCpu);
        AllocatorSwitch.Advise(_host);
        string source = AdapterFolder.TokenizerOf(_options.AdapterFolder, _options.BaseModel);
        InputProcessor own = _task.OpenProcessor(source, _options.TokenizerFolder);
        (TunerOptions tuner, InputProcessor processor) = WithNewTokens(own);
        tuner = WithStartTokens(tuner, processor, labels);
        long seed = _host.Seed ?? SeedOfState() ?? _host.NewSeed();
        PretrainedModel model = session.Own(OpenModel(device, seed));
        // An adapter's tokenizer may have tokens whose rows the adapter brings.
        if (source == _options.BaseModel)
            BaseModels.CheckVocabulary(model, own.TokenizerOrNull);
        TaskRuntime task = _task.Over(model, _options.BaseModel).Bind(labels, processor, BaseModels.MaxLength(model, processor, _options.MaxLength, tuner));
        VirtualPlaces.Check(task, tuner);
        foreach (string warning in task.Warnings)
            _host.Warning(warning);
        var reader = new FitRows(_host, task, _options.Training.CancellationToken);
        RowSet train = session.Own(reader.Read(data, "training"));
        reader.CheckVariety(train);
        foreach (string note in task.NotesOn(train.Examples))
            _host.Info(note);
        RowSet? validation = _options.ValidationSet is { } set ? session.Own(reader.Read(set, "validation")) : null;
        AdapterState? start = _options.AdapterFolder is { } adapter ? session.Own(AdapterFiles.Open(adapter, model, _options.AllowOtherBase)) : null;
        if (start is not null && tuner.NoteOnContinuing is { } lost)
            _host.Info(lost);
        TunedModel tuned = TunedModelFactory.Create(
            model, task, tuner, seed, head => start is null ? null : AdapterLabels.Match(start, head, labels, _host.Warning), _host.Warning);
        session.Own(tuned.Tuner);
        if (start is null && FolderHead.Of(model)?.Check(_task, labels, _options.BaseModel) is { } other)
            _host.Warning(other);
        return new FitRun(
            tuned, task, tuner, task.Pack(train.Examples), validation is null ? null : task.Pack(validation.Examples), device, seed,
            _options.Training.CheckpointFolder is null ? null : FactsOf(model, task, tuner, start));
    }

    // Rows of the table that are trained alone: their ids follow on the tokenizer's last.
    private (TunerOptions Tuner, InputProcessor Processor) WithNewTokens(InputProcessor own) => _tuner is IGrowsVocabulary { NewTokens: { Count: > 0 } added } grows
        ? (grows.WithNewTokens([.. Enumerable.Range(own.Tokenizer.VocabularySize, added.Count)]), own.WithTokens(added))
        : (_tuner, own);

    // An adapter that the fit goes on with starts where it ended.
    private TunerOptions WithStartTokens(TunerOptions tuner, InputProcessor processor, LabelSet labels) => tuner is IStartsFromTexts starts && _options.AdapterFolder is null
        ? starts.WithTokens(new StartWords(
            text => processor.Tokenizer.Encode(text).Ids, text => processor.Tokenizer.Encode(text, addSpecialTokens: false).Ids, labels.Names))
        : tuner;

    private PretrainedModel OpenModel(Device device, long seed)
    {
        PretrainedModel model = _options.FromScratch
            ? BaseModels.Create(_options.BaseModel, device, seed)
            : BaseModels.Open(_options.BaseModel, device, seed, _options.Precision);
        model.NewHead = _options.NewHead;
        return model;
    }

    // A run that nobody gave a seed goes on with the one that it drew.
    private long? SeedOfState() =>
        _options.Training is { Resume: true, CheckpointFolder: { } folder } ? TrainingCheckpoint.SeedIn(folder) : null;

    private RunFacts FactsOf(PretrainedModel model, TaskRuntime task, TunerOptions tuner, AdapterState? start) => new RunFacts()
        .With("tasks", task.Task.Parts.Count == 0 ? null : task.Task.Parts.ToDictionary(part => part.Key, part => part.Value.Key))
        .With("method", tuner.Key)
        .With("task", task.Task.Key)
        .WithOptions(_options)
        .WithOptions(tuner)
        .WithOptions(task.Task)
        .WithOptions(_options.Precision)
        .WithContent("settings of the inputs", RunFacts.HashOf(task.Processor.Settings))
        .WithContent("labels", RunFacts.HashOf(task.Labels.ToJson()))
        .WithContent("base weights", model.Weights.Checkpoint?.ContentHash)
        .WithContent("weights in the adapter folder", start is null ? null : ContentHash.Of(start.Tensors));
}
