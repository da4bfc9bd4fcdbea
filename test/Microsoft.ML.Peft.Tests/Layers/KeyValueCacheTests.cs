using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Layers;

/// <summary>The rows of a cache in another order, repeated and left out.</summary>
[TestClass]
public sealed class KeyValueCacheTests
{
    private const int Rows = 4, Heads = 2, Tokens = 3, Size = 5;

    [TestMethod]
    public void RowsGoToAnyPlaces()
    {
        for (int map = 0; map < 256; map++)
            Check([map & 3, map >> 2 & 3, map >> 4 & 3, map >> 6]);
    }

    [TestMethod]
    public void FewerAndMoreRowsFollow()
    {
        Check([2]);
        Check([3, 1]);
        Check([0, 0, 1, 1, 2, 2, 3, 3]);
    }

    [TestMethod]
    public void CirclesNeedNoMoreThanOneRowAside()
    {
        IReadOnlyList<RowMove> moves = RowMoves.Of([1, 2, 0, 4, 3, 5, 0]);
        Assert.HasCount(2, moves.Where(move => move.To == RowMoves.Spare));
        Assert.HasCount(6, moves.Where(move => move.To != RowMoves.Spare));
        Assert.IsEmpty(RowMoves.Of([0, 1, 2]));
    }

    private static void Check(long[] rows)
    {
        using var scope = NewDisposeScope();
        using var cache = new KeyValueCache(2);
        cache.Extend(Rows, Tokens, null);
        Tensor[] keys = [rand(Rows, Heads, Tokens, Size), rand(Rows, Heads, Tokens, Size)];
        for (int layer = 0; layer < keys.Length; layer++)
            cache.Append(layer, (keys[layer], -keys[layer]));
        cache.Keep(rows);
        cache.Extend(rows.Length, 1, null);
        Tensor next = rand(rows.Length, Heads, 1, Size);
        for (int layer = 0; layer < keys.Length; layer++)
        {
            Tensor expected = cat([keys[layer].index_select(0, tensor(rows)), next], 2);
            var (allKeys, allValues) = cache.Append(layer, (next, -next));
            TensorAssert.Close(expected, allKeys, 0, 0, $"keys of layer {layer}, rows {string.Join(", ", rows)}");
            TensorAssert.Close(-expected, allValues, 0, 0, $"values of layer {layer}, rows {string.Join(", ", rows)}");
        }
    }
}
