/* The C face of peft_native: raw pointers and plain numbers, so that any language can call it. Nothing here allocates
 * for the caller, throws or keeps a pointer. Raise PEFT_ABI_VERSION when a signature changes or one is added. */
#ifndef PEFT_NATIVE_H
#define PEFT_NATIVE_H

#include <stdint.h>

#define PEFT_ABI_VERSION 7

#if defined(_WIN32) && defined(PEFT_NATIVE_BUILD)
#define PEFT_API __declspec(dllexport)
#elif defined(_WIN32)
#define PEFT_API __declspec(dllimport)
#else
#define PEFT_API __attribute__((visibility("default")))
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* What a kernel returns that needs memory of its own, or takes some calls only. Where it is not PEFT_DONE, nothing was done. */
enum { PEFT_NO_MEMORY = -1, PEFT_NOT_TAKEN = 0, PEFT_DONE = 1 };

/* Instruction sets that kernels are compiled for; a CPU that has one has those before it. */
enum { PEFT_ISA_BASELINE = 0, PEFT_ISA_AVX2 = 1, PEFT_ISA_AVX512 = 2, PEFT_ISA_VNNI = 3 };

PEFT_API int32_t peft_abi_version(void);

/* The highest instruction set of this CPU among those above. */
PEFT_API int32_t peft_best_isa(void);

/* How many threads a kernel called from this thread may use: OpenMP's limit, which libtorch shares. */
PEFT_API int32_t peft_max_threads(void);

/* glibc: blocks of at least this many bytes are given back to the system when freed. Returns 1 when set, else 0. */
PEFT_API int32_t peft_set_mmap_threshold(int64_t bytes);

/* One step of torch.optim.AdamW over n values, in place. step counts from 1; the gradient is multiplied by grad_scale
 * first (clipping). The settings are doubles, as torch's are: 1 - 0.999f is off by one part in 80,000. */
PEFT_API void peft_adamw_f32(float* p, const float* g, float* m, float* v, int64_t n, double lr, double beta1,
                             double beta2, double eps, double weight_decay, int64_t step, double grad_scale);

/* The same with a chosen instruction set, for tests: all give the same bits. Returns 0 where the CPU lacks it. */
PEFT_API int32_t peft_adamw_f32_isa(int32_t isa, float* p, const float* g, float* m, float* v, int64_t n, double lr,
                                    double beta1, double beta2, double eps, double weight_decay, int64_t step,
                                    double grad_scale);

/* One moment of AdamW in 8 bits: value i is levels[codes[i]] * scales[i / 256]. The 256 levels rise; bounds[k] is where level
 * k + 1 becomes the nearest, and the last bound is infinite. cells has, for the first 16 bits of a float, the lowest code of the
 * floats that begin so; the highest is no more than one above. */
typedef struct {
    uint8_t* codes;
    float* scales;
    const float *levels, *bounds;
    const uint8_t* cells;
} peft_moment_8bit;

/* The step over n values whose moments are in 8 bits: each block of 256 is taken with moments as floats, which are then divided
 * by their largest magnitude and rounded to the nearest level. isa is the highest instruction set to use. */
PEFT_API void peft_adamw_8bit_f32(int32_t isa, float* p, const float* g, const peft_moment_8bit* mean,
                                  const peft_moment_8bit* variance, int64_t n, double lr, double beta1, double beta2,
                                  double eps, double weight_decay, int64_t step, double grad_scale);

/* The sum of the squares, added up in doubles in an order that depends on n alone. */
PEFT_API double peft_sum_of_squares_f32(const float* x, int64_t n);
PEFT_API double peft_sum_of_squares_f32_isa(int32_t isa, const float* x, int64_t n);

/* Dropout: out = x / (1 - rate), or 0 with probability rate; plus sum, unless that is null. Which elements are dropped is a
 * function of the seed and the element's index alone, so that a backward pass calls it again on the gradient. out may be x;
 * 0 <= rate < 1. */
