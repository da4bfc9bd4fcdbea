using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Training;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft
{
    public abstract partial class PeftTask
    {
        /// <summary>
        /// Goes on with a decoder's pretraining: every token of a text is learnt from those before it. Texts are packed into rows of
        /// the full length, without seeing each other; longer ones are cut into several. In scoring, how well the model knows each text.
        /// </summary>
        /// <param name="textColumnName">The text.</param>
        /// <param name="outputColumnName">The text's perplexity, exp of the mean loss a token, a Single; NaN for a text of one token.</param>
        public static PeftTask CausalLanguageModelling(string textColumnName = "Text", string outputColumnName = "Perplexity") =>
            new CausalLanguageModelTask { TextColumnName = textColumnName, OutputColumnName = outputColumnName };
    }
}

namespace Microsoft.ML.Peft.Tasks
{
    /// <summary>Causal language modelling on a text column.</summary>
    internal sealed class CausalLanguageModelTask : PeftTask
    {
        [NotLearnt]
        public required string TextColumnName { get; init; }

        [NotLearnt]
        public required string OutputColumnName { get; init; }

        internal override string PeftTaskType => "CAUSAL_LM";

        internal TextColumn Text => new(TextColumnName, "Text");

        internal override IReadOnlyList<TaskColumn> Inputs => [Text];

        internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
            [SchemaShapes.Column(OutputColumnName, SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.Single)];

        internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) => new Runtime(this, processor, maxLength);

        private sealed class Runtime(CausalLanguageModelTask task, InputProcessor processor, int maxLength)
            : LanguageModelRuntime<float>(task, processor, maxLength)
        {
            public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
            {
                Func<string> text = task.Text.Read(row);
                return OneEach(() =>
                {
                    // Whole in training, where packing cuts and the end is learnt too; as far as the model reads in scoring.
                    Encoding encoding = Tokenizer.Encode(text(), null, withLabels ? int.MaxValue : MaxLength);
                    Example example = NextTokens(withLabels ? Ended(encoding.Ids) : encoding.Ids, 1, encoding.Truncated);
                    return withLabels && example.Labels.Length == 0 ? null : example;
                });
            }

            public override IReadOnlyList<Example> Pack(IReadOnlyList<Example> examples) => new PackedExamples(examples, MaxLength, PackedExamples.NextTokens);

            public override IReadOnlyList<float> Score(TunedModel model, Batch batch, ForwardContext context)
            {
                if (batch.ReadPositions is null)
                    return [.. batch.Examples.Select(_ => float.NaN)];
                // The labels are the text's own tokens: no column has to bring them.
                using Batch labelled = Processor.Collate(batch.Examples, batch.Ids.device, withLabels: true);
                return base.Score(model, labelled, context);
            }

            public override IReadOnlyList<float> Predict(Tensor answer, Batch batch)
            {
                using var scope = NewDisposeScope();
                float[] sums = answer.sum(1).cpu().data<float>().ToArray();
                return [.. batch.Examples.Zip(sums, (example, sum) => MathF.Exp(sum / example.Labels.Length))];
            }

            public override IReadOnlyList<OutputColumn<float>> Outputs =>
                [OutputColumn<float>.Of(task.OutputColumnName, NumberDataViewType.Single, perplexity => perplexity)];
        }
    }
}
