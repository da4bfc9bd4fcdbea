using Microsoft.ML.Peft.Data;
using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.Models;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Training;

/// <summary>
/// The parts of a model in which nothing trains (a locked tower). What they say of a row never changes, so it is computed once, and the row then holds it.
/// Their dropout is off. Where nothing in the whole base trains, a <see cref="FeatureCache"/> keeps what the base says.
/// </summary>
internal sealed class StillParts
{
    private readonly BatchRunner _runner;
    private readonly IReadOnlyList<ModelPart> _parts;

    private StillParts(BatchRunner runner, IReadOnlyList<ModelPart> parts) => (_runner, _parts) = (runner, parts);

    /// <param name="runner">Model and task.</param>
    /// <param name="rows">Rows to train on.</param>
    /// <returns>Null where every part trains, or rows change from step to step.</returns>
    public static StillParts? Find(BatchRunner runner, IReadOnlyList<Example> rows)
    {
        if (runner.Model.Model is not IReadsInParts { Parts: var parts } || runner.CanCache(rows) || !runner.RowsStay(rows))
            return null;
        using var scope = NewDisposeScope();
        using Pending<Batch> begun = runner.BeginInputs([rows[0]], withLabels: false);
        using Batch batch = begun.Finish();
        // No gradient flows into what nothing behind it trains.
        ModelPart[] still = [.. parts.Where(part => part.Run(batch, ForwardContext.Inference) is { requires_grad: false })];
        return still.Length == 0 ? null : new StillParts(runner, still);
    }

    /// <summary>Rows that hold what the parts say of them.</summary>
    /// <param name="set">The rows.</param>
    /// <param name="batchSize">Rows in a batch.</param>
    /// <param name="token">Ends it early.</param>
    /// <returns>The rows themselves where that would take too much memory.</returns>
    public IReadOnlyList<Example> Answer(IReadOnlyList<Example> set, int batchSize, CancellationToken token)
    {
        var answered = new Example[set.Count];
        using var noGrad = no_grad();
        IReadOnlyList<int[]> batches = BatchPlanner.ForScoring([.. set.Select(e => e.Length)], _runner.RunsInPieces(batchSize) ? _runner.PieceSize : batchSize);
        IEnumerable<Pending<Batch>> inputs = batches.Select(rows => _runner.BeginInputs(Array.ConvertAll(rows, row => set[row]), withLabels: false));
        foreach (var (rows, begun) in batches.Zip(inputs.OneAhead()))
        {
            token.ThrowIfCancellationRequested();
            using var scope = NewDisposeScope();
            using Batch batch = begun.Finish();
            Tensor[] said = [.. _parts.Select(part => part.Run(batch, ForwardContext.Inference)!)];
            if (said.Sum(part => part.numel()) / rows.Length * set.Count * sizeof(float) > FeatureCache.MostBytes)
                return set;
            Add(answered, rows, batch, said);
        }
        return answered;
    }

    private void Add(Example[] answered, int[] rows, Batch batch, Tensor[] said)
    {
        Example[] examples = [.. batch.Examples];
        foreach (var (part, answers) in _parts.Zip(said))
        {
            float[][] values = [.. answers.to(ScalarType.Float32).cpu().contiguous().data<float>().Chunk((int)answers.size(-1))];
            for (int i = 0; i < examples.Length; i++)
                examples[i] = (part.Replaces is { } read ? examples[i].Without(read) : examples[i]).With(part.Says, values[i]);
        }
        for (int i = 0; i < rows.Length; i++)
            answered[rows[i]] = examples[i];
    }
}
