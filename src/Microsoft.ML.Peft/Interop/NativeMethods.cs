using System.Runtime.InteropServices;

namespace Microsoft.ML.Peft.Interop;

/// <summary>The functions of <c>src/Native/peft_native.h</c>, one for one. Callers go through <see cref="PeftNative"/>.</summary>
internal static unsafe partial class NativeMethods
{
    /// <summary>The version of the header that these declarations were written for.</summary>
    internal const int AbiVersion = 5;

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
        float* parameter, float* gradient, float* mean, float* variance, long count,
        double learningRate, double beta1, double beta2, double epsilon, double weightDecay, long step, double gradientScale);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_adamw_f32_isa")]
    internal static partial int AdamW(
        int isa, float* parameter, float* gradient, float* mean, float* variance, long count,
        double learningRate, double beta1, double beta2, double epsilon, double weightDecay, long step, double gradientScale);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_adamw_8bit_f32")]
    internal static partial void AdamW8Bit(
        int isa, float* parameter, float* gradient, in MomentCall mean, in MomentCall variance, long count,
        double learningRate, double beta1, double beta2, double epsilon, double weightDecay, long step, double gradientScale);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_sum_of_squares_f32")]
    internal static partial double SumOfSquares(float* values, long count);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_sum_of_squares_f32_isa")]
    internal static partial double SumOfSquares(int isa, float* values, long count);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_dropout_f32")]
    internal static partial void Dropout(float* values, float* sum, float* result, long count, double rate, ulong seed);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_dropout_f32_isa")]
    internal static partial void Dropout(int isa, float* values, float* sum, float* result, long count, double rate, ulong seed);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_attention_forward_f32")]
    internal static partial void AttentionForward(in AttentionCall call, float* result, float* logSums);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_attention_backward_f32")]
    internal static partial void AttentionBackward(
        in AttentionCall call, float* logSums, float* gradient, float* queryGradient, float* keyGradient, float* valueGradient);

    /// <summary>For kernels that take the highest instruction set to use: the CPU's own.</summary>
    internal const int BestIsa = int.MaxValue;

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_rms_norm_f32")]
    internal static partial void RmsNorm(int isa, float* input, float* weight, long rows, long width, double epsilon, float* output, float* scales);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_rms_norm_backward_f32")]
    internal static partial void RmsNormBackward(
        int isa, float* input, float* weight, float* scales, float* gradient, long rows, long width, float* inputGradient);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_rotary_f32")]
    internal static partial void Rotary(int isa, float* values, float* cosine, float* sine, int back, long rows, long positions, long heads, long size);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_gated_silu_f32")]
    internal static partial void GatedSilu(int isa, float* gate, float* up, long count, float* output);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_gated_silu_backward_f32")]
    internal static partial void GatedSiluBackward(int isa, float* gate, float* up, float* gradient, long count, float* gateGradient, float* upGradient);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_cross_entropy_f32")]
    internal static partial void CrossEntropy(int isa, float* logits, long* labels, long rows, long classes, float* losses);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_query_attention_f32")]
    internal static partial void QueryAttention(int isa, in QueryCall call, float* output);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_few_product_f32")]
    internal static partial void FewProduct(int isa, float* matrix, float* bias, long rows, long columns, float* input, long tokens, float* output);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_few_product_bf16")]
    internal static partial void FewProduct(int isa, ushort* matrix, float* bias, long rows, long columns, float* input, long tokens, float* output);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_quantize_4bit")]
    internal static partial void Quantize4Bit(int isa, float* values, long count, long block, float* bounds, byte* order, byte* codes, float* scales);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_dequantize_f32")]
    internal static partial void Dequantize(int isa, in QuantizedCall matrix, float* result);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_quantized_product_f32")]
    internal static partial void QuantizedProduct(int isa, in QuantizedCall matrix, float* input, long tokens, float* output);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_quantized_product_int8")]
    internal static partial int QuantizedProductInt8(int isa, in QuantizedCall matrix, float* input, long tokens, float* output);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_rowwise_product_int8")]
    internal static partial int RowwiseProductInt8(
        int isa, sbyte* matrix, float* scales, float* bias, long rows, long columns, float* input, long tokens, float* output);

    [LibraryImport(NativeLibraryLoader.Name, EntryPoint = "peft_quantized_gradient_f32")]
    internal static partial void QuantizedGradient(int isa, in QuantizedCall matrix, float* gradient, long tokens, float* inputGradient);
}
