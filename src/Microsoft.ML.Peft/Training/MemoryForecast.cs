using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Training.OptimizerStates;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training;

/// <summary>The bytes that a run holds.</summary>
internal sealed class MemoryForecast
{
    /// <summary>What libtorch's matrix product keeps of packed operands; measured on one thread.</summary>
    public const long ProductBuffers = 8L << 20;

    private readonly TunedModel _model;
    private readonly TrainingSettings _options;
    private readonly bool _paged;
    private readonly long _outputGradient;

    public MemoryForecast(TunedModel model, TrainingSettings options, bool validates, Device device)
    {
        (_model, _options) = (model, options);
        bool onHost = device.type == DeviceType.CPU;
        OptimizerLayout layout = OptimizerLayout.Of(options.Optimizer);
        _paged = layout.IsPaged && !onHost;
        Mapped = onHost ? model.Model.Weights.Checkpoint?.FileBytes ?? 0 : 0;
        IReadOnlyCollection<QuantizedWeight> quantized = model.Model.Weights.Quantized;
        Weights = (model.Model.Weights.Checkpoint?.CopiedBytes ?? 0) + quantized.Sum(weight => weight.Matrix.Bytes)
            + quantized.Select(weight => weight.Matrix.UnpackedBytes).DefaultIfEmpty().Max();
        Gradients = model.Trainable.Sum(BytesOf);
        Trainable = validates && options.Given.KeepBest ? 2 * Gradients : Gradients;
        Optimizer = model.Trainable.Sum(parameter => layout.Format.Bytes(parameter.Value));
        _outputGradient = model.Model.Sites.Output?.Projection.Parameters.Where(p => p.Value.requires_grad).Sum(BytesOf) ?? 0;
    }

    public long Mapped { get; }

    public long Weights { get; }

    public long Trainable { get; }

    public long Gradients { get; }

    public long Optimizer { get; }

    /// <summary>Goes through a step and notes what is held.</summary>
    /// <param name="cost">What the model's blocks cost; null where that is not known.</param>
    /// <param name="shape">The batch.</param>
    /// <param name="context">The step.</param>
    /// <param name="severalPasses">Whether an update adds up the gradients of several passes.</param>
    /// <returns>The most of activations, and the most of everything.</returns>
    public (long Activations, long Peak) Of(StepCost? cost, BatchShape shape, ForwardContext context, bool severalPasses)
    {
        long held = ProductBuffers + Mapped + Weights + Trainable + (_paged ? 0 : Optimizer);
        long head = sizeof(float) * _model.Head.StepFloats(shape.ReadTokens, context);
        var tally = new Tally();
        if (_model.Tuner.TouchesBase)
            Step(tally, cost ?? new StepCost([], 0), head, severalPasses);
        else
            tally.Note(cost is null ? 0 : cost.Shared + cost.Blocks.Max(block => block.Input + block.Made), Gradients + head);
        return (tally.Activations, held + tally.Both);
    }

    private void Step(Tally tally, StepCost cost, long head, bool severalPasses)
    {
        bool again = _options.GradientCheckpointing;
        // With several passes to an update, gradients are there from the second on.
        long whole = Gradients, before = severalPasses ? whole : 0, floats = cost.Shared;
        foreach (BlockCost block in cost.Blocks)
        {
            tally.Note(floats + block.Input + block.Made, before);
            floats += again ? block.Input : block.Kept;
        }
        tally.Note(floats, Math.Max(before, _outputGradient) + head);
        for (int i = cost.Blocks.Count - 1; i >= 0; i--)
        {
            BlockCost block = cost.Blocks[i];
            long done = _outputGradient + ((whole - _outputGradient) / cost.Blocks.Count * (cost.Blocks.Count - i));
            tally.Note(floats + block.Gradients + (again ? block.Made : 0), Math.Max(before, done));
            floats -= again ? block.Input : block.Kept;
        }
        tally.Note(cost.Shared, whole);
    }

    private static long BytesOf(Parameter parameter) => parameter.Value.numel() * parameter.Value.element_size();

    /// <summary>The most that was held.</summary>
    private sealed class Tally
    {
        public long Activations { get; private set; }

        public long Both { get; private set; }

        public void Note(long floats, long otherBytes)
        {
            long bytes = floats * sizeof(float);
            Activations = Math.Max(Activations, bytes);
            Both = Math.Max(Both, bytes + otherBytes);
        }
    }
}
