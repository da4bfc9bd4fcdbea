using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>The logits of sample rows before a merge, to compare those of the merged folder with. Rows run one by one, without padding.</summary>
internal sealed class MergeSample : IDisposable
{
    private readonly TaskRuntime _task;
    private readonly Device _device;
    private readonly RowSet _rows;
    private readonly List<Tensor> _before = [];

    /// <param name="rows">The rows.</param>
    /// <param name="task">What the model answers.</param>
    /// <param name="model">The base with its adapter.</param>
    /// <param name="head">The head on it.</param>
    /// <param name="adapter">The adapter's name in the slots; null for the bare base.</param>
    /// <exception cref="InvalidOperationException">There is no row.</exception>
    public MergeSample(IDataView rows, TaskRuntime task, PretrainedModel model, Head head, string? adapter)
    {
        (_task, _device) = (task, model.Weights.Device);
        _rows = RowSet.Read(rows, task.InputColumns, row => task.CreateReader(row, withLabels: false), () => { });
        if (_rows.Examples.Count == 0)
        {
            _rows.Dispose();
            throw new InvalidOperationException($"{nameof(MergeOptions)}.{nameof(MergeOptions.SampleRows)} has no row.");
        }
        _before.AddRange(Logits(model, head, new ForwardContext { Adapter = adapter }));
    }

    /// <summary>Runs the merged folder.</summary>
    public LogitDrift Compare(string folder)
    {
        using PretrainedModel merged = BaseModels.Open(folder, _device, seed: 0);
        double largest = 0, sum = 0;
        long count = 0;
        foreach (var (before, after) in _before.Zip(Logits(merged, _task.CreateHead(merged), new ForwardContext { Adapter = null })))
        {
            using var scope = NewDisposeScope();
            Tensor drift = (after - before).abs();
            largest = Math.Max(largest, drift.max().item<float>());
            sum += drift.sum(ScalarType.Float64).item<double>();
            count += drift.numel();
            after.Dispose();
        }
        return new LogitDrift(largest, sum / count, _before.Count);
    }

    public void Dispose()
    {
        _before.ForEach(logits => logits.Dispose());
        _rows.Dispose();
    }

    private IEnumerable<Tensor> Logits(PretrainedModel model, Head head, ForwardContext context)
    {
        foreach (Example example in _rows.Examples)
            yield return Logits(model, head, context, example);
    }

    private Tensor Logits(PretrainedModel model, Head head, ForwardContext context, Example example)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        using Batch batch = Batch.Collate([example], model.PadId, _device, withLabels: false);
        Tensor hidden = model.Forward(batch, head.Rows(batch), context);
        return head.Forward(hidden, batch, context).cpu().DetachFromDisposeScope();
    }
}
