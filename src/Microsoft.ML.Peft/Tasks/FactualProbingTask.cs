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
        /// Asks a model for facts (LAMA, Petroni et al. 2019): a relation's pattern makes a sentence with a gap of a row, and the model says the likeliest
        /// tokens there. It works without training (<see cref="PeftCatalog.ZeroShot(ModelSource, PeftTask)"/>); training fits a prompt to a relation.
        /// </summary>
        /// <param name="pattern">
        /// A sentence with columns and one gap in braces, such as <c>{Subject} was born in {mask}.</c>, which for a decoder must end in the gap; with places for
        /// virtual tokens (<c>{prompt:3}</c>) if a tuner fills them.
        /// </param>
        /// <param name="candidates">The answers to choose among, each one token; null (the default) for all tokens that are not special.</param>
        /// <param name="answerCount">How many answers a row gets, the likeliest first; 10 by default.</param>
        /// <param name="skipLongAnswers">
        /// Whether rows to train on are left out whose answer is not one token, or none of the candidates; false by default: they are refused.
        /// </param>
        /// <param name="answerColumnName">The right answer, which training alone reads.</param>
        /// <param name="outputColumnName">The answers, a vector of text.</param>
        /// <param name="scoreColumnName">Their probabilities among all candidates, a vector of Single.</param>
        /// <exception cref="ArgumentException">The pattern has no gap or several, or the candidates are too few.</exception>
        public static PeftTask FactualProbing(
            string pattern, IReadOnlyList<string>? candidates = null, int answerCount = 10, bool skipLongAnswers = false, string answerColumnName = "Answer",
            string outputColumnName = "PredictedAnswers", string scoreColumnName = "Score")
        {
            ClozePattern.WithMask(pattern);
            ArgumentOutOfRangeException.ThrowIfLessThan(answerCount, 1);
            if (candidates is not null && candidates.Count < answerCount)
                throw new ArgumentException($"{nameof(answerCount)} is {answerCount}, more than the {candidates.Count} candidates.", nameof(answerCount));
            return new FactualProbingTask
            {
                Pattern = pattern,
                Candidates = candidates,
                AnswerCount = answerCount,
                SkipLongAnswers = skipLongAnswers,
                AnswerColumnName = answerColumnName,
                OutputColumnName = outputColumnName,
                ScoreColumnName = scoreColumnName,
            };
        }
    }
}

namespace Microsoft.ML.Peft.Tasks
{
    /// <summary>The tokens that stand in a gap.</summary>
    internal sealed class FactualProbingTask : PeftTask
    {
        public required string Pattern { get; init; }

        public required IReadOnlyList<string>? Candidates { get; init; }

        [NotLearnt]
        public required int AnswerCount { get; init; }

        [NotLearnt]
        public required bool SkipLongAnswers { get; init; }

        [NotLearnt]
        public required string AnswerColumnName { get; init; }

        [NotLearnt]
        public required string OutputColumnName { get; init; }

        [NotLearnt]
        public required string ScoreColumnName { get; init; }

        internal TextColumn AnswerColumn => new(AnswerColumnName, "Answer");

        internal override LabelSet? OwnLabels => LabelSet.None;

        internal override IReadOnlyList<TaskColumn> Inputs => [.. ClozePattern.WithMask(Pattern).Columns.Select(name => new TextColumn(name, "Pattern"))];

        internal override IReadOnlyList<TaskColumn> Labels => [AnswerColumn];

        internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
        [
            SchemaShapes.Column(OutputColumnName, SchemaShape.Column.VectorKind.Vector, TextDataViewType.Instance),
            SchemaShapes.Column(ScoreColumnName, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single),
        ];

        internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) => new FactualProbingRuntime(this, processor, maxLength);
    }

    /// <summary>The likeliest answers of a row, and their probabilities.</summary>
    internal sealed record ProbedAnswers(string[] Texts, float[] Scores);

    internal sealed class FactualProbingRuntime : TaskRuntime<ProbedAnswers>
    {
        private readonly FactualProbingTask _task;
        private readonly ClozeReader _reader;
        private readonly int[] _tokens;
        private readonly Dictionary<int, int> _places;
        private long _skipped;

        public FactualProbingRuntime(FactualProbingTask task, InputProcessor processor, int maxLength) : base(task, LabelSet.None, processor, maxLength)
        {
            (_task, _reader) = (task, new ClozeReader(ClozePattern.WithMask(task.Pattern), Tokenizer, maxLength, task.Writing));
            if (_reader.GoesOn && !_reader.Pattern.EndsInMask)
                throw new ArgumentException($"A decoder reads from left to right, and the pattern '{task.Pattern}' goes on behind the gap: let it end in {{mask}}.", nameof(task.Pattern));
            _tokens = task.Candidates is null ? [.. Tokenizer.Ids.Where(id => !Tokenizer.IsSpecial(id)).Order()] : [.. task.Candidates.Select(Candidate)];
            if (_tokens.GroupBy(id => id).FirstOrDefault(same => same.Count() > 1) is { Key: var twice })
                throw new ArgumentException($"Two candidates are the same token, '{Tokenizer.TokenOf(twice)}'.", nameof(task.Candidates));
            _places = _tokens.Select((id, place) => (id, place)).ToDictionary(token => token.id, token => token.place);
        }

        public override int VirtualTokens => _reader.Pattern.VirtualTokens;

        public override IReadOnlyList<OutputColumn<ProbedAnswers>> Outputs =>
        [
            OutputColumn<ProbedAnswers>.Vector(_task.OutputColumnName, new VectorDataViewType(TextDataViewType.Instance, _task.AnswerCount),
                answers => Array.ConvertAll(answers.Texts, text => text.AsMemory())),
            OutputColumn<ProbedAnswers>.Vector(_task.ScoreColumnName, new VectorDataViewType(NumberDataViewType.Single, _task.AnswerCount), answers => answers.Scores),
        ];

        public override IEnumerable<string> NotesOn(IReadOnlyList<Example> rows) => _skipped == 0 ? [] :
            [$"{_skipped} rows are left out whose answer is not one token{(_task.Candidates is null ? "" : ", or none of the candidates")}."];

        public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
        {
            var columns = _task.Inputs.Cast<TextColumn>().ToDictionary(column => column.Name, column => column.Read(row));
            Func<string>? answer = withLabels ? _task.AnswerColumn.Read(row) : null;
            return OneEach(() =>
            {
                Example example = _reader.Open(name => columns[name]());
                if (answer is null)
                    return example;
                return answer() is { Length: > 0 } text && PlaceOf(text, row.Position) is { } place ? example.With(Fields.Label, [place]) : null;
            });
        }

        public override Head CreateHead(PretrainedModel model) => ClozeHead.Create(model, _task.Writing);

        public override Tensor Answer(Head head, Tensor hidden, Batch batch, ForwardContext context) => ClozeHead.LogitsOf(head, hidden, _tokens, batch, context);

        public override ITaskMetrics CreateMetrics() => new Precision();

        public override IReadOnlyList<ProbedAnswers> Predict(Tensor answer, Batch batch)
        {
            using var scope = NewDisposeScope();
            var (values, places) = answer.to(ScalarType.Float32).softmax(-1).topk(_task.AnswerCount, -1);
            float[] scores = values.cpu().contiguous().data<float>().ToArray();
            string[] texts = Array.ConvertAll(places.cpu().contiguous().data<long>().ToArray(), place => Tokenizer.Decode([_tokens[place]]).Trim());
            return [.. texts.Chunk(_task.AnswerCount).Zip(scores.Chunk(_task.AnswerCount), (own, theirs) => new ProbedAnswers(own, theirs))];
        }

        private int Candidate(string text)
        {
            int[] ids = _reader.Answer(text);
            return ids is [var one] ? one : throw new ArgumentException($"The candidate '{text}' is {_reader.Cut(ids)}, and one token is needed.", nameof(_task.Candidates));
        }

        private int? PlaceOf(string text, long position)
        {
            int[] ids = _reader.Answer(text);
            if (ids is [var one] && _places.TryGetValue(one, out int place))
                return place;
            if (!_task.SkipLongAnswers)
            {
                throw new InvalidOperationException(
                    $"Row {position}: the answer '{text}' is {(ids.Length == 1 ? "none of the candidates" : $"{_reader.Cut(ids)}, and one token is needed")} (skipLongAnswers leaves such rows out).");
            }
            _skipped++;
            return null;
        }

        /// <summary>The share of rows whose answer is the likeliest, or among the ten likeliest.</summary>
        private sealed class Precision : ITaskMetrics
        {
            private const int Ten = 10;
            private long _first, _amongTen, _all;

            public IReadOnlyList<(string Name, double Value)> Result =>
                [(TrainingMetrics.PrecisionAt1, (double)_first / Math.Max(1, _all)), (TrainingMetrics.PrecisionAt10, (double)_amongTen / Math.Max(1, _all))];

            public void Add(Tensor answer, Batch batch)
            {
                using var scope = NewDisposeScope();
                var (_, places) = answer.topk((int)Math.Min(Ten, answer.size(1)), -1);
                Tensor right = places.eq(batch.Labels!.unsqueeze(1));
                _first += right.select(1, 0).sum().item<long>();
                _amongTen += right.any(1).sum().item<long>();
                _all += answer.size(0);
            }
        }
    }
}
