using System.Globalization;
using System.Text.Json.Nodes;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;
using Microsoft.ML.Peft.Tuners;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft;

/// <summary>
/// A model with its task: adds the task's output columns to data. <see cref="Transform"/> scores in batches,
/// <c>PredictionEngine</c> a row at a time.
/// </summary>
/// <remarks>
/// It holds native memory: dispose it. <c>PredictionEngine.Dispose</c> disposes its transformer unless told otherwise. After
/// that nothing new can be made of the transformer; other engines over it work on, and the model goes when the last of them is
/// collected (ML.NET tells nobody that an engine was disposed). Where no engine was made it goes at once.
/// </remarks>
public sealed class PeftTransformer : ITransformer, IDisposable
{
    private readonly ArchivedModel _archived;
    private readonly Scorer _scorer;
    private readonly TextColumn? _adapterColumn;

    internal PeftTransformer(PeftHost host, ArchivedModel archived, Device device, TrainingResult? training = null)
        : this(host, archived, Scorer.Of(HostOf(archived), archived.Task, device, archived.BatchSize, host.Warning), training)
    {
    }

    private PeftTransformer(PeftHost host, ArchivedModel archived, Scorer scorer, TrainingResult? training)
    {
        (Host, _archived, _scorer, Training) = (host, archived, scorer, training);
        TrainedWeights = archived.Model.Trainable.Sum(weight => weight.Value.numel());
        Weights = archived.Model.WeightCount;
        Adapters = new PeftAdapters(scorer, () => BaseHash, host.Warning);
        _adapterColumn = archived.AdapterColumn is { } name ? new TextColumn(name, "Adapter") : null;
    }

    /// <summary>The named adapters on the base: load, mix, merge, remove them.</summary>
    public PeftAdapters Adapters { get; }

    /// <summary>The column that names the adapter of each row; null where the active one answers all.</summary>
    public string? AdapterColumnName => _archived.AdapterColumn;

    /// <summary>How the fit that made it ended: steps, best evaluation, epochs; null where nothing was trained, or it was loaded.</summary>
    public TrainingResult? Training { get; }

    /// <summary>Always true: each row is scored by itself.</summary>
    public bool IsRowToRowMapper => true;

    /// <summary>Numbers that training could change: the tuner's and the head's.</summary>
    public long TrainedWeights { get; }

    /// <summary>Numbers in the whole model, the trained ones included.</summary>
    public long Weights { get; }

    /// <summary>
    /// Forward passes of the model that run at once, whoever calls; further ones wait. Null (the default) for two for each processor,
    /// together with all models in the process, and for no limit on a GPU. It is the machine's and not saved.
    /// </summary>
    /// <exception cref="ArgumentOutOfRangeException">The number is below 1.</exception>
    public int? MaxConcurrentForwards
    {
        get => _scorer.Host.Limit.MaxConcurrentForwards;
        set => _scorer.Host.Limit.MaxConcurrentForwards = value;
    }

    internal PeftHost Host { get; }

    internal Scorer Scorer => _scorer;

    internal string? BaseName => _archived.BaseName;

    internal string? GenerationConfig => _archived.GenerationConfig;

    /// <summary>The columns after <see cref="Transform"/>.</summary>
    /// <param name="inputSchema">The columns before.</param>
    /// <returns>The input's columns and the task's.</returns>
    /// <exception cref="ArgumentException">An input column is missing or of another type; the message names it.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema)
    {
        Check(inputSchema);
        return new ColumnLayout(inputSchema, _scorer.Columns).Schema;
    }

    /// <summary>Adds the task's output columns; rows are scored when they are read, and only if an output is asked for.</summary>
    /// <param name="input">The data.</param>
    /// <returns>The data with the outputs.</returns>
    /// <exception cref="ArgumentException">An input column is missing or of another type; the message names it.</exception>
    /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
    public IDataView Transform(IDataView input)
    {
        ArgumentNullException.ThrowIfNull(input);
        Check(input.Schema);
        return _scorer.Transform(input, _adapterColumn);
    }

