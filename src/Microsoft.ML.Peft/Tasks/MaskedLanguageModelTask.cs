using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Models;
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
        /// Masked language modelling (Devlin et al. 2018): of the chosen tokens 80 % become the mask, 10 % another token, 10 %
        /// stay, drawn anew each epoch. In scoring, the words for each mask in the text.
        /// </summary>
        /// <param name="textColumnName">The text.</param>
        /// <param name="outputColumnName">The predicted token for each mask in the text, a vector of text.</param>
        /// <param name="maskProbability">The share of tokens to predict; 0.15 by default.</param>
        /// <exception cref="ArgumentOutOfRangeException">The share is not between 0 and 1.</exception>
        public static PeftTask MaskedLanguageModelling(
            string textColumnName = "Text", string outputColumnName = "PredictedTokens", double maskProbability = 0.15)
        {
            if (maskProbability is not (> 0 and < 1))
                throw new ArgumentOutOfRangeException(nameof(maskProbability), maskProbability, "The share of masked tokens lies between 0 and 1.");
            return new MaskedLanguageModelTask { TextColumnName = textColumnName, OutputColumnName = outputColumnName, MaskProbability = maskProbability };
        }
    }
}

namespace Microsoft.ML.Peft.Tasks
{
    /// <summary>Pretraining on a text column, and filling of masks.</summary>
    internal sealed class MaskedLanguageModelTask : PeftTask
    {
        [NotLearnt]
        public required string TextColumnName { get; init; }

        [NotLearnt]
        public required string OutputColumnName { get; init; }

        public required double MaskProbability { get; init; }

        internal TextColumn Text => new(TextColumnName, "Text");

        internal override IReadOnlyList<TaskColumn> Inputs => [Text];

        internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
            [SchemaShapes.Column(OutputColumnName, SchemaShape.Column.VectorKind.VariableVector, TextDataViewType.Instance)];

        internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) =>
            new MaskedLanguageModelRuntime(this, processor, maxLength);
    }

    internal sealed class MaskedLanguageModelRuntime(MaskedLanguageModelTask task, InputProcessor processor, int maxLength)
        : TaskRuntime<int[]>(task, LabelSet.None, processor, maxLength)
    {
        private readonly int _mask = processor.Tokenizer.MaskId
            ?? throw new ArgumentException("The tokenizer has no mask token: the model is not one of masked language modelling.");
        // Padding behind all others may have no row in the model's table.
        private readonly int _words = processor.Tokenizer.VocabularySize - (processor.Tokenizer.PadId == processor.Tokenizer.VocabularySize - 1 ? 1 : 0);

        public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
        {
            Func<string> text = task.Text.Read(row);
            return OneEach(() =>
            {
                Encoding encoding = Tokenizer.Encode(text(), null, MaxLength);
                if (!withLabels)
                    return Example.From(encoding, [.. Enumerable.Range(0, encoding.Ids.Length).Where(i => encoding.Ids[i] == _mask)]);
                // Masks are drawn at each step; a text of special tokens alone has nothing to mask.
                return !encoding.Ids.All(Tokenizer.IsSpecial) ? Example.From(encoding) : encoding.Truncated ? Example.CutOff : null;
            });
        }

        public override Head CreateHead(PretrainedModel model) => model.As<IMaskedLanguageModel>().CreateMaskedLanguageModelHead();

        public override IReadOnlyList<Example> Prepare(IReadOnlyList<Example> examples, Random random) => [.. examples.Select(e => Mask(e, random))];

        public override ITaskMetrics CreateMetrics() => new MaskedAccuracy();

        public override IReadOnlyList<OutputColumn<int[]>> Outputs =>
        [
            OutputColumn<int[]>.Vector(task.OutputColumnName, new VectorDataViewType(TextDataViewType.Instance),
                tokens => Array.ConvertAll(tokens, id => Tokenizer.Decode([id]).Trim().AsMemory())),
        ];

        public override IReadOnlyList<int[]> Predict(Tensor logits, Batch batch)
        {
            using var scope = NewDisposeScope();
            long[] best = logits.argmax(-1).flatten().cpu().data<long>().ToArray();
            int width = batch.ReadPositions is null ? 0 : (int)batch.ReadPositions.size(1);
            return [.. batch.Examples.Select((e, row) => Enumerable.Range(0, e.ReadPositions.Length).Select(i => (int)best[row * width + i]).ToArray())];
        }

        private Example Mask(Example example, Random random)
        {
            int[] words = [.. Enumerable.Range(0, example.Length).Where(i => !Tokenizer.IsSpecial(example.Ids[i]))];
            int[] chosen = [.. words.Where(_ => random.NextDouble() < task.MaskProbability)];
            // A row that was spared would have no loss: one token of it is always asked for.
            if (chosen.Length == 0)
                chosen = [words[random.Next(words.Length)]];
            int[] ids = [.. example.Ids];
            foreach (int i in chosen)
                ids[i] = random.NextDouble() switch { < 0.8 => _mask, < 0.9 => random.Next(_words), _ => ids[i] };
            return example.With(Fields.Ids, ids).With(Fields.ReadPositions, chosen).With(Fields.Labels, [.. chosen.Select(i => example.Ids[i])]);
        }

        /// <summary>The share of masked tokens that are guessed.</summary>
        private sealed class MaskedAccuracy : ITaskMetrics
        {
            private long _right, _all;

            public void Add(Tensor logits, Batch batch)
            {
                using var scope = NewDisposeScope();
                _right += logits.argmax(-1).eq(batch.Labels!).sum().item<long>();
                _all += batch.Examples.Sum(e => (long)e.Labels.Length);
            }

            public IReadOnlyList<(string Name, double Value)> Result => [(TrainingMetrics.MaskedAccuracy, (double)_right / Math.Max(1, _all))];
        }
    }
}
