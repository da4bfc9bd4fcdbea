using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Metrics;
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
        /// Gives each word a label (named entities, parts of speech). Words may be cut into pieces: the first piece decides, under a decoder, which has
        /// read a word only then, the last.
        /// A word of which the model sees no piece (beyond its length, or one that the tokenizer makes nothing of, such as a zero-width
        /// character) has a missing label and scores of 0.
        /// </summary>
        /// <param name="sentence1ColumnName">The words: a vector of text, or one text that is split at white space.</param>
        /// <param name="labelColumnName">The labels: a vector of keys, one for each word.</param>
        /// <param name="outputColumnName">The predicted labels: a vector of keys, one for each word.</param>
        /// <param name="scoreColumnName">Probabilities: for each word in turn those of all labels, a vector of Single.</param>
        /// <param name="spansColumnName">
        /// Spans of words under BIO labels as a vector of text, <c>type:first-end</c> with the first word and the one behind the last.
        /// </param>
        public static PeftTask TokenClassification(
            string sentence1ColumnName = "Sentence", string labelColumnName = "Label", string outputColumnName = "PredictedLabel",
            string scoreColumnName = "Score", string spansColumnName = "Spans") => new TokenClassificationTask
            {
                Sentence1ColumnName = sentence1ColumnName,
                LabelColumnName = labelColumnName,
                OutputColumnName = outputColumnName,
                ScoreColumnName = scoreColumnName,
                SpansColumnName = spansColumnName,
            };
    }
}

namespace Microsoft.ML.Peft.Tasks
{
    /// <summary>Token classification: one label for each word.</summary>
    internal sealed class TokenClassificationTask : PeftTask
    {
        [NotLearnt]
        public required string Sentence1ColumnName { get; init; }

        [NotLearnt]
        public required string LabelColumnName { get; init; }

        [NotLearnt]
        public required string OutputColumnName { get; init; }

        [NotLearnt]
        public required string ScoreColumnName { get; init; }

        [NotLearnt]
        public required string SpansColumnName { get; init; }

        internal override string PeftTaskType => "TOKEN_CLS";

        internal override string HeadKind => "ForTokenClassification";

        internal WordsColumn Words => new(Sentence1ColumnName, "Sentence");

        internal KeysColumn Label => new(LabelColumnName);

        internal override IReadOnlyList<TaskColumn> Inputs => [Words];

        internal override IReadOnlyList<TaskColumn> Labels => [Label];

        internal override bool SharesModel => true;

        internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
        [
            SchemaShapes.PredictedKey(OutputColumnName, schema, LabelColumnName, SchemaShape.Column.VectorKind.VariableVector),
            SchemaShapes.Column(ScoreColumnName, SchemaShape.Column.VectorKind.VariableVector, NumberDataViewType.Single),
            SchemaShapes.Column(SpansColumnName, SchemaShape.Column.VectorKind.VariableVector, TextDataViewType.Instance),
        ];

        internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) =>
            new TokenClassificationRuntime(this, labels, processor, maxLength);
    }

    /// <summary>What one row was predicted: a label index (-1 where the model saw no piece) and scores for each word.</summary>
    internal sealed record WordPredictions(int[] Labels, float[] Scores);

    internal sealed class TokenClassificationRuntime(
        TokenClassificationTask task, LabelSet labels, InputProcessor processor, int maxLength)
        : TaskRuntime<WordPredictions>(task, labels, processor, maxLength), ISharesModel<WordPredictions>
    {
        public bool ReadsPositions => true;

        public WordPredictions Missing { get; } = new([], []);

        public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
        {
            Func<string[]> words = task.Words.Read(row);
            Func<int[]>? keys = withLabels ? task.Label.Read(row, Labels) : null;
            return OneEach(() => Read(words(), keys?.Invoke(), row.Position));
        }

        public override Head CreateHead(PretrainedModel model) =>
            Classification.CreateHead(model, Labels, model.As<ITokenClassifier>().CreateTokenClassificationHead);

        public override ITaskMetrics CreateMetrics() => new ClassificationMetrics(Labels.Count);

        public override IReadOnlyList<OutputColumn<WordPredictions>> Outputs =>
        [
            OutputColumn<WordPredictions>.Vector(task.OutputColumnName, new VectorDataViewType(new KeyDataViewType(typeof(uint), Labels.Count)),
                p => Array.ConvertAll(p.Labels, label => (uint)(label + 1)), Classification.PredictedLabelAnnotations(Labels)),
            OutputColumn<WordPredictions>.Vector(task.ScoreColumnName, new VectorDataViewType(NumberDataViewType.Single), p => p.Scores),
            OutputColumn<WordPredictions>.Vector(task.SpansColumnName, new VectorDataViewType(TextDataViewType.Instance),
                p => BioSpan.Read(Array.ConvertAll(p.Labels, Name)).Select(span => span.ToString().AsMemory()).ToArray()),
        ];

        public override IReadOnlyList<WordPredictions> Predict(Tensor logits, Batch batch)
        {
            float[] scores = Classification.Probabilities(logits);
            int width = logits.dim() == 3 ? (int)logits.size(1) * Labels.Count : 0;
            return [.. batch.Examples.Select((example, row) => Spread(example, scores.AsSpan(row * width, example.ReadPositions.Length * Labels.Count)))];
        }

        private string Name(int label) => label < 0 ? "O" : Labels.Names[label];

        private Example? Read(string[] words, int[]? labels, long row)
        {
            if (labels is not null && labels.Length != words.Length)
            {
                throw new InvalidOperationException(
                    $"Row {row}: column '{task.Sentence1ColumnName}' has {words.Length} words, but column '{task.LabelColumnName}' has {labels.Length} labels.");
            }
            Encoding encoding = Tokenizer.EncodeWords(words, MaxLength);
            int[] pieces = ReadPieces(encoding, words.Length);
            int[] present = [.. Enumerable.Range(0, words.Length).Where(word => pieces[word] >= 0)];
            if (labels is not null && !present.Any(word => labels[word] >= 0))
                return encoding.Truncated && labels.Any(label => label >= 0) ? Example.CutOff : null;
            Example example = Example.From(encoding, [.. present.Select(word => pieces[word])]);
            return labels is null
                ? example.With(Fields.Words, PlacesOf(pieces))
                : example.With(Fields.Labels, [.. present.Select(word => labels[word] < 0 ? (int)Batch.IgnoredLabel : labels[word])]);
        }

        // The piece that answers for each word, -1 where there is none.
        private int[] ReadPieces(Encoding encoding, int words)
        {
            var read = new int[words];
            Array.Fill(read, -1);
            for (int i = 0; i < encoding.Words.Length; i++)
            {
                int word = encoding.Words[i];
                if (word >= 0 && (read[word] < 0 || task.Writing == Writing.GoesOn))
                    read[word] = i;
            }
            return read;
        }

        // Words with a piece are read in their order.
        private static int[] PlacesOf(int[] pieces)
        {
            int read = 0;
            return Array.ConvertAll(pieces, piece => piece < 0 ? -1 : read++);
        }

        private WordPredictions Spread(Example example, ReadOnlySpan<float> scores)
        {
            int[] words = example.Get(Fields.Words);
            var result = new WordPredictions(new int[words.Length], new float[words.Length * Labels.Count]);
            for (int i = 0; i < words.Length; i++)
            {
                result.Labels[i] = -1;
                if (words[i] < 0)
                    continue;
                ReadOnlySpan<float> word = scores.Slice(words[i] * Labels.Count, Labels.Count);
                result.Labels[i] = Classification.ArgMax(word);
                word.CopyTo(result.Scores.AsSpan(i * Labels.Count));
            }
            return result;
        }
    }
}
