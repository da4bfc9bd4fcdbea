using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>What all tasks share that learn the next token: the answer is what each labelled token costs, in nats.</summary>
internal abstract class LanguageModelRuntime<TPrediction>(PeftTask task, InputProcessor processor, int maxLength)
    : TaskRuntime<TPrediction>(task, LabelSet.None, processor, maxLength)
{
    /// <summary>What stands behind a text, and stops the model; null where nothing does.</summary>
    public virtual int? End => Tokenizer.EosId;

    public override IEnumerable<string> Warnings => End is not null ? [] :
        ["The tokenizer names no end token (eos_token in tokenizer_config.json): the model does not learn where a text ends, and goes on until its length ends it."];

    public override Head CreateHead(PretrainedModel model) => model.As<ICausalLanguageModel>().CreateLanguageModelHead();

    /// <returns>[B, P], 0 where there is no label.</returns>
    public override Tensor Answer(Head head, Tensor hidden, Batch batch, ForwardContext context)
    {
        using var scope = NewDisposeScope();
        return ((LanguageModelHead)head).TokenLosses(hidden, batch.Labels!, context).view(batch.Labels!.Sizes()).MoveToOuterDisposeScope();
    }

    public override (Tensor Sum, long Count) Loss(Tensor answer, Batch batch) => (answer.sum(), Count(batch));

    public override ITaskMetrics CreateMetrics() => new Perplexity();

    /// <summary>A row of which each token from <paramref name="firstLabel"/> on is to be guessed from those before it.</summary>
    protected static Example NextTokens(int[] ids, int firstLabel, bool truncated, bool splitsToken = false)
    {
        int first = Math.Max(firstLabel, 1), count = Math.Max(0, ids.Length - first);
        return new Example
        {
            Ids = ids,
            ReadPositions = [.. Enumerable.Range(first - 1, count)],
            Labels = ids[^count..],
            Truncated = truncated,
            SplitsToken = splitsToken,
        };
    }

    /// <summary>Tokens with the end behind them.</summary>
    protected int[] Ended(int[] ids) => End is not { } end || (ids.Length > 0 && ids[^1] == end) ? ids : [.. ids, end];

    private static long Count(Batch batch) => batch.Examples.Sum(e => e.Classes.LongCount());

    /// <summary>exp of the mean loss a token.</summary>
    private sealed class Perplexity : ITaskMetrics
    {
        private double _sum;
        private long _count;

        public void Add(Tensor answer, Batch batch)
        {
            using Tensor sum = answer.sum();
            _sum += sum.ToDouble();
            _count += Count(batch);
        }

        public IReadOnlyList<(string Name, double Value)> Result => [(TrainingMetrics.Perplexity, Math.Exp(_sum / Math.Max(1, _count)))];
    }
}
