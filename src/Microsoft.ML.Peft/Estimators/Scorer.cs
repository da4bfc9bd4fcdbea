using Microsoft.ML.Peft.Data;
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

    /// <param name="model">The model, which the scorer owns from now on.</param>
    /// <param name="task">What it answers.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="batchSize">Rows scored at once.</param>
    public Scorer(TunedModel model, TaskRuntime task, Device device, int batchSize)
    {
        (Model, Task, _device, BatchSize) = (model, task, device, batchSize);
        _lifetime = new ModelLifetime(model, nameof(PeftTransformer));
        Outputs = task.Outputs;
    }

    public TunedModel Model { get; }

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

    public IReadOnlyList<object> Predict(IReadOnlyList<Example> rows)
    {
        using IDisposable call = _lifetime.Enter();
        using var scope = NewDisposeScope();
        using var noGradient = inference_mode();
        using Batch batch = Batch.Collate(rows, Task.Tokenizer.PadId ?? 0, _device, withLabels: false);
        return Task.Score(Model, batch);
    }

    public void Dispose() => _lifetime.Dispose();
}
