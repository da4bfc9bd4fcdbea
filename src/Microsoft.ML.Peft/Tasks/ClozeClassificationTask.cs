using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft
{
    public abstract partial class PeftTask
    {
        /// <summary>
        /// Classifies by a cloze (PET, Schick and Schütze 2021): a pattern makes a text with a gap of a row, and the model says which of the classes' words
        /// stands there. There is no head that starts at random: it works without training too (<see cref="PeftCatalog.ZeroShot(ModelSource, PeftTask)"/>), and with few rows.
        /// </summary>
        /// <param name="pattern">
        /// A text with columns and one gap in braces, such as <c>{Text} It was {mask}.</c> Places for virtual tokens (<c>{prompt:3}</c>) are filled by prompt tuning or
        /// P-tuning with as many. Two braces stand for one.
        /// </param>
        /// <param name="verbalizers">For each label, by its value as text, what stands in the gap: a word, or under <see cref="ClozeScoring.MeanOfTokens"/> any text, and columns in braces.</param>
        /// <param name="scoring">How the words are scored.</param>
        /// <param name="labelColumnName">The label, a key.</param>
        /// <param name="outputColumnName">The predicted label, a key over the same values.</param>
        /// <param name="scoreColumnName">The probabilities of all classes, a vector of Single.</param>
        /// <exception cref="ArgumentException">The pattern has no gap or several, or two labels have one verbalizer; the message says which.</exception>
        public static PeftTask ClozeClassification(
            string pattern, IReadOnlyDictionary<string, string> verbalizers, ClozeScoring scoring = ClozeScoring.OneToken, string labelColumnName = "Label",
            string outputColumnName = "PredictedLabel", string scoreColumnName = "Score")
        {
            ArgumentNullException.ThrowIfNull(verbalizers);
            ClozePattern.WithMask(pattern);
            ClozeVerbalizers.Check(verbalizers, scoring);
            return new ClozeClassificationTask
            {
                Pattern = pattern,
                Verbalizers = verbalizers.ToDictionary(StringComparer.Ordinal),
                Scoring = scoring,
                LabelColumnName = labelColumnName,
                OutputColumnName = outputColumnName,
                ScoreColumnName = scoreColumnName,
            };
        }
    }
}

namespace Microsoft.ML.Peft.Tasks
{
    /// <summary>Which of the classes' words stands in a gap.</summary>
    internal sealed class ClozeClassificationTask : PeftTask
    {
        public required string Pattern { get; init; }

        public required IReadOnlyDictionary<string, string> Verbalizers { get; init; }

        public required ClozeScoring Scoring { get; init; }

        [NotLearnt]
        public required string LabelColumnName { get; init; }

        [NotLearnt]
        public required string OutputColumnName { get; init; }

        [NotLearnt]
        public required string ScoreColumnName { get; init; }

        internal KeyColumn Label => new(LabelColumnName);

        internal override IReadOnlyList<TaskColumn> Labels => [Label];

        internal override IReadOnlyList<TaskColumn> Inputs => [.. Columns.Select(name => new TextColumn(name, "Pattern"))];

        internal override LabelSet? OwnLabels => LabelSet.Text([.. Verbalizers.Keys]);

        private IEnumerable<string> Columns => ClozePattern.WithMask(Pattern).Columns
            .Concat(Verbalizers.SelectMany(verbalizer => ClozePattern.Answer(verbalizer.Value, verbalizer.Key).Columns)).Distinct();

        internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
        [
            SchemaShapes.PredictedKey(OutputColumnName, schema, LabelColumnName),
            SchemaShapes.Scores(ScoreColumnName, schema, LabelColumnName),
        ];

        internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) => new Runtime(this, labels, processor, maxLength);

        private sealed class Runtime : TaskRuntime<float[]>
        {
            private readonly ClozeClassificationTask _task;
            private readonly ClozeReader _reader;
            private readonly ClozeVerbalizers _verbalizers;

            public Runtime(ClozeClassificationTask task, LabelSet labels, InputProcessor processor, int maxLength) : base(task, labels, processor, maxLength)
            {
                (_task, _reader) = (task, new ClozeReader(ClozePattern.WithMask(task.Pattern), Tokenizer, maxLength, task.Writing));
                _verbalizers = new ClozeVerbalizers(task.Verbalizers, task.Scoring, labels, _reader);
            }

            public override int VirtualTokens => _reader.Pattern.VirtualTokens;

            public override IReadOnlyList<OutputColumn<float[]>> Outputs => Classification.Outputs(_task.OutputColumnName, _task.ScoreColumnName, Labels);

            public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
            {
                var columns = _task.Inputs.Cast<TextColumn>().ToDictionary(column => column.Name, column => column.Read(row));
                Func<int>? label = withLabels ? _task.Label.Read(row, Labels) : null;
                return OneEach(() =>
                {
                    int index = label?.Invoke() ?? 0;
                    if (index < 0)
                        return null;
                    var values = columns.ToDictionary(column => column.Key, column => column.Value());
                    Example example = _verbalizers.Read(name => values[name], row.Position);
                    return label is null ? example : example.With(Fields.Label, [index]);
                });
            }

            public override Head CreateHead(PretrainedModel model) => ClozeHead.Create(model, _task.Writing);

            public override ITaskMetrics CreateMetrics() => new ClassificationMetrics(Labels.Count);

            public override Tensor Answer(Head head, Tensor hidden, Batch batch, ForwardContext context) => _verbalizers.Score(head, hidden, batch, context);

            public override IReadOnlyList<float[]> Score(TunedModel model, Batch batch, ForwardContext context)
            {
                if (!_verbalizers.ReadsEach || context.Rows is not { } rows)
                    return base.Score(model, batch, context);
                // The alternatives of a row are under its adapter.
                ForwardContext own = ForwardContext.ForRows([.. rows.Names.SelectMany(name => Enumerable.Repeat(name, Labels.Count))], rows.Device, context.Limit);
                using AdapterRows? each = own.Rows;
                return base.Score(model, batch, own);
            }

            public override IReadOnlyList<float[]> Predict(Tensor answer, Batch batch) => [.. Classification.Probabilities(answer).Chunk(Labels.Count)];
        }
    }
}
