using System.Text.Json;
using System.Text.Json.Nodes;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tokenization;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft
{
    public abstract partial class PeftTask
    {
        /// <summary>Classifies a text, or a pair of texts, into two or more classes.</summary>
        /// <param name="sentence1ColumnName">The text.</param>
        /// <param name="sentence2ColumnName">The second text of a pair; null (the default) for single texts.</param>
        /// <param name="labelColumnName">The label, a key.</param>
        /// <param name="outputColumnName">The predicted label, a key over the same values.</param>
        /// <param name="scoreColumnName">The probabilities of all classes, a vector of Single.</param>
        public static PeftTask TextClassification(
            string sentence1ColumnName = "Text", string? sentence2ColumnName = null, string labelColumnName = "Label",
            string outputColumnName = "PredictedLabel", string scoreColumnName = "Score") => new TextClassificationTask
            {
                Sentence1ColumnName = sentence1ColumnName,
                Sentence2ColumnName = sentence2ColumnName,
                LabelColumnName = labelColumnName,
                OutputColumnName = outputColumnName,
                ScoreColumnName = scoreColumnName,
            };
    }
}

namespace Microsoft.ML.Peft.Tasks
{
    /// <summary>Sequence classification: one label for a text or a pair.</summary>
    internal sealed class TextClassificationTask : PeftTask
    {
        public string Sentence1ColumnName { get; init; } = "Text";

        public string? Sentence2ColumnName { get; init; }

        public string LabelColumnName { get; init; } = "Label";

        public string OutputColumnName { get; init; } = "PredictedLabel";

        public string ScoreColumnName { get; init; } = "Score";

        internal override string Key => "text-classification";

        internal override string PeftTaskType => "SEQ_CLS";

        internal override JsonObject ToJson() => JsonSerializer.SerializeToNode(this)!.AsObject();

        internal override void CheckTrainingSchema(SchemaShape schema)
        {
            CheckScoringSchema(schema);
            Columns.CheckKey(schema, LabelColumnName, vector: false);
        }

        internal override void CheckScoringSchema(SchemaShape schema)
        {
            Columns.CheckText(schema, Sentence1ColumnName, "Sentence 1");
            if (Sentence2ColumnName is not null)
                Columns.CheckText(schema, Sentence2ColumnName, "Sentence 2");
        }

        internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
        [
            SchemaShapes.PredictedKey(OutputColumnName, schema, LabelColumnName),
            SchemaShapes.Scores(ScoreColumnName, schema, LabelColumnName),
        ];

        internal override TaskRuntime Bind(DataViewSchema schema, TextTokenizer tokenizer, int maxLength) =>
            Bind(LabelSet.Of(Columns.Find(schema, LabelColumnName, "Label")), tokenizer, maxLength);

        internal override TaskRuntime Bind(LabelSet labels, TextTokenizer tokenizer, int maxLength) =>
            new Runtime(this, labels, tokenizer, maxLength);

        private sealed class Runtime(TextClassificationTask task, LabelSet labels, TextTokenizer tokenizer, int maxLength)
            : TaskRuntime(task, labels, tokenizer, maxLength)
        {
            public override IReadOnlyList<string> InputColumns { get; } =
                task.Sentence2ColumnName is { } second ? [task.Sentence1ColumnName, second] : [task.Sentence1ColumnName];

            public override IReadOnlyList<string> LabelColumns { get; } = [task.LabelColumnName];

            public override Func<Example?> CreateReader(DataViewRow row, bool withLabels)
            {
                Func<string> first = Columns.Text(row, task.Sentence1ColumnName, "Sentence 1");
                Func<string>? second = task.Sentence2ColumnName is { } name ? Columns.Text(row, name, "Sentence 2") : null;
                Func<int>? label = withLabels ? Columns.Key(row, task.LabelColumnName) : null;
                return () =>
                {
                    int index = label?.Invoke() ?? 0;
                    if (index < 0)
                        return null;
                    Encoding encoding = Tokenizer.Encode(first(), second?.Invoke(), MaxLength);
                    return Example.From(encoding, label is null ? [] : [index]);
                };
            }

            public override Head CreateHead(PretrainedModel model) => model.CreateSequenceClassificationHead(Labels.Count);

            public override (Tensor Sum, long Count) Loss(Tensor logits, Batch batch) =>
                (Classification.CrossEntropySum(logits, batch.Labels!), batch.Examples.Count);

            public override ITaskMetrics CreateMetrics() => new ClassificationMetrics(Labels.Count);

            public override IReadOnlyList<OutputColumn> Outputs =>
            [
                new OutputColumn<uint>(task.OutputColumnName, new KeyDataViewType(typeof(uint), Labels.Count),
                    Classification.PredictedLabelAnnotations(Labels),
                    (object prediction, ref uint value) => value = (uint)Classification.ArgMax((float[])prediction) + 1),
                new OutputColumn<VBuffer<float>>(task.ScoreColumnName, new VectorDataViewType(NumberDataViewType.Single, Labels.Count),
                    Classification.ScoreAnnotations(Labels),
                    (object prediction, ref VBuffer<float> value) => VectorWriter.Write((float[])prediction, ref value)),
            ];

            public override IReadOnlyList<object> Predict(Tensor logits, Batch batch) =>
                [.. Classification.Probabilities(logits).Chunk(Labels.Count)];
        }
    }
}
