using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Tasks;
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
    internal sealed class TextClassificationTask : SequenceClassificationTask
    {
        internal KeyColumn Label => new(LabelColumnName);

        internal override IReadOnlyList<TaskColumn> Labels => [Label];

        internal override bool SharesModel => true;

        internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
        [
            SchemaShapes.PredictedKey(OutputColumnName, schema, LabelColumnName),
            SchemaShapes.Scores(ScoreColumnName, schema, LabelColumnName),
        ];

        internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) =>
            new Runtime(this, labels, processor, maxLength);

        private sealed class Runtime(TextClassificationTask task, LabelSet labels, InputProcessor processor, int maxLength)
            : SequenceClassificationRuntime<float[]>(task, labels, processor, maxLength), ISharesModel<float[]>
        {
            public bool ReadsPositions => false;

            public float[] Missing { get; } = [.. Enumerable.Repeat(float.NaN, labels.Count)];

            public override IReadOnlyList<OutputColumn<float[]>> Outputs => Classification.Outputs(task.OutputColumnName, task.ScoreColumnName, Labels);

            protected override Func<int> ReadLabel(DataViewRow row) => task.Label.Read(row, Labels);

            public override IReadOnlyList<float[]> Predict(Tensor logits, Batch batch) =>
                [.. Classification.Probabilities(logits).Chunk(Labels.Count)];
        }
    }
}
