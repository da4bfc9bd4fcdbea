using Microsoft.ML.Peft.Layers;
using Microsoft.ML.Peft.TestSupport;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Tests.Layers;

[TestClass]
public sealed class RelativePositionsTests
{
    private const int Buckets = 8, Farthest = 20, Heads = 2;

    /// <summary>Each pair of a query and a key has the number of its own distance, near and far, for whole texts, for a few last tokens and for the next one.</summary>
    [TestMethod]
    [DataRow(60, 60, true), DataRow(60, 60, false), DataRow(3, 60, false), DataRow(1, 60, false), DataRow(1, 1, false)]
    public void A_pair_has_the_number_of_its_distance(int queries, int keys, bool bothWays)
    {
        using var scope = NewDisposeScope();
        var weights = new ModelWeights(null, "base", CPU, 0.02, seed: 1);
        var positions = new RelativePositions(weights.Root, Heads, Buckets, Farthest, bothWays);
        Tensor table = weights.All.Single().Value, bias = positions.Bias(queries, keys, ForwardContext.Inference, CPU);
        CollectionAssert.AreEqual(new long[] { 1, Heads, queries, keys }, bias.shape);
        for (int query = 0; query < queries; query++)
        {
            for (int key = 0; key < keys; key++)
                TensorAssert.Close(table[Bucket(key - (keys - queries + query), bothWays)], bias[0, .., query, key], 0, 0, $"{query}, {key}");
        }
    }

    [TestMethod]
    public void The_table_learns_what_each_pair_asks()
    {
        using var scope = NewDisposeScope();
        var weights = new ModelWeights(null, "base", CPU, 0.02, seed: 1);
        var positions = new RelativePositions(weights.Root, Heads, Buckets, Farthest, bothWays: true);
        Tensor table = weights.All.Single().Value.requires_grad_(), asked = rand([1, Heads, 30, 30], ScalarType.Float32);
        BackwardPass.Run((positions.Bias(30, 30, ForwardContext.Inference, CPU) * asked).sum());
        Tensor expected = zeros_like(table);
        for (int query = 0; query < 30; query++)
        {
            for (int key = 0; key < 30; key++)
                expected[Bucket(key - query, bothWays: true)] += asked[0, .., query, key];
        }
        TensorAssert.Close(expected, table.grad!, 1e-4, 1e-4, "gradient");
    }

    // The paper's buckets, written plainly.
    private static int Bucket(int distance, bool bothWays)
    {
        int count = bothWays ? Buckets / 2 : Buckets, exact = count / 2, away = bothWays ? Math.Abs(distance) : Math.Max(0, -distance);
        int near = away < exact ? away : Math.Min(count - 1, exact + (int)(MathF.Log((float)away / exact) / MathF.Log((float)Farthest / exact) * (count - exact)));
        return near + (bothWays && distance > 0 ? count : 0);
    }
}
