using Microsoft.ML.Peft;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.VisionLanguage.Tasks;

/// <summary>
/// How often a picture is nearest to its own text, of all in its batch and of all in the data set, and a text to its own picture. Rows of the
/// same text are each other's.
/// </summary>
internal sealed class PairMetrics : ITaskMetrics
{
    // Rows whose cosines with all others are held at once.
    private const int Rows = 256;

    private readonly Captions _captions = new();
    private readonly List<float[]> _pictures = [], _texts = [];
    private readonly List<long> _numbers = [];
    private long _right;

    public void Add(Tensor answer, Batch batch)
    {
        using var scope = NewDisposeScope();
        Tensor pictures = answer.select(1, 0), texts = answer.select(1, 1);
        long[] numbers = [.. batch.Examples.Select(row => (long)_captions.NumberOf(row))];
        _right += pictures.mm(texts.t()).argmax(1).cpu().data<long>().Zip(numbers, (nearest, own) => numbers[nearest] == own).Count(right => right);
        _pictures.AddRange(Vectors.Of(pictures));
        _texts.AddRange(Vectors.Of(texts));
        _numbers.AddRange(numbers);
    }

    public IReadOnlyList<(string Name, double Value)> Result =>
    [
        (TrainingMetrics.Accuracy, (double)_right / Math.Max(1, _numbers.Count)),
        (TrainingMetrics.ImageToTextRecall, Recall(_pictures, _texts)),
        (TrainingMetrics.TextToImageRecall, Recall(_texts, _pictures)),
    ];

    private double Recall(List<float[]> queries, List<float[]> found)
    {
        if (queries.Count == 0)
            return 0;
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        Tensor all = Matrix(found).t();
        long right = 0, first = 0;
        foreach (float[][] rows in queries.Chunk(Rows))
        {
            using var inner = NewDisposeScope();
            foreach (long nearest in Matrix(rows).mm(all).argmax(1).cpu().data<long>())
                right += _numbers[(int)nearest] == _numbers[(int)first++] ? 1 : 0;
        }
        return (double)right / queries.Count;
    }

    private static Tensor Matrix(IReadOnlyCollection<float[]> rows) => tensor([.. rows.SelectMany(row => row)], ScalarType.Float32, CPU).view(rows.Count, -1);
}
