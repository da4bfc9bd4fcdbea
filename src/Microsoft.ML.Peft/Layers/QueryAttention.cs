using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>Attention of one query a head where nothing trains: a decoder's next token, over the cache as it lies.</summary>
internal static unsafe class QueryAttention
{
    public static bool Takes(Tensor query, Tensor key, Tensor value, Tensor? mask) =>
        query.shape[2] == 1 && !(is_grad_enabled() && (query.requires_grad || key.requires_grad || value.requires_grad))
        && PeftNative.Takes(query) && PeftNative.Takes(key) && IsDense(key) && key.stride().SequenceEqual(value.stride())
        && (mask is null || PeftNative.Takes(mask));

    /// <param name="query">[B, heads, 1, size]</param>
    /// <param name="key">[B, groups, K, size]</param>
    /// <param name="value">[B, groups, K, size], laid out as the keys.</param>
    /// <param name="mask">[B or 1, 1, 1, K], added to the scores; null for none.</param>
    /// <returns>[B, 1, heads·size]</returns>
    public static Tensor Attend(Tensor query, Tensor key, Tensor value, Tensor? mask)
    {
        long[] shape = query.shape, keys = key.shape, strides = key.stride();
        Tensor dense = query.contiguous(), bias = mask is null ? empty(0) : mask.contiguous();
        var call = new QueryCall
        {
            Batch = shape[0], Heads = shape[1], Groups = keys[1], Keys = keys[2], Size = shape[3],
            BatchStride = strides[0], GroupStride = strides[1], MaskBatch = mask is null || mask.shape[0] == 1 ? 0 : keys[2],
            Query = NativeTensor.Floats(dense), Key = NativeTensor.Floats(key), Value = NativeTensor.Floats(value),
            Mask = mask is null ? null : NativeTensor.Floats(bias),
        };
        Tensor output = empty(shape[0], 1, shape[1] * shape[3]);
        NativeMethods.QueryAttention(NativeMethods.BestIsa, call, NativeTensor.Floats(output));
        return output;
    }

    private static bool IsDense(Tensor x) => x.stride(3) == 1 && x.stride(2) == x.shape[3];
}
