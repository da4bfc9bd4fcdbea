using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>A tuned model and its task as a function from rows to predictions; many threads may call it.</summary>
/// <param name="host">The model with its adapters, which the scorer owns from now on.</param>
/// <param name="task">What it answers.</param>
/// <param name="batchSize">Examples scored at once.</param>
/// <param name="warn">The log.</param>
internal abstract class Scorer(ModelHost host, TaskRuntime task, int batchSize, Action<string> warn) : IDisposable
{
    public ModelHost Host { get; } = host;

    public TunedModel Model => Host.Model;

    public TaskRuntime Task { get; } = task;

    public int BatchSize { get; } = batchSize;

    public IReadOnlyList<string> InputColumns(DataViewSchema schema) => Task.InputColumns(schema);

    public abstract IReadOnlyList<OutputColumn> Columns { get; }

    /// <param name="host">The model with its adapters, which the scorer owns from now on.</param>
    /// <param name="task">What it answers.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="batchSize">Examples scored at once.</param>
    /// <param name="warn">The log.</param>
    public static Scorer Of(ModelHost host, TaskRuntime task, Device device, int batchSize, Action<string> warn) => task.Use(new Creation(host, device, batchSize, warn));

    /// <summary>The data with the task's columns.</summary>
    /// <param name="input">The data.</param>
    /// <param name="adapters">The column that names each row's adapter; null where the active one answers all.</param>
    public abstract IDataView Transform(IDataView input, TextColumn? adapters);

    /// <summary>A mapper of single rows.</summary>
    /// <param name="input">The columns before.</param>
    /// <param name="adapters">The column that names each row's adapter; null where the active one answers all.</param>
    public abstract IRowToRowMapper CreateMapper(DataViewSchema input, TextColumn? adapters);

    public IDisposable Hold() => Host.KeepForRow();

    public void Ended()
    {
        foreach (string warning in Task.Processor.TakeWarnings())
            warn(warning);
    }

    public void Dispose() => Host.Dispose();

    private sealed class Creation(ModelHost host, Device device, int batchSize, Action<string> warn) : ITaskUse<Scorer>
    {
        public Scorer Of<TPrediction>(TaskRuntime<TPrediction> task) => new Scorer<TPrediction>(host, task, device, batchSize, warn);
    }
}

/// <summary>The scorer of a task with predictions of one type.</summary>
internal sealed class Scorer<TPrediction>(ModelHost host, TaskRuntime<TPrediction> task, Device device, int batchSize, Action<string> warn)
    : Scorer(host, task, batchSize, warn), IBatchScorer<Example, TPrediction>
{
    public IReadOnlyList<OutputColumn<TPrediction>> Outputs { get; } = task.Outputs;

    public override IReadOnlyList<OutputColumn> Columns => Outputs;

    public override IDataView Transform(IDataView input, TextColumn? adapters) => adapters is null
        ? new BatchedDataView<Example, TPrediction>(input, this)
        : new BatchedDataView<RoutedExample, TPrediction>(input, new RoutedScorer<TPrediction>(this, adapters));

    public override IRowToRowMapper CreateMapper(DataViewSchema input, TextColumn? adapters) => adapters is null
        ? new RowMapper<Example, TPrediction>(input, this)
        : new RowMapper<RoutedExample, TPrediction>(input, new RoutedScorer<TPrediction>(this, adapters));

    public Func<IReadOnlyList<Example>> CreateReader(DataViewRow row)
    {
        Func<IReadOnlyList<Example>> reader = task.CreateReader(row, withLabels: false);
        return () => reader() is { Count: > 0 } examples
            ? examples
            : throw new InvalidOperationException($"Task '{task.Task.Key}' gave no example for a row that needs no label.");
    }

    public int LengthOf(Example part) => part.Length;

    public long SizeOf(Example part) => part.Size;

    public ColumnBuffer? CreateBuffer(DataViewRow row, DataViewSchema.Column column) => task.Processor.CreateBuffer(row, column);

    public Pending<IReadOnlyList<TPrediction>> Begin(IReadOnlyList<Example> parts) => Begin(parts, () => [AdapterChoice.Active]);

    public TPrediction Join(IReadOnlyList<TPrediction> parts) => task.Join(parts);

    /// <summary>Begins one prediction for each example, in one forward pass.</summary>
    /// <param name="examples">The examples.</param>
    /// <param name="adapters">The adapter of each, or one for all, as they are when the model is to run.</param>
    public Pending<IReadOnlyList<TPrediction>> Begin(IReadOnlyList<Example> examples, Func<AdapterChoice[]> adapters)
    {
        Pending<Batch> begun = task.Processor.Begin(examples, device, withLabels: false);
        return new(() => Predict(begun, adapters()), begun.Dispose);
    }

    private IReadOnlyList<TPrediction> Predict(Pending<Batch> begun, AdapterChoice[] adapters)
    {
        using ModelLease lease = Host.Enter(adapters);
        using var scope = NewDisposeScope();
        using var noGradient = inference_mode();
        using Batch batch = begun.Finish();
        ForwardContext context = lease.Context();
        using AdapterRows? byRow = context.Rows;
        return task.Score(Model, batch, context);
    }
}
