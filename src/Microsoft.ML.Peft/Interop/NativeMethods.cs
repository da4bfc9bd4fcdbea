using System.Runtime.InteropServices;
using System.Runtime.InteropServices.Marshalling;

namespace Microsoft.ML.Peft.Interop;

/// <summary>The functions of <c>src/Native/peft_native.h</c>, one for one. Callers go through <see cref="PeftNative"/>.</summary>
internal static partial class NativeMethods
{
    /// <summary>The version of the header that these declarations were written for.</summary>
    internal const int AbiVersion = 7;

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_abi_version")]
    internal static partial int GetAbiVersion();

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_best_isa")]
    internal static partial int GetBestIsa();

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_max_threads")]
    internal static partial int GetMaxThreads();

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_set_mmap_threshold")]
    internal static partial int SetMmapThreshold(long bytes);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_adamw_f32")]
    internal static partial void AdamW(
        Elements<float> parameter, Elements<float> gradient, Elements<float> mean, Elements<float> variance, long count,
        double learningRate, double beta1, double beta2, double epsilon, double weightDecay, long step, double gradientScale);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_adamw_f32_isa")]
    internal static partial int AdamW(
        int isa, Elements<float> parameter, Elements<float> gradient, Elements<float> mean, Elements<float> variance, long count,
        double learningRate, double beta1, double beta2, double epsilon, double weightDecay, long step, double gradientScale);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_adamw_8bit_f32")]
    internal static partial void AdamW8Bit(
        int isa, Elements<float> parameter, Elements<float> gradient, in MomentCall mean, in MomentCall variance, long count,
        double learningRate, double beta1, double beta2, double epsilon, double weightDecay, long step, double gradientScale);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_sum_of_squares_f32")]
    internal static partial double SumOfSquares(Elements<float> values, long count);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_sum_of_squares_f32_isa")]
    internal static partial double SumOfSquares(int isa, Elements<float> values, long count);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_dropout_f32")]
    internal static partial void Dropout(Elements<float> values, Elements<float> sum, Elements<float> result, long count, double rate, ulong seed);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_dropout_f32_isa")]
    internal static partial void Dropout(int isa, Elements<float> values, Elements<float> sum, Elements<float> result, long count, double rate, ulong seed);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_attention_forward_f32")]
    [return: MarshalUsing(typeof(KernelResult))]
    internal static partial bool AttentionForward(in AttentionCall call, Elements<float> result, Elements<float> logSums);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_attention_backward_f32")]
    [return: MarshalUsing(typeof(KernelResult))]
    internal static partial bool AttentionBackward(
        in AttentionCall call, Elements<float> logSums, Elements<float> gradient, Elements<float> queryGradient, Elements<float> keyGradient, Elements<float> valueGradient);

    /// <summary>For kernels that take the highest instruction set to use: the CPU's own.</summary>
    internal const int BestIsa = int.MaxValue;

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_rms_norm_f32")]
    internal static partial void RmsNorm(int isa, Elements<float> input, Elements<float> weight, long rows, long width, double epsilon, Elements<float> output, Elements<float> scales);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_rms_norm_backward_f32")]
    internal static partial void RmsNormBackward(
        int isa, Elements<float> input, Elements<float> weight, Elements<float> scales, Elements<float> gradient, long rows, long width, Elements<float> inputGradient);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_rotary_f32")]
    internal static partial void Rotary(int isa, Elements<float> values, Elements<float> cosine, Elements<float> sine, int back, long rows, long positions, long heads, long size);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_gated_silu_f32")]
    internal static partial void GatedSilu(int isa, Elements<float> gate, Elements<float> up, long count, Elements<float> output);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_gated_silu_backward_f32")]
    internal static partial void GatedSiluBackward(int isa, Elements<float> gate, Elements<float> up, Elements<float> gradient, long count, Elements<float> gateGradient, Elements<float> upGradient);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_cross_entropy_f32")]
    internal static partial void CrossEntropy(int isa, Elements<float> logits, Elements<long> labels, long rows, long classes, Elements<float> losses);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_query_attention_f32")]
    [return: MarshalUsing(typeof(KernelResult))]
    internal static partial bool QueryAttention(int isa, in QueryCall call, Elements<float> output);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_few_product_f32")]
    internal static partial void FewProduct(int isa, Elements<float> matrix, Elements<float> bias, long rows, long columns, Elements<float> input, long tokens, Elements<float> output);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_few_product_bf16")]
    internal static partial void FewProductBFloat16(int isa, Elements<ushort> matrix, Elements<float> bias, long rows, long columns, Elements<float> input, long tokens, Elements<float> output);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_quantize_4bit")]
    internal static partial void Quantize4Bit(int isa, Elements<float> values, long count, long block, Elements<float> bounds, Elements<byte> order, Elements<byte> codes, Elements<float> scales);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_dequantize_f32")]
    internal static partial void Dequantize(int isa, in QuantizedCall matrix, Elements<float> result);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_quantized_product_f32")]
    [return: MarshalUsing(typeof(KernelResult))]
    internal static partial bool QuantizedProduct(int isa, in QuantizedCall matrix, Elements<float> input, long tokens, Elements<float> output);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_quantized_product_int8")]
    [return: MarshalUsing(typeof(KernelResult))]
    internal static partial bool QuantizedProductInt8(int isa, in QuantizedCall matrix, Elements<float> input, long tokens, Elements<float> output);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_rowwise_product_int8")]
    [return: MarshalUsing(typeof(KernelResult))]
    internal static partial bool RowwiseProductInt8(
        int isa, Elements<sbyte> matrix, Elements<float> scales, Elements<float> bias, long rows, long columns, Elements<float> input, long tokens, Elements<float> output);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_quantized_gradient_f32")]
    [return: MarshalUsing(typeof(KernelResult))]
    internal static partial bool QuantizedGradient(int isa, in QuantizedCall matrix, Elements<float> gradient, long tokens, Elements<float> inputGradient);
}
