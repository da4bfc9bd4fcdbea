using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Tokenization;
using Microsoft.ML.Peft.Training;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft
{
    public abstract partial class PeftTask
    {
        /// <summary>
        /// Answers a question with a part of a text (extractive question answering, SQuAD). A context that is longer than the model reads is read in windows
        /// that overlap, and the best answers of all of them count.
        /// </summary>
        /// <param name="contextColumnName">The text that holds the answer. It must not be empty.</param>
        /// <param name="questionColumnName">The question; it stands in every window and is not cut.</param>
        /// <param name="trainingAnswerColumnName">The right answer as it stands in the context; scoring does not read it. See <paramref name="allowNoAnswer"/> for an empty one.</param>
        /// <param name="answerIndexColumnName">
        /// Where the right answer begins in the context, an Int32: in characters of .NET, units of UTF-16. Files of SQuAD count code points, which
        /// <see cref="SquadFile"/> converts.
        /// </param>
        /// <param name="predictedAnswerColumnName">The best answers, a vector of <paramref name="topK"/> texts, the best first; an empty text where there is none.</param>
        /// <param name="scoreColumnName">
        /// A vector of Single: the probability of each of those answers among the 20 best of all windows, by the softmax of the sums of their start and end logits.
        /// </param>
        /// <param name="predictedIndexColumnName">A vector of Int32: where each of those answers begins in the context, in units of UTF-16; -1 where there is none.</param>
        /// <param name="topK">Answers to give, 1 to 20. Default 3.</param>
        /// <param name="stride">Tokens that a window shares with the one before it. Default 128.</param>
        /// <param name="maxAnswerLength">Tokens of an answer at most. Default 30.</param>
        /// <param name="allowNoAnswer">
        /// Whether a context may lack the answer (SQuAD 2.0): an empty right answer is then learnt as none, and none is one of the answers given. False by default:
        /// rows with an empty right answer are skipped.
        /// </param>
        /// <param name="noAnswerThreshold">By how much the score of no answer must exceed the best answer's to come before it. Default 0.</param>
        /// <exception cref="ArgumentException">A number is out of range.</exception>
        public static PeftTask QuestionAnswer(
            string contextColumnName = "Context", string questionColumnName = "Question", string trainingAnswerColumnName = "TrainingAnswer",
            string answerIndexColumnName = "AnswerIndex", string predictedAnswerColumnName = "Answer", string scoreColumnName = "Score",
            string predictedIndexColumnName = "PredictedIndex", int topK = 3, int stride = 128, int maxAnswerLength = 30, bool allowNoAnswer = false,
            double noAnswerThreshold = 0)
        {
            ArgumentOutOfRangeException.ThrowIfLessThan(topK, 1);
            ArgumentOutOfRangeException.ThrowIfGreaterThan(topK, FoundAnswers.Compared);
            ArgumentOutOfRangeException.ThrowIfLessThan(stride, 0);
            ArgumentOutOfRangeException.ThrowIfLessThan(maxAnswerLength, 1);
            if (!double.IsFinite(noAnswerThreshold))
                throw new ArgumentOutOfRangeException(nameof(noAnswerThreshold), noAnswerThreshold, "It must be a finite number.");
            return new QuestionAnswerTask
            {
                ContextColumnName = contextColumnName,
                QuestionColumnName = questionColumnName,
                TrainingAnswerColumnName = trainingAnswerColumnName,
                AnswerIndexColumnName = answerIndexColumnName,
                PredictedAnswerColumnName = predictedAnswerColumnName,
                ScoreColumnName = scoreColumnName,
                PredictedIndexColumnName = predictedIndexColumnName,
                TopK = topK,
                Stride = stride,
                MaxAnswerLength = maxAnswerLength,
                AllowNoAnswer = allowNoAnswer,
                NoAnswerThreshold = noAnswerThreshold,
            };
        }
    }
}

namespace Microsoft.ML.Peft.Tasks
{
    /// <summary>Extractive question answering: where in a context an answer stands.</summary>
    internal sealed class QuestionAnswerTask : PeftTask
    {
        [NotLearnt]
        public required string ContextColumnName { get; init; }

        [NotLearnt]
        public required string QuestionColumnName { get; init; }

        [NotLearnt]
        public required string TrainingAnswerColumnName { get; init; }

