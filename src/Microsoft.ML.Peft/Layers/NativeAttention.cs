using Microsoft.ML.Peft.Interop;
using TorchSharp;
using static TorchSharp.torch;

namespace Microsoft.ML.Peft.Layers;

/// <summary>The fused native kernel: CPU floats, where libtorch exports its matrix product.</summary>
internal sealed class NativeAttention : IAttentionKernel
{
    public static bool Takes(AttentionSettings settings, IReadOnlyList<Tensor> inputs) =>
        inputs.All(PeftNative.Takes) && !settings.Asks.Skip(3).Any(asks => asks) && Blas.Sgemm != 0;

    public (Tensor Output, Tensor? Sums) Forward(AttentionSettings settings, IReadOnlyList<Tensor> inputs)
    {
        AttentionCall call = Describe(settings, inputs);
        Tensor output = NativeTensor.Empty(inputs[0].Sizes()), sums = NativeTensor.Empty(call.Batch, call.Heads, call.Queries);
        NativeMethods.AttentionForward(call, output, sums);
        return (output, sums);
    }

    public Tensor?[] Backward(AttentionSettings settings, IReadOnlyList<Tensor> inputs, Tensor? sums, Tensor gradient)
    {
        AttentionCall call = Describe(settings, inputs);
        var gradients = new Tensor?[inputs.Count];
        for (int i = 0; i < 3; i++)
            gradients[i] = settings.Asks[i] ? NativeTensor.Empty(inputs[i].Sizes()) : null;
        NativeMethods.AttentionBackward(call, sums, gradient.contiguous(), gradients[0], gradients[1], gradients[2]);
        return gradients;
    }

    // Copies of inputs that are not dense live as long as the caller's dispose scope.
    private static AttentionCall Describe(AttentionSettings settings, IReadOnlyList<Tensor> inputs)
    {
        long[] query = inputs[0].Sizes(), key = inputs[1].Sizes();
        var call = new AttentionCall
        {
            Batch = query[0], Heads = settings.Heads, Queries = query[1], Keys = key[1], Size = query[2] / settings.Heads,
            Query = inputs[0].contiguous(), Key = inputs[1].contiguous(), Value = inputs[2].contiguous(),
            Scale = settings.Scale, Rate = settings.Dropout.Rate, Seed = unchecked((ulong)settings.Dropout.Seed),
        };
        if (inputs.Count > 3)
        {
            Tensor mask = inputs[3].size(-1) == call.Keys ? inputs[3] : inputs[3].expand(-1, -1, -1, call.Keys);
            mask = mask.stride(3) == 1 ? mask : mask.contiguous();
            Tensor all = mask.expand(call.Batch, call.Heads, call.Queries, call.Keys);
            (call.MaskBatch, call.MaskHead, call.MaskQuery) = (all.stride(0), all.stride(1), all.stride(2));
            call.Mask = Elements<float>.Strided(mask);
        }
        return call;
    }
}
