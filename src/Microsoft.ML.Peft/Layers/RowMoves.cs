using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>One copy between rows of a buffer; either may be <see cref="RowMoves.Spare"/>.</summary>
internal readonly record struct RowMove(long From, long To);

/// <summary>Copies that put the rows of a buffer into another order in its own memory, repeats included.</summary>
internal static class RowMoves
{
    /// <summary>A row beside the buffer, for rows that change places.</summary>
    public const long Spare = -1;

    /// <summary>The copies in an order in which no row is overwritten that a later one reads.</summary>
    /// <param name="rows">For each row, the one whose content it takes.</param>
    public static IReadOnlyList<RowMove> Of(long[] rows)
    {
        var moves = new List<RowMove>();
        var sources = new Dictionary<long, long>();
        var readers = new long[rows.Length];
        for (int to = 0; to < rows.Length; to++)
        {
            if (rows[to] == to)
                continue;
            sources[to] = rows[to];
            readers[rows[to]]++;
        }
        var free = new Stack<long>(sources.Keys.Where(row => readers[row] == 0));
        while (sources.Count > 0)
        {
            if (!free.TryPop(out long to))
            {
                // Only circles are left: one row of a circle goes aside, and its one reader takes it from there.
                to = sources.Keys.First();
                moves.Add(new RowMove(to, Spare));
                sources[sources.First(pair => pair.Value == to).Key] = Spare;
            }
            sources.Remove(to, out long from);
            moves.Add(new RowMove(from, to));
            if (from != Spare && --readers[from] == 0 && sources.ContainsKey(from))
                free.Push(from);
        }
        return moves;
    }

    /// <summary>Makes the copies.</summary>
    /// <param name="moves">The copies.</param>
    /// <param name="buffer">[rows, heads, capacity, size]</param>
    /// <param name="length">How much of the capacity holds something.</param>
    public static void Carry(IReadOnlyList<RowMove> moves, Tensor buffer, long length)
    {
        using var scope = NewDisposeScope();
        Tensor used = buffer.narrow(2, 0, length);
        Tensor? spare = null;
        foreach (RowMove move in moves)
        {
            Tensor from = move.From == Spare ? spare! : used.select(0, move.From);
            if (move.To == Spare)
                spare = from.clone();
            else
                used.select(0, move.To).copy_(from);
        }
    }
}
