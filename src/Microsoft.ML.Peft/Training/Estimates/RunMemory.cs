using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Training.OptimizerStates;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training.Estimates;

/// <summary>The bytes that a run holds.</summary>
internal sealed class RunMemory
{
    /// <summary>What libtorch's matrix product keeps of packed operands; measured on one thread.</summary>
    public const long ProductBuffers = 8L << 20;

    private readonly OptimizerLayout _layout;
    private readonly long[] _parameters;
    private readonly long[] _moments;
    private readonly bool _onHost, _keepsBest;
    private readonly long[] _start;
    private readonly long? _heldBefore;

    public RunMemory(TunedModel model, TrainingSettings options, bool validates, Device device, long? heldBefore)
    {
        _layout = OptimizerLayout.Of(options.Optimizer);
        (_onHost, _keepsBest, _heldBefore) = (device.type == DeviceType.CPU, validates && options.Given.KeepBest, heldBefore);
        _parameters = [.. model.Trainable.Select(BytesOf)];
        _start = options.KeepsStart ? [.. model.Tuner.Interpolated.Select(BytesOf)] : [];
        _moments = [.. model.Trainable.Select(parameter => _layout.Format.Bytes(parameter.Value))];
        Mapped = _onHost ? model.Model.Weights.Checkpoint?.FileBytes ?? 0 : 0;
        IReadOnlyCollection<QuantizedWeight> quantized = model.Model.Weights.Quantized;
        Weights = (model.Model.Weights.Checkpoint?.CopiedBytes ?? 0) + quantized.Sum(weight => weight.Matrix.Bytes)
            + quantized.Select(weight => weight.Matrix.UnpackedBytes).DefaultIfEmpty().Max();
    }

    public long Mapped { get; }

    public long Weights { get; }

    public long Gradients => _parameters.Sum();

    public long Trainable => (_keepsBest ? 2 * Gradients : Gradients) + _start.Sum();

    public long Optimizer => _moments.Sum();

    /// <summary>The most that a run holds besides what was there before it.</summary>
    /// <param name="step">What its largest step takes and gives back.</param>
    public long PeakOf(AllocationTrace step)
    {
        // A paged state lies in mapped files; that of a GPU's weights in the host's memory.
        long files = Mapped + (_layout.IsPaged && _onHost ? Optimizer : 0);
        long counted = Weights + Gradients + Rehearse(new CountedHeap(), step);
        // The process's heap has the buffers of products already: the short steps made them. In a long-lived process it also has room
        // that was freed before, and grows by less than the run holds, or not at all.
        return _onHost && _heldBefore is { } before
            ? files + Math.Max(counted, Rehearse(ProcessHeap.Instance, step) - before)
            : files + ProductBuffers + counted;
    }

    /// <summary>Takes and gives back what the run will: gradients go after the update with which the moments come, then the best weights are copied.</summary>
    private long Rehearse(IHeap heap, AllocationTrace step)
    {
        var meter = new HeapMeter(heap);
        var kept = new List<HeapBlock>();
        kept.AddRange(_start.Select(meter.Take));
        Step(_layout.IsPaged ? [] : _moments);
        Step(_keepsBest ? _parameters : []);
        Step([]);
        kept.ForEach(meter.Give);
        return meter.Peak;

        void Step(long[] stays)
        {
            IReadOnlyList<HeapBlock> gradients = step.Replay(meter);
            kept.AddRange(stays.Select(meter.Take));
            foreach (HeapBlock gradient in gradients)
                meter.Give(gradient);
        }
    }

    private static long BytesOf(Parameter parameter) => parameter.Value.numel() * parameter.Value.element_size();
}
