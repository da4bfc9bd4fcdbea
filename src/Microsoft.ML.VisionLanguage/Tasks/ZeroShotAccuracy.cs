using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>How many pictures a model of pairs gives to the right class by what is said of the classes, as it is when asked.</summary>
/// <param name="task">The task of pairs, whose head gives vectors of length 1.</param>
/// <param name="prompts">What is said of the classes.</param>
/// <param name="texts">The prompts as the model reads them, in their order.</param>
/// <param name="pictures">The pictures, with their classes.</param>
/// <param name="device">Where the model is.</param>
/// <param name="batchSize">Rows that are run at once.</param>
internal sealed class ZeroShotAccuracy(
    TaskRuntime task, PromptEnsemble prompts, IReadOnlyList<Example> texts, IReadOnlyList<Example> pictures, Device device, int batchSize)
{
    public double Of(TunedModel model)
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        float[][] said = [.. texts.Chunk(batchSize).SelectMany(rows => Use(model, Batch.Collate(rows, device, withLabels: false), Vectors.Of))];
        Tensor classes = tensor(prompts.Average(said), ScalarType.Float32, device).view(-1, said[0].Length).t();
        // Rows that were spilled to the disk are read batch by batch.
        double right = pictures.Chunk(batchSize).Sum(rows => Use(
            model, task.Processor.Collate(rows, device, withLabels: false), seen => seen.mm(classes).argmax(1).cpu().data<long>().Zip(rows, (nearest, row) => nearest == row.Label).Count(same => same)));
        return right / pictures.Count;
    }

    private T Use<T>(TunedModel model, Batch batch, Func<Tensor, T> use)
    {
        using var scope = NewDisposeScope();
        using (batch)
        {
            Tensor features = model.Features(batch, ForwardContext.Inference);
            return use(task.Answer(model.Head, features, batch, ForwardContext.Inference).squeeze(1));
        }
    }
}
