using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>Accuracy and macro F1 over everything that has a label.</summary>
internal sealed class ClassificationMetrics(int classes) : ITaskMetrics
{
    private readonly long[] _right = new long[classes], _predicted = new long[classes], _actual = new long[classes];

    public void Add(Tensor logits, Batch batch)
    {
        using var scope = NewDisposeScope();
        long[] predicted = logits.argmax(-1).flatten().cpu().data<long>().ToArray();
        long[] actual = batch.Labels!.flatten().cpu().data<long>().ToArray();
        foreach (var (guess, truth) in predicted.Zip(actual).Where(pair => pair.Second >= 0))
        {
            _predicted[guess]++;
            _actual[truth]++;
            if (guess == truth)
                _right[truth]++;
        }
    }

    public IReadOnlyList<(string Name, double Value)> Result => [(TrainingMetrics.Accuracy, Accuracy), (TrainingMetrics.MacroF1, MacroF1)];

    private double Accuracy => (double)_right.Sum() / Math.Max(1, _actual.Sum());

    private double MacroF1 => Enumerable.Range(0, classes).Where(c => _actual[c] + _predicted[c] > 0)
        .Select(c => 2.0 * _right[c] / (_actual[c] + _predicted[c])).DefaultIfEmpty(0).Average();
}
