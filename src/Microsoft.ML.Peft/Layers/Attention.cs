using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>Scaled dot-product attention over heads (Vaswani et al. 2017).</summary>
internal static class Attention
{
    /// <summary>
    /// Attends with queries [B, heads, Q, size] over keys and values [B, groups, K, size]; each group serves as many heads as
    /// there are to one (grouped-query attention, Ainslie et al. 2023).
    /// </summary>
    /// <param name="query">[B, heads, Q, size]</param>
    /// <param name="key">[B, groups, K, size]</param>
    /// <param name="value">[B, groups, K, size]</param>
    /// <param name="mask">Which keys each query sees; null for all.</param>
    /// <param name="dropout">On the probabilities.</param>
    /// <param name="gain">What scores are multiplied with beside the usual 1/√size.</param>
    /// <returns>[B, Q, heads·size]</returns>
    /// <exception cref="NotSupportedException">Something is dropped, and the mask is a triangle that was not written out.</exception>
    public static Tensor Attend(Tensor query, Tensor key, Tensor value, AttentionMask? mask, DropoutSite? dropout, double gain = 1)
    {
        Tensor? bias = mask?.Bias;
        bool triangle = mask?.IsTriangle == true;
        if (triangle && dropout is not null)
            throw new NotSupportedException("Attention with dropout knows no plain triangle: the mask must be written out.");
        double scale = gain / Math.Sqrt(query.size(3));
        if (QueryAttention.Takes(query, key, value, bias))
            return QueryAttention.Attend(query, key, value, bias, scale);
        using var scope = NewDisposeScope();
        // The library's own attention takes the usual scale alone.
        if (gain != 1 && dropout is null)
            query = query * gain;
        long heads = query.size(1), shared = heads / key.size(1);
        if (shared > 1 && query.size(2) == 1)
        {
            // One query a head: the heads of a group stand side by side as queries, and nothing is copied.
            Tensor side = query.view(query.size(0), key.size(1), shared, query.size(3));
            if (bias is { } given && given.size(1) == heads)
                bias = given.reshape(given.size(0), key.size(1), shared, -1);
            Tensor found = nn.functional.scaled_dot_product_attention(side, key, value, bias!);
            return found.view(query.size(0), 1, -1).MoveToOuterDisposeScope();
        }
        if (shared > 1)
            (key, value) = (Repeat(key, shared), Repeat(value, shared));
        Tensor attended = dropout is null
            ? Join(nn.functional.scaled_dot_product_attention(query, key, value, bias!, 0, triangle))
            : AttentionWithDropout.Apply(Join(query), Join(key), Join(value), (int)heads, bias, dropout, scale);
        return attended.MoveToOuterDisposeScope();
    }

    /// <summary>[B, S, heads·size] as [B, heads, S, size].</summary>
    public static Tensor Split(Tensor x, int heads) =>
        x.size(1) == 1 ? x.view(x.size(0), heads, 1, x.size(2) / heads) : x.view(x.size(0), x.size(1), heads, x.size(2) / heads).transpose(1, 2);

    private static Tensor Join(Tensor x) => x.transpose(1, 2).flatten(2);

    private static Tensor Repeat(Tensor x, long times) =>
        x.unsqueeze(2).expand(-1, -1, times, -1, -1).reshape(x.size(0), x.size(1) * times, x.size(2), x.size(3));
}
