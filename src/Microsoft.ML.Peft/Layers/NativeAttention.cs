using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>The fused native kernel: CPU floats, where libtorch exports its matrix product.</summary>
internal sealed unsafe class NativeAttention : IAttentionKernel
{
    public static bool Takes(AttentionSettings settings, IReadOnlyList<Tensor> inputs) =>
        inputs.All(PeftNative.Takes) && !settings.Asks.Skip(3).Any(asks => asks) && Blas.Sgemm != 0;

    public (Tensor Output, Tensor? Sums) Forward(AttentionSettings settings, IReadOnlyList<Tensor> inputs)
    {
        AttentionCall call = Describe(settings, inputs);
        Tensor output = NativeTensor.Empty(inputs[0].shape), sums = NativeTensor.Empty(call.Batch, call.Heads, call.Queries);
        NativeMethods.AttentionForward(call, NativeTensor.Floats(output), NativeTensor.Floats(sums));
        return (output, sums);
    }

    public Tensor?[] Backward(AttentionSettings settings, IReadOnlyList<Tensor> inputs, Tensor? sums, Tensor gradient)
    {
        AttentionCall call = Describe(settings, inputs);
        var gradients = new Tensor?[inputs.Count];
        var results = stackalloc float*[3];
        for (int i = 0; i < 3; i++)
        {
            if (settings.Asks[i])
                results[i] = NativeTensor.Floats(gradients[i] = NativeTensor.Empty(inputs[i].shape));
        }
        NativeMethods.AttentionBackward(
            call, NativeTensor.Floats(sums!), NativeTensor.Floats(gradient.contiguous()), results[0], results[1], results[2]);
        return gradients;
    }

    // Copies of inputs that are not dense live as long as the caller's dispose scope.
    private static AttentionCall Describe(AttentionSettings settings, IReadOnlyList<Tensor> inputs)
    {
        long[] query = inputs[0].shape, key = inputs[1].shape;
        var call = new AttentionCall
        {
            Batch = query[0], Heads = settings.Heads, Queries = query[1], Keys = key[1], Size = query[2] / settings.Heads,
            Query = Dense(inputs[0]), Key = Dense(inputs[1]), Value = Dense(inputs[2]),
            Rate = settings.Dropout.Rate, Seed = unchecked((ulong)settings.Dropout.Seed), Sgemm = Blas.Sgemm,
        };
        if (inputs.Count > 3)
        {
            Tensor mask = inputs[3].shape[^1] == call.Keys ? inputs[3] : inputs[3].expand(-1, -1, -1, call.Keys);
            mask = mask.stride(3) == 1 ? mask : mask.contiguous();
            long[] strides = mask.expand(call.Batch, call.Heads, call.Queries, call.Keys).stride();
            (call.MaskBatch, call.MaskHead, call.MaskQuery) = (strides[0], strides[1], strides[2]);
            call.Mask = NativeTensor.Floats(mask);
        }
        return call;
    }

    private static float* Dense(Tensor x) => NativeTensor.Floats(x.contiguous());
}
