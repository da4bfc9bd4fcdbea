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
    private readonly ModelLifetime _lifetime;

    /// <param name="adapters">The model with its adapters, which the scorer owns from now on.</param>
    /// <param name="task">What it answers.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="batchSize">Rows scored at once.</param>
    public Scorer(AdapterSet adapters, TaskRuntime task, Device device, int batchSize)
    {
        (Adapters, Task, _device, BatchSize) = (adapters, task, device, batchSize);
        _lifetime = new ModelLifetime(adapters, nameof(PeftTransformer));
        Outputs = task.Outputs;
    }

    public AdapterSet Adapters { get; }

    public TunedModel Model => Adapters.Model;

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

    public IDisposable Hold() => _lifetime.Hold();

    /// <summary>Keeps the model for a call that reads its weights.</summary>
    public IDisposable Enter() => _lifetime.Enter();

    public void Check() => _lifetime.Check();

    public IReadOnlyList<object> Predict(IReadOnlyList<Example> rows) => Predict(rows, [null]);

    /// <summary>One prediction for each row, in one forward pass.</summary>
    /// <param name="rows">The rows.</param>
    /// <param name="adapters">The adapter of each row, or one for all; null or empty for the active one.</param>
    public IReadOnlyList<object> Predict(IReadOnlyList<Example> rows, string?[] adapters)
    {
        using IDisposable call = _lifetime.Enter();
        using AdapterLease lease = Adapters.Enter(adapters);
        using var scope = NewDisposeScope();
        using var noGradient = inference_mode();
        using Batch batch = Batch.Collate(rows, Model.Model.PadId, _device, withLabels: false);
        ForwardContext context = lease.Context(_device);
        using AdapterRows? byRow = context.Rows;
        return Task.Score(Model, batch, context);
    }

    public void Dispose() => _lifetime.Dispose();
}
