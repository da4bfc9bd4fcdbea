using System.Text.Json.Nodes;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Estimators;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Tuners;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft;

/// <summary>
/// A model with its task: adds the task's output columns to data. <see cref="Transform"/> scores in batches,
/// <c>PredictionEngine</c> a row at a time.
/// </summary>
/// <remarks>
/// It holds native memory: dispose it. <c>PredictionEngine.Dispose</c> disposes its transformer unless told otherwise. After
/// that nothing new can be made of the transformer; other engines over it work on, and the model goes with the last of them.
/// </remarks>
public sealed class PeftTransformer : ITransformer, IDisposable
{
    private readonly ArchivedModel _archived;
    private readonly Scorer _scorer;

    internal PeftTransformer(PeftHost host, ArchivedModel archived, Device device)
    {
        (Host, _archived) = (host, archived);
        TrainedWeights = Count(archived.Model.Trainable);
        Weights = Count(archived.Model.Model.Weights.All.Concat(archived.Model.Trainable).DistinctBy(p => p.Name))
            + archived.Model.Model.Weights.Quantized.Sum(weight => weight.Inputs * weight.Outputs);
        _scorer = new Scorer(archived.Model, archived.Task, device, archived.BatchSize);
    }

    /// <summary>Always true: each row is scored by itself.</summary>
    public bool IsRowToRowMapper => true;

    /// <summary>Numbers that training could change: the tuner's and the head's.</summary>
    public long TrainedWeights { get; }

    /// <summary>Numbers in the whole model, the trained ones included.</summary>
    public long Weights { get; }

    internal PeftHost Host { get; }

    internal Scorer Scorer => _scorer;

    /// <summary>The columns after <see cref="Transform"/>.</summary>
    /// <param name="inputSchema">The columns before.</param>
    /// <returns>The input's columns and the task's.</returns>
    /// <exception cref="ArgumentException">An input column is missing or of another type; the message names it.</exception>
    public DataViewSchema GetOutputSchema(DataViewSchema inputSchema)
    {
        Check(inputSchema);
        return new ColumnLayout(inputSchema, _scorer.Outputs).Schema;
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
        return new BatchedDataView<Example>(input, _scorer);
    }

    /// <summary>A mapper of single rows.</summary>
    /// <param name="inputSchema">The columns before.</param>
    /// <returns>The mapper.</returns>
    /// <exception cref="ArgumentException">An input column is missing or of another type; the message names it.</exception>
    /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
    public IRowToRowMapper GetRowToRowMapper(DataViewSchema inputSchema)
    {
        Check(inputSchema);
        return new RowMapper<Example>(inputSchema, _scorer);
    }

    /// <summary>
    /// Writes what was learnt as a folder that PEFT reads (<c>adapter_config.json</c>, <c>adapter_model.safetensors</c>), and the
    /// tokenizer beside it.
    /// </summary>
    /// <param name="folder">The folder, which must not exist; it appears whole or not at all.</param>
    /// <exception cref="IOException">The folder exists, or cannot be written.</exception>
    /// <exception cref="NotSupportedException">The model was tuned in a way that makes no adapter.</exception>
    /// <exception cref="ObjectDisposedException">The transformer was disposed.</exception>
    public void SaveAdapter(string folder)
    {
        ArgumentException.ThrowIfNullOrWhiteSpace(folder);
        using IDisposable call = _scorer.Enter();
        ITuner tuner = _archived.Model.Tuner;
        JsonObject config = tuner.SettingsForExport(_archived.Tuner)
            .ToAdapterConfig(_archived.Task.Task.PeftTaskType, Path.GetFileName(_archived.BaseFolder) ?? "");
        AdapterFolder.Write(folder, tuner, config, _archived.Tokenizer);
    }

    /// <summary>Refuses new uses, and frees the model once no engine over it is alive and no call is running.</summary>
    public void Dispose() => _scorer.Dispose();

    void ICanSaveModel.Save(ModelSaveContext ctx)
    {
        using IDisposable call = _scorer.Enter();
        ModelArchive.Save(new ArchiveWriter(ctx), _archived);
    }

    internal static PeftTransformer Load(PeftHost host, ArchiveReader archive)
    {
        Device device = host.ChooseDevice();
        return new PeftTransformer(host, ModelArchive.Load(archive, device), device);
    }

    private static long Count(IEnumerable<Parameter> weights) => weights.Sum(weight => weight.Value.numel());

    private void Check(DataViewSchema schema)
    {
        ArgumentNullException.ThrowIfNull(schema);
        _scorer.Check();
        _archived.Task.Task.CheckScoringSchema(SchemaShapes.Of(schema));
    }
}
