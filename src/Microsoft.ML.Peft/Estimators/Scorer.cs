using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>A tuned model and its task as a function from rows to predictions; many threads may call it.</summary>
internal sealed class Scorer : IBatchScorer<Example>
{
    private readonly Device _device;

    /// <param name="host">The model with its adapters, which the scorer owns from now on.</param>
    /// <param name="task">What it answers.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="batchSize">Rows scored at once.</param>
    public Scorer(ModelHost host, TaskRuntime task, Device device, int batchSize)
    {
        (Host, Task, _device, BatchSize) = (host, task, device, batchSize);
        Outputs = task.Outputs;
    }

    public ModelHost Host { get; }

    public TunedModel Model => Host.Model;

    public TaskRuntime Task { get; }

    public int BatchSize { get; }

    public IReadOnlyList<string> InputColumns => Task.InputColumns;

    public IReadOnlyList<OutputColumn> Outputs { get; }

    public Func<Example> CreateReader(DataViewRow row)
    {
        Func<Example?> reader = Task.CreateReader(row, withLabels: false);
        return () => reader() ?? throw new InvalidOperationException($"Task '{Task.Task.Key}' gave no example for a row that needs no label.");
    }

    public int LengthOf(Example row) => row.Length;

    public IDisposable Hold() => Host.KeepForRow();

    public IReadOnlyList<object> Predict(IReadOnlyList<Example> rows) => Predict(rows, [AdapterChoice.Active]);

    /// <summary>One prediction for each row, in one forward pass.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="adapters">The adapter of each row, or one for all.</param>
    public IReadOnlyList<object> Predict(IReadOnlyList<Example> rows, AdapterChoice[] adapters)
    {
        using ModelLease lease = Host.Enter(adapters);
        using var scope = NewDisposeScope();
        using var noGradient = inference_mode();
        using Batch batch = Batch.Collate(rows, _device, withLabels: false);
        ForwardContext context = lease.Context();
        using AdapterRows? byRow = context.Rows;
        return Task.Score(Model, batch, context);
    }

    public void Dispose() => Host.Dispose();
}
