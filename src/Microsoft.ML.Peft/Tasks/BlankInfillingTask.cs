using System.Globalization;
using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Data.BlankInfilling;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Layers;
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
        /// Autoregressive blank infilling (GLM, Du et al. 2022): parts of a text are taken out, drawn anew each epoch, and written again token by token. Short
        /// blanks (about three tokens, 15 % of the text) come in any order, whole sentences likewise; one long blank takes half of the text or more, in half of
        /// the cases up to its end. Longer texts are cut into several. In scoring, how well the model knows what blanks of the text hide.
        /// </summary>
        /// <param name="textColumnName">The text.</param>
        /// <param name="outputColumnName">The perplexity of blanks in the text, which are the same at each call, a Single; NaN for a text without a word.</param>
        /// <param name="tokenShare">The share of texts that lose short blanks; 0.5 by default.</param>
        /// <param name="sentenceShare">The share of texts that lose sentences; 0 by default. A text of one sentence loses short blanks instead.</param>
        /// <param name="documentShare">The share of texts that lose half or more at once; 0.5 by default.</param>
        /// <param name="packTexts">
        /// Whether short texts share a row in training, as many as the longest length has room for, without seeing each other; false by default. A batch then
        /// holds more texts in as many rows.
        /// </param>
        /// <exception cref="ArgumentException">A share is negative, or they are not 1 together.</exception>
        public static PeftTask BlankInfilling(
            string textColumnName = "Text", string outputColumnName = "Perplexity", double tokenShare = 0.5, double sentenceShare = 0, double documentShare = 0.5,
            bool packTexts = false)
        {
            new BlankShares(tokenShare, sentenceShare, documentShare).Check();
            return new BlankInfillingTask
            {
                TextColumnName = textColumnName, OutputColumnName = outputColumnName, TokenShare = tokenShare, SentenceShare = sentenceShare, DocumentShare = documentShare,
                PackTexts = packTexts,
            };
        }
    }
}

namespace Microsoft.ML.Peft.Tasks
{
    /// <summary>GLM's pretraining on a text column.</summary>
    internal sealed class BlankInfillingTask : PeftTask
    {
        [NotLearnt]
        public required string TextColumnName { get; init; }

        [NotLearnt]
        public required string OutputColumnName { get; init; }

        public required double TokenShare { get; init; }

        public required double SentenceShare { get; init; }

        public required double DocumentShare { get; init; }

        public bool PackTexts { get; init; }

        internal TextColumn Text => new(TextColumnName, "Text");

        internal BlankShares Shares => new(TokenShare, SentenceShare, DocumentShare);

        internal override IReadOnlyList<TaskColumn> Inputs => [Text];

        internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
            [SchemaShapes.Column(OutputColumnName, SchemaShape.Column.VectorKind.Scalar, NumberDataViewType.Single)];

        internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) => new BlankInfillingRuntime(this, processor, maxLength);
    }

    /// <summary>What the blanks of a text cost, in nats.</summary>
    /// <param name="Sum">All of them.</param>
    /// <param name="Count">Tokens in them.</param>
    internal readonly record struct BlankLoss(double Sum, int Count);

    internal sealed class BlankInfillingRuntime(BlankInfillingTask task, InputProcessor processor, int maxLength)
        : LanguageModelRuntime<BlankLoss>(task, processor, maxLength)
    {
        // A text is scored by the same blanks wherever it stands.
        private const long ScoringSeed = 0;

        // The marks about it take two.
        private readonly int _words = maxLength > 2 ? maxLength - 2 : throw new ArgumentException($"MaxLength is {maxLength}: with the marks of its start and end a text has 3 tokens at least.");
        private readonly BlankTokens _tokens = BlankTokens.Of(processor.Tokenizer);
        // Finding sentences looks at every token of the vocabulary once.
        private readonly BlankDraws _draws = new(
            task.Shares, BlankTokens.Of(processor.Tokenizer), task.SentenceShare > 0 ? Sentences.Of(processor.Tokenizer) : new Sentences([]));

        public override int? End => _tokens.EndOfText;

        public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
        {
            Func<string> text = task.Text.Read(row);
            return () =>
            {
                int[] words = Tokenizer.Encode(text(), addSpecialTokens: false).Ids;
                if (words.Length == 0)
                    return withLabels ? [] : [new Example { Ids = [_tokens.Cls, _tokens.EndOfText] }];
                // Blanks add two tokens each to a row and none to its positions.
                int[][] parts = [.. words.Chunk(_words)];
                return [.. parts.Select((part, i) => new Example { Ids = [_tokens.Cls, .. part, .. i + 1 == parts.Length ? [_tokens.EndOfText] : Array.Empty<int>()] })];
            };
        }

        /// <exception cref="InvalidOperationException">Sentences are to be left out, and no text has two.</exception>
        public override IEnumerable<string> NotesOn(IReadOnlyList<Example> rows)
        {
            if (task.SentenceShare == 0)
                return [];
            int several = rows.Count(row => _draws.SentencesOf(row.Ids).Count > 1);
            if (several == 0)
            {
                throw new InvalidOperationException(
                    $"{nameof(task.SentenceShare)} is {task.SentenceShare.ToString(CultureInfo.InvariantCulture)}, and the splitter finds no second sentence in any of the {rows.Count} texts: a sentence ends with . ? ! or a line.");
            }
            return several == rows.Count ? [] : [$"{rows.Count - several} of {rows.Count} texts are of one sentence: they lose short blanks where sentences were drawn."];
        }

        public override Head CreateHead(PretrainedModel model) => model.As<IFillsBlanks>().CreateLanguageModelHead();

        // Rows of texts as they are: what they lose is drawn when they are read.
        public override IReadOnlyList<Example> Pack(IReadOnlyList<Example> examples) => task.PackTexts ? new PackedExamples(examples, MaxLength, row => row) : examples;

        public override IReadOnlyList<Example> Prepare(IReadOnlyList<Example> examples, Random random) => [.. examples.Select(example => example.Starts.Length == 0
            ? Blanked(example.Ids, random.NextInt64())
            : BlankRows.Pack([.. TextsOf(example).Select(text => Blanked(text, random.NextInt64()))]))];

        /// <returns>[B, P] in training; else [2, B, P], beside what a token costs whether it was the likeliest.</returns>
        public override Tensor Answer(Head head, Tensor hidden, Batch batch, ForwardContext context) =>
            is_grad_enabled() ? base.Answer(head, hidden, batch, context) : BlankMetrics.Judge(head, hidden, batch, context);

        public override (Tensor Sum, long Count) Loss(Tensor answer, Batch batch) => base.Loss(BlankMetrics.LossesOf(answer), batch);

        public override ITaskMetrics CreateMetrics() => new BlankMetrics(base.CreateMetrics());

        public override IReadOnlyList<BlankLoss> Score(TunedModel model, Batch batch, ForwardContext context)
        {
            // The labels are the text's own tokens: no column has to bring them.
            using Batch labelled = Processor.Collate([.. batch.Examples.Select(example => Blanked(example.Ids, ScoringSeed))], batch.Ids.device, withLabels: true);
            return base.Score(model, labelled, context);
        }

        public override IReadOnlyList<BlankLoss> Predict(Tensor answer, Batch batch)
        {
            using var scope = NewDisposeScope();
            float[] sums = BlankMetrics.LossesOf(answer).sum(1).cpu().data<float>().ToArray();
            return [.. batch.Examples.Zip(sums, (example, sum) => new BlankLoss(sum, example.Labels.Length))];
        }

        public override BlankLoss Join(IReadOnlyList<BlankLoss> parts) => new(parts.Sum(part => part.Sum), parts.Sum(part => part.Count));

        public override IReadOnlyList<OutputColumn<BlankLoss>> Outputs =>
            [OutputColumn<BlankLoss>.Of(task.OutputColumnName, NumberDataViewType.Single, loss => (float)Math.Exp(loss.Sum / loss.Count))];

        private static IEnumerable<int[]> TextsOf(Example packed) => packed.Starts.Zip(packed.Starts.Skip(1).Append(packed.Length), (start, end) => packed.Ids[start..end]);

        private Example Blanked(int[] text, long seed) => _draws.Draw(text, seed).Row;
    }
}
