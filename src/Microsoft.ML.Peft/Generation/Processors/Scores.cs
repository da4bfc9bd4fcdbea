using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Generation.Processors;

/// <summary>What several rules do to scores.</summary>
internal static class Scores
{
    /// <summary>The scores without the tokens that are true in <paramref name="unwanted"/>.</summary>
    public static Tensor Without(this Tensor scores, Tensor unwanted) => scores.masked_fill(unwanted, float.NegativeInfinity);

    /// <summary>The scores without single tokens of single rows; those outside the vocabulary are none of it.</summary>
    public static Tensor Without(this Tensor scores, IEnumerable<(int Row, int Token)> unwanted)
    {
        long size = scores.size(1);
        long[] places = [.. unwanted.Where(place => place.Token < size).Select(place => place.Row * size + place.Token)];
        return places.Length == 0 ? scores : scores.flatten().index_fill(0, tensor(places, ScalarType.Int64, scores.device), float.NegativeInfinity).view_as(scores);
    }

    /// <summary>Makes all but the likeliest tokens go below a cutoff, so that one stays whatever the cutoff.</summary>
    public static Tensor WithoutBelow(this Tensor scores, Tensor probabilities, Tensor cutoff) =>
        scores.Without((probabilities < cutoff) & (scores < scores.amax([-1], keepdim: true)));
}
