using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>Attention of one query a head where nothing trains: a decoder's next token, over the cache as it lies.</summary>
internal static class QueryAttention
{
    public static bool Takes(Tensor query, Tensor key, Tensor value, Tensor? mask) =>
        query.size(2) == 1 && !(is_grad_enabled() && (query.requires_grad || key.requires_grad || value.requires_grad))
        && PeftNative.Takes(query) && PeftNative.Takes(key) && IsDense(key) && key.stride(0) == value.stride(0) && key.stride(1) == value.stride(1) && IsDense(value)
        && (mask is null || (PeftNative.Takes(mask) && Fits(mask, query, key)));

    /// <param name="query">[B, heads, 1, size]</param>
    /// <param name="key">[B, groups, K, size]</param>
    /// <param name="value">[B, groups, K, size], laid out as the keys.</param>
    /// <param name="mask">[B or 1, heads or 1, 1, K], added to the scores; null for none.</param>
    /// <param name="scale">What scores are multiplied with before.</param>
    /// <returns>[B, 1, heads·size]</returns>
    public static Tensor Attend(Tensor query, Tensor key, Tensor value, Tensor? mask, double scale)
    {
        long rows = query.size(0), heads = query.size(1), size = query.size(3), keys = key.size(2);
        using Tensor? dense = query.is_contiguous() ? null : query.contiguous(), bias = mask?.contiguous();
        // Of a contiguous mask: where a row's and a head's begin.
        long maskHead = mask is null || mask.size(1) == 1 ? 0 : keys, maskBatch = mask is null || mask.size(0) == 1 ? 0 : mask.size(1) * keys;
        var call = new QueryCall
        {
            Batch = rows, Heads = heads, Groups = key.size(1), Keys = keys, Size = size,
            BatchStride = key.stride(0), GroupStride = key.stride(1), MaskBatch = maskBatch, MaskHead = maskHead,
            Query = dense ?? query, Key = Elements<float>.Strided(key), Value = Elements<float>.Strided(value),
            Mask = bias, Scale = scale,
        };
        Tensor output = NativeTensor.Empty(rows, 1, heads * size);
        NativeMethods.QueryAttention(NativeMethods.BestIsa, call, output);
        return output;
    }

    private static bool Fits(Tensor mask, Tensor query, Tensor key) =>
        mask.dim() == 4 && IsOneOr(mask.size(0), query.size(0)) && IsOneOr(mask.size(1), query.size(1)) && mask.size(2) == 1 && mask.size(3) == key.size(2);

    private static bool IsOneOr(long size, long whole) => size == 1 || size == whole;

    private static bool IsDense(Tensor x) => x.stride(3) == 1 && x.stride(2) == x.size(3);
}
