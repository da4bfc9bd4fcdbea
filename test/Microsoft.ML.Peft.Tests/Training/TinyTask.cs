using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Training;

/// <summary>Classification without columns or tokenizer.</summary>
internal sealed class TinyTask() : TaskRuntime<float>(null!, LabelSet.None, new PlainProcessor(), 64)
{
    /// <summary>Called with the number of losses so far and the loss; what it gives is the loss.</summary>
    public Func<int, Tensor, Tensor> OnLoss { get; init; } = (_, loss) => loss;

    /// <summary>What a step makes of its rows.</summary>
    public Func<IReadOnlyList<Example>, Random, IReadOnlyList<Example>> OnPrepare { get; init; } = (examples, _) => examples;

    public bool WholeBatch { get; init; }

    /// <summary>A loss over the answers of a whole batch and its rows' labels, in place of cross-entropy.</summary>
    public Func<Tensor, IReadOnlyList<Example>, Tensor>? OfAnswers { get; init; }

    private int _losses;

    public override bool LossNeedsWholeBatch => WholeBatch || LossReadsAnswersAlone;

    public override bool LossReadsAnswersAlone => OfAnswers is not null;

    public override IReadOnlyList<OutputColumn<float>> Outputs => [];

    /// <summary>Rows of 1 to 12 tokens; the label is decided by the ids, so it can be learnt.</summary>
    public static Example[] Rows(int count, int seed = 3)
    {
        var random = new SplitMix64(seed);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            int label = random.Next(TinyHead.Classes);
            int[] ids = [.. Enumerable.Range(0, 1 + random.Next(12)).Select(_ => label * 10 + random.Next(12))];
            return new Example { Ids = ids, Label = label };
        })];
    }

    public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels) => throw new NotSupportedException();

    public override Head CreateHead(PretrainedModel model) => throw new NotSupportedException();

    public override (Tensor Sum, long Count) Loss(Tensor logits, Batch batch) => OfAnswers is { } of
        ? (OnLoss(_losses++, of(logits, batch.Examples)), batch.Examples.Count)
        : (OnLoss(_losses++, nn.functional.cross_entropy(logits, batch.Labels!, reduction: nn.Reduction.Sum)), batch.Examples.Count);

    public override IReadOnlyList<Example> Prepare(IReadOnlyList<Example> examples, Random random) => OnPrepare(examples, random);

    public override ITaskMetrics CreateMetrics() => new Accuracy();

    public override IReadOnlyList<float> Predict(Tensor logits, Batch batch) => throw new NotSupportedException();

    /// <summary>Rows come as ids.</summary>
    private sealed class PlainProcessor : InputProcessor;

    private sealed class Accuracy : ITaskMetrics
    {
        private long _right, _all;

        public IReadOnlyList<(string Name, double Value)> Result => [("Accuracy", (double)_right / _all)];

        public void Add(Tensor logits, Batch batch)
        {
            using var scope = NewDisposeScope();
            _right += logits.argmax(-1).data<long>().Zip(batch.Examples, (chosen, row) => chosen == row.Label).Count(right => right);
            _all += batch.Examples.Count;
        }
    }
}