PEFT_API void peft_dropout_f32(const float* x, const float* sum, float* out, int64_t n, double rate, uint64_t seed);
PEFT_API void peft_dropout_f32_isa(int32_t isa, const float* x, const float* sum, float* out, int64_t n, double rate,
                                   uint64_t seed);

/* BLAS's sgemm_ with 32-bit integers, which libtorch exports where it brings MKL. */
typedef void (*peft_sgemm)(const char* transa, const char* transb, const int32_t* m, const int32_t* n, const int32_t* k,
                           const float* alpha, const float* a, const int32_t* lda, const float* b, const int32_t* ldb,
                           const float* beta, float* c, const int32_t* ldc);

/* Scaled dot-product attention with dropout on the probabilities. Queries [batch, queries, heads * size], keys and values
 * [batch, keys, heads * size], all dense. The mask (or null) is added to the scores: the row of (b, h, i) begins at
 * b * mask_batch + h * mask_head + i * mask_query. Scores are multiplied by scale (usually 1 / sqrt(size)) before that. The dropout
 * is that of peft_dropout_f32 on [batch, heads, queries, keys]. */
typedef struct {
    int64_t batch, heads, queries, keys, size;
    const float *q, *k, *v, *mask;
    int64_t mask_batch, mask_head, mask_query;
    double scale, rate;
    uint64_t seed;
    peft_sgemm sgemm;
} peft_attention;

/* out [batch, queries, heads * size]; log_sums [batch, heads, queries] is what the backward pass needs besides. A query
 * that the mask leaves no key is 0. */
PEFT_API int32_t peft_attention_forward_f32(const peft_attention* attention, float* out, float* log_sums);

/* From the output's gradient to those of queries, keys and values; null for one that is not needed. */
PEFT_API int32_t peft_attention_backward_f32(const peft_attention* attention, const float* log_sums, const float* gradient,
                                          float* dq, float* dk, float* dv);

/* Of the kernels below, isa is the highest instruction set to use, for tests; PEFT_ISA_BEST for the CPU's. */
enum { PEFT_ISA_BEST = INT32_MAX };

/* Root mean square norm of x [rows, width]: out = x * scale * weight, with scale = 1 / sqrt(mean(x^2) + eps) of the row, which
 * goes to scales [rows] for the backward pass. */
PEFT_API void peft_rms_norm_f32(int32_t isa, const float* x, const float* weight, int64_t rows, int64_t width, double eps, float* out,
                                float* scales);
PEFT_API void peft_rms_norm_backward_f32(int32_t isa, const float* x, const float* weight, const float* scales, const float* gradient,
                                         int64_t rows, int64_t width, float* dx);

/* Rotary positions, in place: of each head of x [rows, heads, size] the first half is turned against the second by the angles of
 * row r, whose cosines and sines are row r % positions of [positions, size / 2]. back turns the other way: the gradient. */
PEFT_API void peft_rotary_f32(int32_t isa, float* x, const float* cosine, const float* sine, int32_t back, int64_t rows,
                              int64_t positions, int64_t heads, int64_t size);

/* out = gate * sigmoid(gate) * up over n floats, and the gradients of both. */
PEFT_API void peft_gated_silu_f32(int32_t isa, const float* gate, const float* up, int64_t n, float* out);
PEFT_API void peft_gated_silu_backward_f32(int32_t isa, const float* gate, const float* up, const float* gradient, int64_t n,
                                           float* dgate, float* dup);

/* Cross-entropy of logits [rows, classes]: losses [rows], and in the logits' place their gradient, softmax minus one at the label.
 * A label is below classes; one below 0 counts for nothing. */
PEFT_API void peft_cross_entropy_f32(int32_t isa, float* logits, const int64_t* labels, int64_t rows, int64_t classes, float* losses);

