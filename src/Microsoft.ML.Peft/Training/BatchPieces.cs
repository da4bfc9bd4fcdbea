using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training;

/// <summary>
/// The rows of a batch in pieces, so that a loss over all of them takes the memory of one (gradient caching, Gao et al. 2021): each piece is answered
/// without a graph, the loss gives the gradients of the answers, and each piece is run once more, with a graph, and takes its own.
/// </summary>
internal sealed class BatchPieces
{
    private readonly BatchRunner _runner;
    private readonly IReadOnlyList<Example> _all;
    private readonly Piece[] _pieces;

    /// <param name="runner">Model and task, and the size of a piece.</param>
    /// <param name="prepared">The rows as the task prepared them.</param>
    /// <param name="set">The data set that they are of.</param>
    /// <param name="rows">Their numbers in it.</param>
    /// <param name="context">The call.</param>
    public BatchPieces(BatchRunner runner, IReadOnlyList<Example> prepared, IReadOnlyList<Example> set, int[] rows, ForwardContext context)
    {
        (_runner, _all) = (runner, prepared);
        _pieces = [.. prepared.Zip(rows).Chunk(runner.PieceSize).Select(piece => new Piece(
            Array.ConvertAll(piece, row => row.First), runner, set, Array.ConvertAll(piece, row => row.Second), context))];
    }

    /// <summary>The answers of all rows [B, ...], without a graph.</summary>
    public Tensor Answer()
    {
        using var noGrad = no_grad();
        using var scope = NewDisposeScope();
        return cat([.. Begun().Select(piece => piece.First.Run(piece.Second, answer => answer)!)], 0).MoveToOuterDisposeScope();
    }

    /// <summary>Forward and backward pass of all rows: gradients add up, unless the loss is not finite.</summary>
    /// <returns>The loss summed over what it counts, and how many that were.</returns>
    public (double Sum, long Count) Learn()
    {
        using var scope = NewDisposeScope();
        Tensor answers = Answer().requires_grad_();
        using var rows = new Batch { Examples = _all };
        (double sum, long count) = _runner.LearnFrom(answers, rows);
        if (answers.grad is not { } gradient)
            return (sum, count);
        long first = 0;
        foreach (var (piece, batch) in Begun())
        {
            Tensor own = gradient.narrow(0, first, piece.Count);
            piece.Run(batch, answer =>
            {
                if (answer.requires_grad)
                    BackwardPass.Run(answer, own);
                return null;
            });
            BatchRunner.CollectDelegates();
            first += piece.Count;
        }
        return (sum, count);
    }

    private IEnumerable<(Piece First, Pending<Batch> Second)> Begun() => _pieces.Zip(_pieces.Select(piece => piece.Begin()).OneAhead());

    /// <summary>Some rows of the batch. Dropout draws the same whenever they are run.</summary>
    private sealed class Piece(IReadOnlyList<Example> rows, BatchRunner runner, IReadOnlyList<Example> set, int[] numbers, ForwardContext context)
    {
        private Func<Batch, Tensor>? _answer;

        public int Count => rows.Count;

        public Pending<Batch> Begin() => runner.Begin(rows, withLabels: true);

        /// <summary>Runs the rows; what they leave is gone afterwards, but for what is made of their answer.</summary>
        public Tensor? Run(Pending<Batch> begun, Func<Tensor, Tensor?> use)
        {
            using var scope = NewDisposeScope();
            using Batch batch = begun.Finish();
            // From here on the first run draws, and every other again.
            _answer ??= context.Seeds?.Replaying<Batch, Tensor>(Answer) ?? Answer;
            return use(_answer(batch))?.MoveToOuterDisposeScope();
        }

        private Tensor Answer(Batch batch) => runner.Answer(batch, set, numbers, context);
    }
}
