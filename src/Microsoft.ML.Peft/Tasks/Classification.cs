using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tasks;

/// <summary>What all tasks share that choose among classes.</summary>
internal static class Classification
{
    /// <summary>Cross-entropy summed over whatever has a label.</summary>
    /// <param name="logits">[B, classes] or [B, P, classes]</param>
    /// <param name="labels">[B] or [B, P], -100 where there is none.</param>
    public static Tensor CrossEntropySum(Tensor logits, Tensor labels)
    {
        using var scope = NewDisposeScope();
        return nn.functional.cross_entropy(logits.flatten(0, -2), labels.flatten(), ignore_index: Batch.IgnoredLabel, reduction: nn.Reduction.Sum)
            .MoveToOuterDisposeScope();
    }

    /// <summary>A head with a row for each label; the rows of one that the model's folder brings are put into the labels' order.</summary>
    public static Head CreateHead(PretrainedModel model, LabelSet labels, Func<int, Head> create)
    {
        Head head = create(labels.Count);
        FolderHead.Of(model)?.Align(head, labels);
        return head;
    }

    /// <summary>Reads a text, or a pair of texts, with its label; null where that is missing.</summary>
    public static Func<Example?> ReadTexts(TaskRuntime task, DataViewRow row, TextColumn sentence1, TextColumn? sentence2, Func<int>? label)
    {
        Func<string> first = sentence1.Read(row);
        Func<string>? second = sentence2?.Read(row);
        return () =>
        {
            int index = label?.Invoke() ?? 0;
            if (index < 0)
                return null;
            Example example = Example.From(task.Tokenizer.Encode(first(), second?.Invoke(), task.MaxLength));
            return label is null ? example : example.With(Fields.Label, [index]);
        };
    }

    /// <summary>Softmaxed scores in row order.</summary>
    public static float[] Probabilities(Tensor logits)
    {
        using var scope = NewDisposeScope();
        return logits.to(ScalarType.Float32).softmax(-1).cpu().contiguous().data<float>().ToArray();
    }

    public static int ArgMax(ReadOnlySpan<float> scores)
    {
        int best = 0;
        for (int i = 1; i < scores.Length; i++)
        {
            if (scores[i] > scores[best])
                best = i;
        }
        return best;
    }

    /// <summary>
    /// The columns of one label a row: the predicted key, which is missing where the scores are NaN, and the probabilities of all classes, which are
    /// the predictions.
    /// </summary>
    public static IReadOnlyList<OutputColumn<float[]>> Outputs(string outputColumnName, string scoreColumnName, LabelSet labels) =>
    [
        OutputColumn<float[]>.Of(outputColumnName, new KeyDataViewType(typeof(uint), labels.Count),
            scores => KeyOf(scores, ArgMax(scores)), PredictedLabelAnnotations(labels)),
        OutputColumn<float[]>.Vector(scoreColumnName, new VectorDataViewType(NumberDataViewType.Single, labels.Count),
            scores => scores, ScoreAnnotations(labels)),
    ];

    /// <summary>The key of a class; the missing one where there are no scores (NaN), since an input was missing.</summary>
    public static uint KeyOf(float[] scores, int place) => float.IsNaN(scores[place]) ? 0 : (uint)place + 1;

    /// <summary>Annotations of keys that are no prediction by themselves: their values.</summary>
    public static DataViewSchema.Annotations KeyAnnotations(LabelSet labels)
    {
        var builder = new DataViewSchema.Annotations.Builder();
        labels.Annotate(builder, "KeyValues");
        return builder.ToAnnotations();
    }

    /// <summary>Annotations of a predicted key: its values, and what kind of score column it is.</summary>
    public static DataViewSchema.Annotations PredictedLabelAnnotations(LabelSet labels)
    {
        var builder = new DataViewSchema.Annotations.Builder();
        labels.Annotate(builder, "KeyValues");
        AddScoreKind(builder, "PredictedLabel");
        return builder.ToAnnotations();
    }

    /// <summary>Annotations of a score vector: slot names, the labels behind them, and what kind of score column it is.</summary>
    public static DataViewSchema.Annotations ScoreAnnotations(LabelSet labels)
    {
        var builder = new DataViewSchema.Annotations.Builder();
        LabelSet.Text(labels.Names).Annotate(builder, "SlotNames");
        labels.Annotate(builder, "TrainingLabelValues");
        AddScoreKind(builder, "Score");
        return builder.ToAnnotations();
    }

    private static void AddScoreKind(DataViewSchema.Annotations.Builder builder, string use)
    {
        Text(builder, "ScoreColumnKind", "MulticlassClassification");
        Text(builder, "ScoreValueKind", use);
    }

    private static void Text(DataViewSchema.Annotations.Builder builder, string kind, string value) =>
        builder.Add(kind, TextDataViewType.Instance, (ref ReadOnlyMemory<char> text) => text = value.AsMemory());
}
