using System.Diagnostics;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Interop;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training.Estimates;

/// <summary>A loss that compares the answers of a whole batch, run over as many: beside the model it costs little, and what it takes may go with the square of the rows.</summary>
/// <param name="Trace">What it takes and gives back; nothing where libtorch does not tell.</param>
/// <param name="Held">Bytes of the answers and their gradients, which are there while the pieces are run again.</param>
/// <param name="Seconds">How long it takes.</param>
internal sealed record LossOfAnswers(AllocationTrace Trace, long Held, double Seconds)
{
    /// <param name="runner">Model and task.</param>
    /// <param name="rows">The rows of the batch, as the task prepared them.</param>
    /// <param name="device">Where the model is.</param>
    public static LossOfAnswers Of(BatchRunner runner, IReadOnlyList<Example> rows, Device device)
    {
        long[] shape = [rows.Count, .. ShapeOfOne(runner, rows[0])];
        using AllocationRecorder? recorder = AllocationRecorder.Start(device.type);
        long start = Stopwatch.GetTimestamp(), held;
        using (var scope = NewDisposeScope())
        using (var batch = new Batch { Examples = rows })
        {
            Tensor answers = zeros(shape, ScalarType.Float32, device).requires_grad_();
            held = 2 * answers.numel() * answers.element_size();
            runner.LearnFrom(answers, batch);
            if (device.type == DeviceType.CUDA)
                cuda.synchronize(device);
        }
        return new(new([.. recorder?.Events ?? []]), held, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    private static long[] ShapeOfOne(BatchRunner runner, Example row)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        using Pending<(Tensor, Batch)> begun = runner.BeginAnswer([row], [row], [0], ForwardContext.Inference);
        (Tensor answer, Batch batch) = begun.Finish();
        batch.Dispose();
        return answer.Sizes()[1..];
    }
}
