using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Tasks;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft
{
    public abstract partial class PeftTask
    {
        /// <summary>
        /// Decides whether a text, or a pair of texts, is of a class: with the columns of ML.NET's binary trainers, which
        /// <c>BinaryClassification.Evaluate</c> reads.
        /// </summary>
        /// <param name="sentence1ColumnName">The text.</param>
        /// <param name="sentence2ColumnName">The second text of a pair; null (the default) for single texts.</param>
        /// <param name="labelColumnName">The label, a Boolean.</param>
        /// <param name="outputColumnName">The predicted label, a Boolean.</param>
        /// <param name="scoreColumnName">The score, a Single: above 0 for true.</param>
        /// <param name="probabilityColumnName">The probability of true, a Single.</param>
        public static PeftTask BinaryTextClassification(
            string sentence1ColumnName = "Text", string? sentence2ColumnName = null, string labelColumnName = "Label",
            string outputColumnName = "PredictedLabel", string scoreColumnName = "Score", string probabilityColumnName = "Probability") =>
            new BinaryTextClassificationTask
            {
                Sentence1ColumnName = sentence1ColumnName,
                Sentence2ColumnName = sentence2ColumnName,
                LabelColumnName = labelColumnName,
                OutputColumnName = outputColumnName,
                ScoreColumnName = scoreColumnName,
                ProbabilityColumnName = probabilityColumnName,
            };
    }
}

namespace Microsoft.ML.Peft.Tasks
{
    /// <summary>Sequence classification over false and true: the score is the difference of their logits.</summary>
    internal sealed class BinaryTextClassificationTask : SequenceClassificationTask
    {
        [NotLearnt]
        public required string ProbabilityColumnName { get; init; }

        internal BooleanColumn Label => new(LabelColumnName);

        internal override IReadOnlyList<TaskColumn> Labels => [Label];

        internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
        [
            SchemaShapes.Column(OutputColumnName, SchemaShape.Column.VectorKind.Scalar, BooleanDataViewType.Instance),
            SchemaShapes.Column(ScoreColumnName, SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.Single),
            SchemaShapes.Column(ProbabilityColumnName, SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.Single),
        ];

        internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) =>
            new Runtime(this, labels, processor, maxLength);

        private sealed class Runtime(BinaryTextClassificationTask task, LabelSet labels, InputProcessor processor, int maxLength)
            : SequenceClassificationRuntime<float>(task, labels, processor, maxLength)
        {
            public override IReadOnlyList<OutputColumn<float>> Outputs =>
            [
                OutputColumn<float>.Of(task.OutputColumnName, BooleanDataViewType.Instance, score => score > 0),
                OutputColumn<float>.Of(task.ScoreColumnName, NumberDataViewType.Single, score => score),
                OutputColumn<float>.Of(task.ProbabilityColumnName, NumberDataViewType.Single, score => 1 / (1 + MathF.Exp(-score))),
            ];

            protected override Func<int> ReadLabel(DataViewRow row) => task.Label.Read(row);

            public override IReadOnlyList<float> Predict(Tensor logits, Batch batch)
            {
                using var scope = NewDisposeScope();
                Tensor scores = logits.to(ScalarType.Float32).diff(dim: -1).flatten();
                return scores.cpu().contiguous().data<float>().ToArray();
            }
        }
    }
}
