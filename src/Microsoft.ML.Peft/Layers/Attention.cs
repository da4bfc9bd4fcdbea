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
        Tensor bias = zeros(mask.shape, device: mask.device).masked_fill_(mask.logical_not(), float.NegativeInfinity);
        return bias.unsqueeze(1).unsqueeze(1).MoveToOuterDisposeScope();
    }

    /// <summary>Attends with queries [B, Q, heads·size] over keys and values [B, S, heads·size].</summary>
    /// <returns>[B, Q, heads·size]</returns>
    public static Tensor Attend(Tensor query, Tensor key, Tensor value, int heads, Tensor? mask, DropoutSite? dropout)
    {
        if (dropout is not null)
            return AttentionWithDropout.Apply(query, key, value, heads, mask, dropout);
        using var scope = NewDisposeScope();
        Tensor attended = nn.functional.scaled_dot_product_attention(
            Split(query, heads), Split(key, heads), Split(value, heads), mask!, 0);
        return attended.transpose(1, 2).flatten(2).MoveToOuterDisposeScope();
    }

    private static Tensor Split(Tensor x, int heads) =>
        x.view(x.shape[0], x.shape[1], heads, x.shape[2] / heads).transpose(1, 2);
}
