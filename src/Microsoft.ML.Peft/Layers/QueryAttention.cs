using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>Attention of one query a head where nothing trains: a decoder's next token, over the cache as it lies.</summary>
internal static unsafe class QueryAttention
{
    public static bool Takes(Tensor query, Tensor key, Tensor value, Tensor? mask) =>
        query.size(2) == 1 && !(is_grad_enabled() && (query.requires_grad || key.requires_grad || value.requires_grad))
        && PeftNative.Takes(query) && PeftNative.Takes(key) && IsDense(key) && key.stride(0) == value.stride(0) && key.stride(1) == value.stride(1) && IsDense(value)
        && (mask is null || PeftNative.Takes(mask));

    /// <param name="query">[B, heads, 1, size]</param>
    /// <param name="key">[B, groups, K, size]</param>
    /// <param name="value">[B, groups, K, size], laid out as the keys.</param>
    /// <param name="mask">[B or 1, 1, 1, K], added to the scores; null for none.</param>
    /// <returns>[B, 1, heads·size]</returns>
    public static Tensor Attend(Tensor query, Tensor key, Tensor value, Tensor? mask)
    {
        long rows = query.size(0), heads = query.size(1), size = query.size(3), keys = key.size(2);
        using Tensor? dense = query.is_contiguous() ? null : query.contiguous(), bias = mask?.contiguous();
        var call = new QueryCall
        {
            Batch = rows, Heads = heads, Groups = key.size(1), Keys = keys, Size = size,
            BatchStride = key.stride(0), GroupStride = key.stride(1), MaskBatch = mask is null || mask.size(0) == 1 ? 0 : keys,
            Query = NativeTensor.Floats(dense ?? query), Key = NativeTensor.Floats(key), Value = NativeTensor.Floats(value),
            Mask = bias is null ? null : NativeTensor.Floats(bias),
        };
        Tensor output = NativeTensor.Empty(rows, 1, heads * size);
        NativeMethods.QueryAttention(NativeMethods.BestIsa, call, NativeTensor.Floats(output));
        return output;
    }

    private static bool IsDense(Tensor x) => x.stride(3) == 1 && x.stride(2) == x.size(3);
}
