// From floats to codes and back.
#include "magnitude.h"
#include "quantized.h"

namespace {

using peft::each_block;
using peft::largest;

PEFT_INLINE void count_below(const float* scaled, int64_t n, const float* bounds, int32_t* counts) {
#pragma omp simd
    for (int64_t i = 0; i < n; i++) {
        int32_t count = 0;
        for (int b = 0; b < 15; b++)
            count += scaled[i] > bounds[b];
        counts[i] = count;
    }
}

constexpr int64_t Chunk = 64; // an even number of codes at a time

PEFT_INLINE float quantize_block(const float* x, int64_t n, bool whole, const float* bounds, const uint8_t* order, uint8_t* codes) {
    constexpr float Least = 1e-38f;
    const float scale = largest(x, n), divisor = std::max(scale, Least), factor = 1 / divisor;
    for (int64_t start = 0; start < n; start += Chunk) {
        const int64_t count = std::min(Chunk, n - start);
        float scaled[Chunk] = {};
        int32_t counts[Chunk];
        // bitsandbytes multiplies in whole blocks and divides in the short one at the end.
        for (int64_t i = 0; i < count; i++)
            scaled[i] = whole ? x[start + i] * factor : x[start + i] / divisor;
        count_below(scaled, Chunk, bounds, counts);
        for (int64_t i = 0; i < count; i += 2)
            codes[(start + i) / 2] = static_cast<uint8_t>(order[counts[i]] << 4 | order[counts[i + 1]]);
    }
    return whole ? scale : divisor;
}

using Quantize = float (*)(const float*, int64_t, bool, const float*, const uint8_t*, uint8_t*);

float quantize_baseline(const float* x, int64_t n, bool whole, const float* b, const uint8_t* o, uint8_t* c) {
    return quantize_block(x, n, whole, b, o, c);
}
PEFT_AVX2 float quantize_avx2(const float* x, int64_t n, bool whole, const float* b, const uint8_t* o, uint8_t* c) {
    return quantize_block(x, n, whole, b, o, c);
}
PEFT_AVX512 float quantize_avx512(const float* x, int64_t n, bool whole, const float* b, const uint8_t* o, uint8_t* c) {
    return quantize_block(x, n, whole, b, o, c);
}

constexpr Variants<Quantize> quantizers{quantize_baseline, quantize_avx2, quantize_avx512};

void unpack_baseline(const peft_quantized& w, int64_t first, int64_t n, float* out) {
    each_block(w, first, n, [&](int64_t start, int64_t count, float scale) {
        for (int64_t i = 0; i < count; i++)
            out[i] = peft::level_of(w, start + i) * scale;
        out += count;
    });
}

#if defined(__x86_64__)
PEFT_AVX2_FMA void unpack_8bit(const peft_quantized& w, int64_t start, int64_t n, float scale, float* out) {
    const __m256 scales = _mm256_set1_ps(scale);
    int64_t i = 0;
    for (; i + 8 <= n; i += 8) {
        const __m256i codes = _mm256_cvtepu8_epi32(_mm_loadl_epi64(reinterpret_cast<const __m128i*>(w.codes + start + i)));
        _mm256_storeu_ps(out + i, _mm256_mul_ps(_mm256_i32gather_ps(w.levels, codes, 4), scales));
    }
    for (; i < n; i++)
        out[i] = peft::level_of(w, start + i) * scale;
}

__attribute__((target("avx2,fma"), always_inline)) static inline void unpack_4bit(const peft_quantized& w, const peft::Planes& planes, int64_t start, int64_t n, float scale, float* out) {
    const __m128i half = _mm_set1_epi8(15);
    // Groups of four codes, so that what comes out of the look-up lies in order.
    const __m256i groups = _mm256_setr_epi32(0, 2, 4, 6, 1, 3, 5, 7);
    const __m256 scales = _mm256_set1_ps(scale);
    int64_t i = 0;
    for (; i < n && (start + i) % 2; i++)
        out[i] = peft::level_of(w, start + i) * scale;
    for (; i + 32 <= n; i += 32) {
        const __m128i bytes = _mm_loadu_si128(reinterpret_cast<const __m128i*>(w.codes + (start + i) / 2));
        const __m128i high = _mm_and_si128(_mm_srli_epi16(bytes, 4), half), low = _mm_and_si128(bytes, half);
        const __m256i codes = _mm256_set_m128i(_mm_unpackhi_epi8(high, low), _mm_unpacklo_epi8(high, low));
        __m256 levels[4];
        peft::look_up(planes, _mm256_permutevar8x32_epi32(codes, groups), levels);
        for (int k = 0; k < 4; k++)
            _mm256_storeu_ps(out + i + 8 * k, _mm256_mul_ps(levels[k], scales));
    }
    for (; i < n; i++)
        out[i] = peft::level_of(w, start + i) * scale;
}

PEFT_AVX2_FMA void unpack_avx2(const peft_quantized& w, int64_t first, int64_t n, float* out) {
    const peft::Planes planes(w.levels);
    while (n > 0) {
        const int64_t block = first / w.block, count = std::min(n, (block + 1) * w.block - first);
        const float scale = peft::scale_of(w, block);
        if (w.bits == 8)
            unpack_8bit(w, first, count, scale, out);
        else
            unpack_4bit(w, planes, first, count, scale, out);
        first += count, n -= count, out += count;
    }
}
#else
constexpr auto unpack_avx2 = unpack_baseline;
#endif

} // namespace

const Variants<peft::Unpack> peft::unpack{unpack_baseline, unpack_avx2, unpack_avx2};

void peft_quantize_4bit(int32_t isa, const float* x, int64_t n, int64_t block, const float* bounds, const uint8_t* order,
                            uint8_t* codes, float* scales) {
    const Quantize quantize = quantizers.get(peft::clamp_isa(isa));
    const int64_t blocks = (n + block - 1) / block;
#pragma omp parallel for schedule(static) if (n > 1 << 15)
    for (int64_t b = 0; b < blocks; b++) {
        const int64_t count = std::min(block, n - b * block);
        scales[b] = quantize(x + b * block, count, count == block, bounds, order, codes + b * block / 2);
    }
}

void peft_dequantize_f32(int32_t isa, const peft_quantized* matrix, float* out) {
    constexpr int64_t Piece = 1 << 14;
    const peft::Unpack unpack = peft::unpack.get(peft::clamp_isa(isa));
    const int64_t n = matrix->rows * matrix->columns, pieces = (n + Piece - 1) / Piece;
#pragma omp parallel for schedule(static) if (pieces > 2)
    for (int64_t i = 0; i < pieces; i++)
        unpack(*matrix, i * Piece, std::min(Piece, n - i * Piece), out + i * Piece);
}