/* Attention of one query a head, q [batch, heads, size], over keys and values of which position i of group g in row b lies at
 * b * batch_stride + g * group_stride + i * size; each group serves heads / groups heads in turn. The mask (or null) is added to
 * the scores, which are multiplied by scale before: that of head h in row b begins at b * mask_batch + h * mask_head. */
typedef struct {
    int64_t batch, heads, groups, keys, size, batch_stride, group_stride, mask_batch, mask_head;
    const float *q, *k, *v, *mask;
    double scale;
} peft_query;
PEFT_API int32_t peft_query_attention_f32(int32_t isa, const peft_query* query, float* out);

/* y [tokens, rows] = x [tokens, columns] times the matrix [rows, columns] transposed, plus bias [rows] unless that is null: for the
 * few tokens at which reading the matrix is all that takes time. */
PEFT_API void peft_few_product_f32(int32_t isa, const float* matrix, const float* bias, int64_t rows, int64_t columns, const float* x,
                                   int64_t tokens, float* y);

/* The same over a matrix of bfloat16. */
PEFT_API void peft_few_product_bf16(int32_t isa, const uint16_t* matrix, const float* bias, int64_t rows, int64_t columns, const float* x,
                                    int64_t tokens, float* y);

/* A matrix [rows, columns] of 4- or 8-bit codes. Element i is levels[code] times the scale of its block, which is of the
 * elements block * b to block * (b + 1) - 1 of the matrix as one row. Two 4-bit codes share a byte, the first in the high half.
 * Scales are floats or, where scale_codes is not null, quantized themselves: scale_levels[scale_codes[b]] *
 * scales[b / 256] + scale_offset. */
typedef struct {
    int64_t rows, columns, block;
    int32_t bits;
    float scale_offset;
    const uint8_t* codes;
    const float *levels, *scales;
    const uint8_t* scale_codes;
    const float* scale_levels;
    peft_sgemm sgemm;
} peft_quantized;

/* Quantizes n floats to 4 bits: code order[k] for a value that k of the 15 bounds lie below, after division by the largest
 * magnitude of its block, which becomes the scale. A scale that is not finite tells of a value that was not. */
PEFT_API void peft_quantize_4bit(int32_t isa, const float* x, int64_t n, int64_t block, const float* bounds,
                                     const uint8_t* order, uint8_t* codes, float* scales);

/* The matrix as floats. */
PEFT_API void peft_dequantize_f32(int32_t isa, const peft_quantized* matrix, float* out);

/* y [tokens, rows] += x [tokens, columns] times the matrix transposed. Codes are read once for a few tokens; for many,
 * panels of some megabytes are unpacked and multiplied by sgemm. */
PEFT_API int32_t peft_quantized_product_f32(int32_t isa, const peft_quantized* matrix, const float* x, int64_t tokens, float* y);

/* dx [tokens, columns] = gradient [tokens, rows] times the matrix; needs sgemm. */
PEFT_API int32_t peft_quantized_gradient_f32(int32_t isa, const peft_quantized* matrix, const float* gradient, int64_t tokens,
                                              float* dx);

/* The product with x rounded to 8 bits in groups of 64 columns, and the levels, from -1 to 1, to 8. Not taken
 * where codes are not of 4 bits or a row is no whole number of blocks and a block none of groups. */
PEFT_API int32_t peft_quantized_product_int8(int32_t isa, const peft_quantized* matrix, const float* x, int64_t tokens, float* y);

/* y [tokens, rows] = x [tokens, columns], rounded to 8 bits in groups of 64 columns, times a matrix [rows, columns] of signed bytes
 * transposed, of which element q in row r is q * scales[r] / 127; plus bias [rows] unless that is null. Not taken
 * where columns are no whole number of groups. */
PEFT_API int32_t peft_rowwise_product_int8(int32_t isa, const int8_t* matrix, const float* scales, const float* bias, int64_t rows,
                                           int64_t columns, const float* x, int64_t tokens, float* y);

#ifdef __cplusplus
}
#endif
#endif
