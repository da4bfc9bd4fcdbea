using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>A table of absolute positions, which bounds how long a row may be.</summary>
/// <param name="scope">The module.</param>
/// <param name="entries">Rows.</param>
/// <param name="width">Columns.</param>
/// <param name="first">The row of the first position: those before are never reached.</param>
internal sealed class PositionEmbedding(WeightScope scope, long entries, long width, int first = 0)
{
    private readonly TokenEmbedding _table = new(scope, entries, width);

    /// <param name="positions">Rows of the table [B or 1, S].</param>
    /// <param name="input">What entered. Positions that its mask hides may lie beyond the table: those behind a text in a batch with longer prompts.</param>
    /// <param name="before">Keys that stand before the rows.</param>
    /// <param name="context">The call.</param>
    /// <returns>[B or 1, S, width]</returns>
    /// <exception cref="InvalidOperationException">A row is longer than the table.</exception>
    public Tensor Forward(Tensor positions, ModelInput input, long before, ForwardContext context)
    {
        if (first + before + input.Length <= entries)
            return _table.Forward(positions, context);
        using var scope = NewDisposeScope();
        Tensor real = input.Mask is { } mask ? positions.masked_fill(mask.logical_not(), 0) : positions;
        long length = real.amax().item<long>() + 1 - first, most = entries - first;
        return length <= most ? _table.Forward(positions.clamp_max(entries - 1), context).MoveToOuterDisposeScope() : throw new InvalidOperationException(
            $"A row has {length} positions, those of virtual tokens included, and the model {most}: texts have to be cut earlier.");
    }
}