    /// <summary>A mapper of single rows.</summary>
    /// <param name="inputSchema">The columns before.</param>
    /// <returns>The mapper.</returns>
    /// <exception cref="ArgumentException">An input column is missing or of another type; the message names it.</exception>
    /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema)
    {
        Check(inputSchema);
        return _scorer.CreateMapper(inputSchema, _adapterColumn);
    }

    /// <summary>
    /// Fills the blanks of a text under the active adapter, as the task <see cref="PeftTask.FillBlanks"/> does, and gives what is written as it comes. Who stops
    /// reading, or cancels, ends the writing before the next token.
    /// </summary>
    /// <param name="text">The text with its blanks.</param>
    /// <param name="cancellationToken">Ends it.</param>
    /// <returns>Bits of text, each with its blank and its place in the filled text.</returns>
    /// <exception cref="ArgumentException">The task writes beams.</exception>
    /// <exception cref="InvalidOperationException">The text has no blank, is too long, or a blank stands inside a special token.</exception>
    /// <exception cref="NotSupportedException">The transformer's task fills no blanks.</exception>
    /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
    public IAsyncEnumerable<BlankUpdate> FillBlanksAsync(string text, CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(text);
        return BlankStream.Read(_scorer, text, cancellationToken);
    }

    /// <summary>
    /// The same model with a column that names the adapter of each row; where it is empty the active one answers. Rows of
    /// different adapters are scored in one pass. It shares the model and <see cref="Adapters"/>: to dispose one is to dispose both.
    /// </summary>
    /// <param name="columnName">A column of text.</param>
    /// <returns>The transformer, which can be saved as any other.</returns>
    public PeftTransformer WithAdapterColumn(string columnName)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(columnName);
        return new PeftTransformer(Host, _archived with { AdapterColumn = columnName }, _scorer, Training);
    }

    /// <summary>
    /// Writes an adapter as a folder that PEFT reads (<c>adapter_config.json</c>, <c>adapter_model.safetensors</c>), and the
    /// tokenizer beside it.
    /// </summary>
    /// <param name="folder">The folder, which must not exist; it appears whole or not at all.</param>
    /// <param name="adapter">The adapter; null (the default) for the active one, or what was trained where there is none.</param>
    /// <exception cref="InvalidOperationException">The adapter was removed or replaced.</exception>
    /// <exception cref="IOException">The folder exists, or cannot be written.</exception>
    /// <exception cref="NotSupportedException">The model was tuned in a way that makes no adapter, or several tasks share it.</exception>
    /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
    public void SaveAdapter(string folder, PeftAdapter? adapter = null) => Save(folder, adapter, (tuner, settings, _) =>
    {
        CheckIsOneTask("an adapter folder");
        JsonObject config = tuner.SettingsForExport(settings).ForFiles<IPeftAdapterFormat>("makes no adapter that PEFT knows")
            .ToAdapterConfig(_archived.Task.Task.PeftTaskType, BaseName ?? "");
        AdapterFolder.Write(folder, tuner, config, _archived.Task.Processor, _archived.Task.Labels, BaseHash);
    });

    /// <summary>Writes a LoRA adapter as a .gguf file, which llama.cpp loads beside the base in that format.</summary>
    /// <param name="file">The file.</param>
    /// <param name="adapter">The adapter; null (the default) for the active one.</param>
    /// <exception cref="InvalidOperationException">The adapter was removed or replaced.</exception>
    /// <exception cref="IOException">The file cannot be written.</exception>
    /// <exception cref="NotSupportedException">The adapter holds what such a file cannot (a head, DoRA, tokens), or llama.cpp does not know the architecture.</exception>
    /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
    public void SaveGgufAdapter(string file, PeftAdapter? adapter = null) => Save(file, adapter, (tuner, settings, _) =>
    {
        using AdapterState state = AdapterState.Of(adapter?.Name ?? ForwardContext.DefaultAdapter, tuner, settings);
        state.Settings.ForFiles<IGgufAdapterFormat>("makes no adapter that llama.cpp knows").WriteGguf(file, state with { BaseSha256 = BaseHash }, _archived.Model.Model.Config, OutputIfTied);
    });

    /// <summary>
    /// Writes base and adapter as one model: a folder of <c>config.json</c>, tokenizer and safetensors (in files of 5 GB at
    /// most) that transformers, and this library, read. One tensor at a time is in memory; the weights keep the base's types, and
    /// packed ones are packed again.
    /// </summary>
    /// <param name="folder">The folder, which must not exist; it appears whole or not at all.</param>
    /// <param name="adapter">The adapter; null (the default) for the active one, or what was trained where there is none.</param>
    /// <param name="options">The form of a quantized base, and limits to what the merge may lose; null (the default) for the defaults.</param>
    /// <returns>What the merge lost.</returns>
    /// <exception cref="InvalidOperationException">The adapter was removed or replaced, or more was lost than the options allow.</exception>
    /// <exception cref="IOException">The folder exists, or cannot be written.</exception>
    /// <exception cref="NotSupportedException">Several tasks share the model.</exception>
    /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
    public MergeReport SaveMergedModel(string folder, PeftAdapter? adapter = null, MergeOptions? options = null)
    {
        MergeReport report = null!;
        (options ??= new()).Validate();
        // Read before the base is kept for this call alone: the rows may come from this very model.
        using MergeSample? sample = options.SampleRows is { } rows ? new MergeSample(rows, _archived.Task) : null;
        Save(folder, adapter, (tuner, _, lease) =>
        {
            CheckIsOneTask("a model folder");
            sample?.Before(lease);
            TunedModel model = _archived.Model;
            report = MeasuredMerge.Write(
                folder, new MergeSource(model.Model.Weights, tuner.MergedWeights(), model.Model.Config, _archived.Task.Labels, _archived.Task.Task.HeadKind, _archived.Task.Processor, GenerationConfig),
                options, sample);
        });
        return report;
    }

    /// <summary>The task, the model and its adapters, in a line.</summary>
    /// <returns>The line.</returns>
    public override string ToString() => string.Create(CultureInfo.InvariantCulture,
        $"{_archived.Task.Task.Key} by {BaseName ?? "a model"} ({_archived.Model.Model.Config.ModelType}, {Weights:n0} weights, {TrainedWeights:n0} trained), {Adapters}");

    /// <summary>Refuses new uses, and frees the model once no engine over it is alive and no call is running. Again it does nothing.</summary>
    public void Dispose() => _scorer.Dispose();

    void ICanSaveModel.Save(ModelSaveContext ctx)
    {
        ModelHost host = _scorer.Host;
        using ModelLease lease = host.HoldAll();
        bool untouched = lease.Used.All(a => a.IsTrained) && (host.Active is not null || !_archived.Model.Tuner.IsAdapter);
        ModelArchive.Save(new ArchiveWriter(ctx), untouched ? _archived with { Adapters = null } : _archived with
        {
            Adapters = [.. lease.Used.Select(a => a.IsTrained ? new ArchivedAdapter(a.Name, null, null) : new ArchivedAdapter(a.Name, a.Tuner, a.Settings))],
            ActiveAdapter = host.Active?.Name,
        });
    }

    internal static PeftTransformer Load(PeftHost host, ArchiveReader archive)
    {
        Device device = host.ChooseDevice();
        return new PeftTransformer(host, ModelArchive.Load(archive, device), device);
    }

    private string? OutputIfTied => _archived.Model.Model.Sites is { TiesOutput: true, Output: { } output } ? output.Path : null;

    private string? BaseHash => _archived.BaseSha256 ?? _archived.Model.Model.Weights.Checkpoint?.ContentHash;

    private static ModelHost HostOf(ArchivedModel archived)
    {
        var trained = new ArchivedAdapter(ForwardContext.DefaultAdapter, null, null);
        IReadOnlyList<ArchivedAdapter> all = archived.Adapters ?? (archived.Model.Tuner.IsAdapter ? [trained] : []);
        var adapters = new AdapterTable(
            all.Select(a => a is { Tuner: { } tuner, Settings: { } settings }
                ? new PeftAdapter(a.Name, a.Key, tuner, settings)
                : new PeftAdapter(a.Name, a.Key, archived.Model.Tuner, archived.Tuner, isTrained: true)),
            archived.Adapters is null ? all.FirstOrDefault()?.Name : archived.ActiveAdapter);
        return new ModelHost(archived.Model, adapters, nameof(PeftTransformer));
    }

    private void CheckIsOneTask(string form)
    {
        if (_archived.Task.Task.Parts.Keys.ToArray() is { Length: > 0 } names)
            throw new NotSupportedException($"The tasks {string.Join(", ", names)} share the model, and {form} has one task's head: save it as an archive.");
    }

    // Writes what a merge would hide; the adapter cannot go meanwhile.
    private void Save(string path, PeftAdapter? adapter, Action<ITuner, TunerOptions, ModelLease> write)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(path);
        adapter ??= Adapters.Active;
        _scorer.Host.WithPlainBase(adapter, lease => write(adapter?.Tuner ?? _archived.Model.Tuner, adapter?.Settings ?? _archived.Tuner, lease));
    }

    private void Check(DataViewSchema schema)
    {
        ArgumentNullException.ThrowIfNull(schema);
        _scorer.Host.Check();
        _archived.Task.Task.CheckScoringSchema(SchemaShapes.Of(schema));
        _adapterColumn?.Check(SchemaShapes.Of(schema));
    }
}
