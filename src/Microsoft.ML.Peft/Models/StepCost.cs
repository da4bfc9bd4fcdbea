using Microsoft.ML.Peft.Layers;

namespace Microsoft.ML.Peft.Models;

/// <summary>What a training step on a batch costs besides weights and head.</summary>
/// <param name="Blocks">Block by block.</param>
/// <param name="Shared">Floats that all blocks share: embeddings, masks.</param>
internal sealed record StepCost(IReadOnlyList<BlockCost> Blocks, long Shared)
{
    /// <summary>The cost of blocks of which the last one computes the positions alone that the head reads.</summary>
    /// <param name="layers">The blocks.</param>
    /// <param name="shape">The batch.</param>
    /// <param name="shared">Floats that they share.</param>
    /// <param name="cost">A block's cost, from the positions that it computes in all rows and in one.</param>
    public static StepCost Of<T>(IReadOnlyList<T> layers, BatchShape shape, long shared, Func<T, long, BlockCost> cost) =>
        new([.. layers.Select((layer, i) => cost(layer, i == layers.Count - 1 ? shape.Read : shape.Length))], shared);
}
