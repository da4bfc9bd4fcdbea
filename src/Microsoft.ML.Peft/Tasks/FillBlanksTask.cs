using Microsoft.ML.Data;
using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Generation;
using Microsoft.ML.Peft.Hosting;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Tasks;
using Microsoft.ML.Peft.Training;

namespace Microsoft.ML.Peft
{
    public abstract partial class PeftTask
    {
        /// <summary>
        /// Fills the blanks of texts ([MASK] for some words, [sMASK] for sentences, [gMASK] for the end of a text), one after another, each by what stands on both its
        /// sides and in the blanks before it: a model that fills blanks (GLM) does so untrained, or learns from texts whose pieces are given.
        /// </summary>
        /// <param name="textColumnName">The text with its blanks.</param>
        /// <param name="answersColumnName">What belongs into each blank, in order, a vector of texts; or one text. Scoring does not read it.</param>
        /// <param name="outputColumnName">The filled text.</param>
        /// <param name="piecesColumnName">The pieces that fill the blanks, a vector of texts.</param>
        /// <param name="offsetsColumnName">Where each piece begins in the filled text, in characters, a vector of Int32.</param>
        /// <param name="generation">How it writes; null (the default) for what the model's folder says.</param>
        /// <exception cref="ArgumentException">A setting of <paramref name="generation"/> is out of range, does not go with the others, or asks for several texts.</exception>
        public static PeftTask FillBlanks(
            string textColumnName = "Text", string answersColumnName = "Answers", string outputColumnName = "FilledText", string piecesColumnName = "Pieces",
            string offsetsColumnName = "PieceOffsets", GenerationOptions? generation = null)
        {
            if (generation?.NumReturnSequences is > 1 and var count)
                throw new ArgumentException($"{nameof(GenerationOptions.NumReturnSequences)} is {count}, and a text is filled in one way: later blanks go on from it.", nameof(generation));
            return new FillBlanksTask
            {
                TextColumnName = textColumnName,
                AnswersColumnName = answersColumnName,
                OutputColumnName = outputColumnName,
                PiecesColumnName = piecesColumnName,
                OffsetsColumnName = offsetsColumnName,
                Generation = Checked(generation),
            };
        }
    }
}

namespace Microsoft.ML.Peft.Tasks
{
    /// <summary>Texts with blanks.</summary>
    internal sealed class FillBlanksTask : GenerationTask
    {
        [NotLearnt]
        public required string TextColumnName { get; init; }

        [NotLearnt]
        public required string AnswersColumnName { get; init; }

        [NotLearnt]
        public required string PiecesColumnName { get; init; }

        [NotLearnt]
        public required string OffsetsColumnName { get; init; }

        internal TextColumn Text => new(TextColumnName, "Text");

        internal TextsColumn Answers => new(AnswersColumnName, "Answers");

        internal override IReadOnlyList<TaskColumn> Inputs => [Text];

        internal override IReadOnlyList<TaskColumn> Labels => [Answers];

        // Without training too it knows what to do.
        internal override LabelSet? OwnLabels => LabelSet.None;

        internal override IEnumerable<SchemaShape.Column> OutputShape(SchemaShape schema) =>
        [
            SchemaShapes.Column(OutputColumnName, SchemaShape.Column.VectorKind.Scalar, TextDataViewType.Instance),
            SchemaShapes.Column(PiecesColumnName, SchemaShape.Column.VectorKind.VariableVector, TextDataViewType.Instance),
            SchemaShapes.Column(OffsetsColumnName, SchemaShape.Column.VectorKind.VariableVector, NumberDataViewType.Int32),
        ];

        internal override TaskRuntime Bind(LabelSet labels, InputProcessor processor, int maxLength) => new Runtime(this, processor, maxLength);

        private sealed class Runtime(FillBlanksTask task, InputProcessor processor, int maxLength) : BlankRuntime<FilledText>(task, processor, maxLength), IStreamsBlanks
        {
            public override Func<IReadOnlyList<Example>> CreateReader(DataViewRow row, bool withLabels)
            {
                Func<string> text = task.Text.Read(row);
                Func<string[]>? answers = withLabels ? task.Answers.Read(row) : null;
                return OneEach(() =>
                {
                    string where = $"Row {row.Position}: column '{task.TextColumnName}'";
                    Example context = Reader.Read(text(), where);
                    if (answers?.Invoke() is not { } pieces)
                        return context;
                    int blanks = context.CountOf(BlankFields.Blanks);
                    return pieces.Length == blanks ? Reader.Learnt(context, pieces) : throw new InvalidOperationException(
                        $"{where} has {blanks} blanks, and column '{task.AnswersColumnName}' {pieces.Length} texts: there must be as many.");
                });
            }

            public override IReadOnlyList<OutputColumn<FilledText>> Outputs =>
            [
                OutputColumn<FilledText>.Of(task.OutputColumnName, TextDataViewType.Instance, filled => filled.Text.AsMemory()),
                OutputColumn<FilledText>.Vector(task.PiecesColumnName, new VectorDataViewType(TextDataViewType.Instance), filled => Array.ConvertAll(filled.Pieces, piece => piece.AsMemory())),
                OutputColumn<FilledText>.Vector(task.OffsetsColumnName, new VectorDataViewType(NumberDataViewType.Int32), filled => filled.Offsets),
            ];

            public override IReadOnlyList<FilledText> Score(TunedModel model, Batch batch, ForwardContext context) =>
                [.. batch.Examples.Zip(Fill(model, batch, context), (row, pieces) => Filled(row, pieces).Finish())];

            /// <inheritdoc/>
            public Example ReadForStream(string text) => Settings.NumBeams == 1 ? Reader.Read(text, "The text") : throw new ArgumentException(
                $"{nameof(GenerationOptions.NumBeams)} is {Settings.NumBeams}: a stream has no beams, of which nothing is sure before the end.");

            /// <inheritdoc/>
            public void Stream(TunedModel model, Batch row, ForwardContext context, Action<BlankUpdate> write, CancellationToken token)
            {
                var filled = new FilledTextBuilder(row.Examples[0]);
                int open = -1;
                Stream(model, row, context, (blank, piece) =>
                {
                    for (; open < blank; open++)
                        filled.Next();
                    var (text, offset) = filled.Add(piece.Text);
                    if (text.Length > 0 || piece.End is not null)
                        write(new BlankUpdate { Blank = blank, Text = text, Offset = offset, IsLast = piece.End is not null });
                }, token);
            }
        }
    }
}
