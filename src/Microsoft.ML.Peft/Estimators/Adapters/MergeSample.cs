using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Persistence;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Estimators;

/// <summary>The logits of sample rows before a merge, to compare those of the merged folder with. Rows run one by one, without padding.</summary>
internal sealed class MergeSample : IDisposable
{
    private readonly TaskRuntime _task;
    private readonly RowSet _rows;
    private readonly List<Tensor> _before = [];
    private Device _device = CPU;

    /// <param name="rows">The rows.</param>
    /// <param name="task">What the model answers.</param>
    /// <exception cref="InvalidOperationException">There is no row.</exception>
    public MergeSample(IDataView rows, TaskRuntime task)
    {
        _task = task;
        _rows = RowSet.Read(rows, task.InputColumns(rows.Schema), row => task.CreateReader(row, withLabels: false), () => { });
        if (_rows.Examples.Count == 0)
        {
            _rows.Dispose();
            throw new InvalidOperationException($"{nameof(MergeOptions)}.{nameof(MergeOptions.SampleRows)} has no row.");
        }
    }

    /// <summary>Runs the base with its adapter.</summary>
    /// <param name="lease">The call: the adapter answers all rows.</param>
    public void Before(ModelLease lease)
    {
        _device = lease.Model.Model.Weights.Device;
        _before.AddRange(Logits(lease));
    }

    /// <summary>Runs the merged folder.</summary>
    public LogitDrift Compare(string folder)
    {
        PretrainedModel merged = BaseModels.Open(folder, _device, seed: 0);
        using ModelHost host = Failure.Disposes(merged, () => ModelHost.Of(merged, _task.CreateHead(merged), nameof(MergeSample)));
        using ModelLease lease = host.Enter(AdapterChoice.Bare);
        double largest = 0, sum = 0;
        long count = 0;
        foreach (var (before, after) in _before.Zip(Logits(lease)))
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

    private IEnumerable<Tensor> Logits(ModelLease lease) => _rows.Examples.Select(example => Logits(lease, example));

    private Tensor Logits(ModelLease lease, Example example)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        TunedModel model = lease.Model;
        ForwardContext context = lease.Context();
        using IDisposable? turn = context.Limit?.Enter();
        using Batch batch = _task.Processor.Collate([example], model.Model.Weights.Device, withLabels: false);
        return model.Forward(batch, context).cpu().DetachFromDisposeScope();
    }
}