        [NotLearnt]
        public required string AnswerIndexColumnName { get; init; }

        [NotLearnt]
        public required string PredictedAnswerColumnName { get; init; }

        [NotLearnt]
        public required string ScoreColumnName { get; init; }

        [NotLearnt]
        public required string PredictedIndexColumnName { get; init; }

        [NotLearnt]
        public required int TopK { get; init; }

        public required int Stride { get; init; }

        // What is given as an answer is what a validation set is judged by.
        public required int MaxAnswerLength { get; init; }

        public required bool AllowNoAnswer { get; init; }

        public required double NoAnswerThreshold { get; init; }

        internal override string PeftTaskType => "QUESTION_ANS";

        internal override string HeadKind => "ForQuestionAnswering";

        internal TextColumn Context => new(ContextColumnName, "Context");

        internal TextColumn Question => new(QuestionColumnName, "Question");

        internal TextColumn TrainingAnswer => new(TrainingAnswerColumnName, "Answer");

        internal NumberColumn AnswerIndex => new(AnswerIndexColumnName, "Answer index");

        internal override IReadOnlyList<TaskColumn> Inputs => [Context, Question];

        internal override IReadOnlyList<TaskColumn> Labels => [TrainingAnswer, AnswerIndex];

        internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
        [
            SchemaShapes.Column(PredictedAnswerColumnName, SchemaShape.Column.VectorKind.Vector, TextDataViewType.Instance),
            SchemaShapes.Column(ScoreColumnName, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Single),
            SchemaShapes.Column(PredictedIndexColumnName, SchemaShape.Column.VectorKind.Vector, NumberDataViewType.Int32),
        ];

        internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) => new QuestionAnswerRuntime(this, processor, maxLength);
    }

    /// <summary>Reads questions in windows, and finds the best spans.</summary>
    internal sealed class QuestionAnswerRuntime(QuestionAnswerTask task, InputProcessor processor, int maxLength)
        : TaskRuntime<FoundAnswers>(task, LabelSet.None, processor, maxLength)
    {
        public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
        {
            Func<string> context = task.Context.Read(row), question = task.Question.Read(row);
            Func<string>? answer = withLabels ? task.TrainingAnswer.Read(row) : null;
            Func<int>? index = withLabels ? task.AnswerIndex.Read(row) : null;
            return () =>
            {
                string text = context();
                if (answer?.Invoke() is not { } right)
                    return Windows(text, question(), row.Position);
                if (right.Length == 0 && !task.AllowNoAnswer)
                    return [];
                CharacterSpan? span = right.Length == 0 ? null : Place(text, right, index!(), row.Position);
                return Learnt([.. Windows(text, question(), row.Position)], right, span, row.Position);
            };
        }

        public override Head CreateHead(PretrainedModel model) => model.As<IQuestionAnswerer>().CreateQuestionAnsweringHead();

        public override (Tensor Sum, long Count) Loss(Tensor answer, Batch batch) => (
            AnswerSpans.LossSum(answer, batch[WindowFields.First.TensorName]!, batch[WindowFields.Last.TensorName]!, batch.Mask), batch.Examples.Count);

        public override ITaskMetrics CreateMetrics() => new AnswerMetrics(this);

        public override IReadOnlyList<OutputColumn<FoundAnswers>> Outputs =>
        [
            OutputColumn<FoundAnswers>.Vector(task.PredictedAnswerColumnName, new VectorDataViewType(TextDataViewType.Instance, task.TopK),
                found => Given(found, (answer, _) => answer.Text.AsMemory(), ReadOnlyMemory<char>.Empty)),
            OutputColumn<FoundAnswers>.Vector(task.ScoreColumnName, new VectorDataViewType(NumberDataViewType.Single, task.TopK),
                found => Given(found, (_, probability) => probability, 0)),
            OutputColumn<FoundAnswers>.Vector(task.PredictedIndexColumnName, new VectorDataViewType(NumberDataViewType.Int32, task.TopK),
                found => Given(found, (answer, _) => answer.Start, -1)),
        ];

        public override IReadOnlyList<FoundAnswers> Predict(Tensor answer, Batch batch)
        {
            using var scope = NewDisposeScope();
            float[] starts = Side(0), ends = Side(1);
            int width = (int)answer.size(1);
            return [.. batch.Examples.Select((example, row) => Find(example, starts.AsSpan(row * width, example.Length), ends.AsSpan(row * width, example.Length)))];

            float[] Side(int side) => answer.select(-1, side).to(ScalarType.Float32).cpu().contiguous().data<float>().ToArray();
        }

        public override FoundAnswers Join(IReadOnlyList<FoundAnswers> parts) => FoundAnswers.Join(parts);

        /// <summary>All answers that are compared, none among them where that is one, the best first.</summary>
        public IReadOnlyList<FoundAnswer> Ranked(FoundAnswers found) => task.AllowNoAnswer
            ? [.. found.Best.Append(new FoundAnswer("", -1, found.None - (float)task.NoAnswerThreshold)).OrderByDescending(answer => answer.Score)]
            : found.Best;

        private IReadOnlyList<Example> Windows(string context, string question, long row)
        {
            string where = $"Row {row}: column '{task.ContextColumnName}'";
            if (string.IsNullOrWhiteSpace(context))
                throw new InvalidOperationException($"{where} is empty: an answer is a part of it.");
            PairWindows cut = Tokenizer.EncodeWindows(question, context, MaxLength, task.Stride);
            if (cut.Windows.Count == 0)
            {
                throw new InvalidOperationException(
                    $"Row {row}: the question in column '{task.QuestionColumnName}' has {cut.First} tokens, which leaves room for {Math.Max(0, cut.Room)} of the context's in "
                    + $"a row of {MaxLength} ({nameof(ModelOptions.MaxLength)}), where windows share {task.Stride} (stride).");
            }
            return cut.Windows.All(window => !window.Sequence!.Contains((byte)1))
                ? throw new InvalidOperationException($"{where} holds no token: the tokenizer makes nothing of '{context}'.")
                : [.. cut.Windows.Select(window => Window(window, context))];
        }

        // Positions that are read are named: what a tuner puts before the tokens is no part of an answer.
        private static Example Window(Encoding encoding, string context)
        {
            int[] starts = Places(encoding.Starts), ends = Places(encoding.Ends);
            int from = starts.Where(start => start >= 0).Min(), to = ends.Max();
            return Example.From(encoding, [.. Enumerable.Range(0, encoding.Length)])
                .With(WindowFields.Starts, starts).With(WindowFields.Ends, ends)
                .With(WindowFields.Context, context[from..to].ToCharArray()).With(WindowFields.Offset, [from]);

            int[] Places(int[] offsets) => [.. offsets.Select((offset, i) => encoding.Sequence![i] == 1 ? offset : -1)];
        }

        private CharacterSpan Place(string context, string answer, int index, long row)
        {
            if (index >= 0 && index <= context.Length - answer.Length && string.CompareOrdinal(context, index, answer, 0, answer.Length) == 0)
            {
                int blanks = answer.Length - answer.TrimStart().Length;
                return new(index + blanks, index + answer.TrimEnd().Length);
            }
            string found = index < 0 || index >= context.Length ? "which is beyond it" : $"where it has '{context[index..Math.Min(context.Length, index + answer.Length)]}'";
            int place = SquadFile.OffsetOf(context, index);
            string hint = place != index && place >= 0 && string.CompareOrdinal(context, place, answer, 0, answer.Length) == 0
                ? $" It stands there counted in code points, as SQuAD's files do: {nameof(SquadFile)} converts them." : "";
            throw new InvalidOperationException(
                $"Row {row}: the answer '{answer}' does not stand in column '{task.ContextColumnName}' at {index} (column '{task.AnswerIndexColumnName}'), {found}.{hint}");
        }

        private IReadOnlyList<Example> Learnt(Example[] windows, string answer, CharacterSpan? span, long row)
        {
            (int First, int Last)[] places = [.. windows.Select(window => span is { } place ? TokensOf(window, place) : (-1, -1))];
            if (span is not null && places.All(place => place.First < 0))
                return [Example.CutOff];
            // A window without the answer learns to say so, at the token that stands for the whole.
            return [.. windows.Zip(places, (window, place) => window
                .With(WindowFields.First, [Math.Max(0, place.First)]).With(WindowFields.Last, [Math.Max(0, place.Last)])
                .With(WindowFields.Right, answer.ToCharArray()).With(WindowFields.Row, [row]))];
        }

        // The tokens that the answer touches, where the window has all of it; -1 where it has not.
        private static (int First, int Last) TokensOf(Example window, CharacterSpan span)
        {
            int[] starts = window.Get(WindowFields.Starts), ends = window.Get(WindowFields.Ends);
            int first = Array.FindIndex(ends, end => end > span.Start), last = Array.FindLastIndex(starts, start => start >= 0 && start < span.End);
            return first >= 0 && last >= first && starts[first] <= span.Start && ends[last] >= span.End ? (first, last) : (-1, -1);
        }

        private FoundAnswers Find(Example window, ReadOnlySpan<float> starts, ReadOnlySpan<float> ends)
        {
            int[] from = window.Get(WindowFields.Starts), to = window.Get(WindowFields.Ends);
            char[] context = window.Get(WindowFields.Context);
            int offset = window.Get(WindowFields.Offset)[0];
            var best = AnswerSpans.Best(starts, ends, token => to[token] > from[token], task.MaxAnswerLength, FoundAnswers.Compared);
            return new([.. best.Select(span => new FoundAnswer(
                new string(context, from[span.First] - offset, to[span.Last] - from[span.First]), from[span.First], span.Score))], starts[0] + ends[0]);
        }

        private T[] Given<T>(FoundAnswers found, Func<FoundAnswer, float, T> read, T missing)
        {
            IReadOnlyList<FoundAnswer> ranked = Ranked(found);
            double[] weights = [.. ranked.Select(answer => Math.Exp(answer.Score - ranked[0].Score))];
            double sum = weights.Sum();
            return [.. Enumerable.Range(0, task.TopK).Select(i => i < ranked.Count ? read(ranked[i], (float)(weights[i] / sum)) : missing)];
        }

        /// <summary>Characters of a context, without the last.</summary>
        private readonly record struct CharacterSpan(int Start, int End);

        /// <summary>Exact match and F1 of the best answer of all windows of a row.</summary>
        private sealed class AnswerMetrics(QuestionAnswerRuntime runtime) : ITaskMetrics
        {
            private readonly Dictionary<long, (string Right, FoundAnswers Found)> _rows = [];

            public void Add(Tensor answer, Batch batch)
            {
                foreach (var (window, found) in batch.Examples.Zip(runtime.Predict(answer, batch)))
                {
                    long row = window.Get(WindowFields.Row)[0];
                    _rows[row] = _rows.TryGetValue(row, out var known)
                        ? known with { Found = FoundAnswers.Join([known.Found, found]) }
                        : (new string(window.Get(WindowFields.Right)), found);
                }
            }

            public IReadOnlyList<(string Name, double Value)> Result
            {
                get
                {
                    SquadScore score = _rows.Count == 0 ? new(0, 0) : TextMetrics.Squad(
                        [.. _rows.Values.Select(row => runtime.Ranked(row.Found) is [var best, ..] ? best.Text : "")],
                        [.. _rows.Values.Select(row => (IReadOnlyList<string>)[row.Right])]);
                    return [(TrainingMetrics.ExactMatch, score.ExactMatch), (TrainingMetrics.F1, score.F1)];
                }
            }
        }
    }

    /// <summary>What the windows of a question bring beside their tokens.</summary>
    internal static class WindowFields
    {
        /// <summary>The first token of the right answer.</summary>
        public static readonly Field<int> First = new("start_positions", Collation.Scalar) { IsLabel = true };

        /// <summary>Its last token.</summary>
        public static readonly Field<int> Last = new("end_positions", Collation.Scalar) { IsLabel = true };

        /// <summary>Where each token of the context begins in it, in characters; -1 for other tokens.</summary>
        public static readonly Field<int> Starts = new("token_starts", Collation.None);

        /// <summary>The character behind each of those tokens.</summary>
        public static readonly Field<int> Ends = new("token_ends", Collation.None);

        /// <summary>The characters of the window's part of the context.</summary>
        public static readonly Field<char> Context = new("context", Collation.None) { IsNote = true };

        /// <summary>Where that part begins.</summary>
        public static readonly Field<int> Offset = new("context_offset", Collation.None) { IsNote = true };

        /// <summary>The right answer's characters, for metrics.</summary>
        public static readonly Field<char> Right = new("answer", Collation.None) { IsNote = true };

        /// <summary>The row that the window is one of.</summary>
        public static readonly Field<long> Row = new("row", Collation.None) { IsNote = true };
    }
}
