using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>Scaled dot-product attention over heads (Vaswani et al. 2017), and the masks that it takes.</summary>
internal static class Attention
{
    /// <summary>Makes the additive mask [B, 1, 1, S] of a padding mask [B, S], once a batch: 0 where a key counts, -inf elsewhere.</summary>
    public static Tensor? PaddingMask(Tensor? mask)
    {
        if (mask is null)
            return null;
        using var scope = NewDisposeScope();
        Tensor bias = zeros(mask.shape, ScalarType.Float32, mask.device).masked_fill_(mask.logical_not(), float.NegativeInfinity);
        return bias.unsqueeze(1).unsqueeze(1).MoveToOuterDisposeScope();
    }

    /// <summary>Attends with queries [B, Q, heads·size] over keys and values [B, S, heads·size].</summary>
    /// <returns>[B, Q, heads·size]</returns>
    public static Tensor Attend(Tensor query, Tensor key, Tensor value, int heads, Tensor? mask, DropoutSite? dropout)
    {
        if (dropout is not null)
            return AttentionWithDropout.Apply(query, key, value, heads, mask, dropout);
        using var scope = NewDisposeScope();
        return Attend(Split(query, heads), Split(key, heads), Split(value, heads), mask, triangle: false).MoveToOuterDisposeScope();
    }

    /// <summary>
    /// Attends with queries [B, heads, Q, size] over keys and values [B, groups, K, size]; each group serves as many heads as
    /// there are to one (grouped-query attention, Ainslie et al. 2023).
    /// </summary>
    /// <param name="query">[B, heads, Q, size]</param>
    /// <param name="key">[B, groups, K, size]</param>
    /// <param name="value">[B, groups, K, size]</param>
    /// <param name="mask">Which keys each query sees.</param>
    /// <param name="dropout">On the probabilities.</param>
    /// <returns>[B, Q, heads·size]</returns>
    public static Tensor Attend(Tensor query, Tensor key, Tensor value, CausalMask mask, DropoutSite? dropout)
    {
        if (QueryAttention.Takes(query, key, value, mask.Bias))
            return QueryAttention.Attend(query, key, value, mask.Bias);
        using var scope = NewDisposeScope();
        long heads = query.shape[1], shared = heads / key.shape[1];
        if (shared > 1 && query.shape[2] == 1)
        {
            // One query a head: the heads of a group stand side by side as queries, and nothing is copied.
            Tensor side = query.view(query.shape[0], key.shape[1], shared, query.shape[3]);
            Tensor? bias = mask.Bias is { } given && given.shape[1] == heads ? given.reshape(given.shape[0], key.shape[1], shared, -1) : mask.Bias;
            Tensor found = nn.functional.scaled_dot_product_attention(side, key, value, bias!);
            return found.view(query.shape[0], 1, -1).MoveToOuterDisposeScope();
        }
        if (shared > 1)
            (key, value) = (Repeat(key, shared), Repeat(value, shared));
        Tensor attended = dropout is null
            ? Attend(query, key, value, mask.Bias, mask.IsTriangle)
            : AttentionWithDropout.Apply(Join(query), Join(key), Join(value), (int)heads, mask.Bias, dropout);
        return attended.MoveToOuterDisposeScope();
    }

    /// <summary>[B, S, heads·size] as [B, heads, S, size].</summary>
    public static Tensor Split(Tensor x, int heads) =>
        x.size(1) == 1 ? x.view(x.size(0), heads, 1, x.size(2) / heads) : x.view(x.size(0), x.size(1), heads, x.size(2) / heads).transpose(1, 2);

    private static Tensor Attend(Tensor query, Tensor key, Tensor value, Tensor? mask, bool triangle) =>
        Join(nn.functional.scaled_dot_product_attention(query, key, value, mask!, 0, triangle));

    private static Tensor Join(Tensor x) => x.transpose(1, 2).flatten(2);

    private static Tensor Repeat(Tensor x, long times) =>
        x.unsqueeze(2).expand(-1, -1, times, -1, -1).reshape(x.shape[0], x.shape[1] * times, x.shape[2], x.shape[3]);
}
