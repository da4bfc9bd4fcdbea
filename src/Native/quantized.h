// What the kernels over quantized matrices share: scales, and the unpacking of codes, which every instruction set does in its
// own way and to the same bits.
#pragma once

#include "dispatch.h"

#include <algorithm>

#if defined(__x86_64__)
#include <immintrin.h>
#define PEFT_AVX2_FMA __attribute__((target("avx2,fma")))
#else
#define PEFT_AVX2_FMA
#endif

namespace peft {

constexpr int64_t ScaleBlock = 256;

PEFT_INLINE float scale_of(const peft_quantized& w, int64_t block) {
    if (!w.scale_codes)
        return w.scales[block];
    return w.scale_levels[w.scale_codes[block]] * w.scales[block / ScaleBlock] + w.scale_offset;
}

PEFT_INLINE float level_of(const peft_quantized& w, int64_t i) {
    return w.levels[w.bits == 8 ? w.codes[i] : (w.codes[i / 2] >> (i % 2 ? 0 : 4)) & 15];
}

// Calls body(first, count, scale) for the part of each block that lies in first to first + n.
template <typename Body>
PEFT_INLINE void each_block(const peft_quantized& w, int64_t first, int64_t n, Body body) {
    while (n > 0) {
        const int64_t block = first / w.block, count = std::min(n, (block + 1) * w.block - first);
        body(first, count, scale_of(w, block));
        first += count, n -= count;
    }
}

#if defined(__x86_64__)
__attribute__((target("avx2,fma"), always_inline)) static inline float fold(__m256 v) {
    __m128 x = _mm_add_ps(_mm256_castps256_ps128(v), _mm256_extractf128_ps(v, 1));
    x = _mm_add_ps(x, _mm_movehl_ps(x, x));
    return _mm_cvtss_f32(_mm_add_ss(x, _mm_movehdup_ps(x)));
}

// The 16 levels byte by byte: a shuffle looks up 32 codes in a register.
struct Planes {
    __m256i byte[4];

    PEFT_AVX2_FMA explicit Planes(const float* levels) {
        // The bytes of each four levels by their place, then those of all levels together.
        const __m128i places = _mm_setr_epi8(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
        __m128i four[4];
        for (int i = 0; i < 4; i++)
            four[i] = _mm_shuffle_epi8(_mm_loadu_si128(reinterpret_cast<const __m128i*>(levels + 4 * i)), places);
        const __m128i low0 = _mm_unpacklo_epi32(four[0], four[1]), low1 = _mm_unpacklo_epi32(four[2], four[3]);
        const __m128i high0 = _mm_unpackhi_epi32(four[0], four[1]), high1 = _mm_unpackhi_epi32(four[2], four[3]);
        byte[0] = _mm256_broadcastsi128_si256(_mm_unpacklo_epi64(low0, low1));
        byte[1] = _mm256_broadcastsi128_si256(_mm_unpackhi_epi64(low0, low1));
        byte[2] = _mm256_broadcastsi128_si256(_mm_unpacklo_epi64(high0, high1));
        byte[3] = _mm256_broadcastsi128_si256(_mm_unpackhi_epi64(high0, high1));
    }
};

// The levels of 32 codes. Of each half of the register, out[k] has those of bytes 4k to 4k + 3.
__attribute__((target("avx2,fma"), always_inline)) static inline void look_up(const Planes& planes, __m256i codes, __m256 out[4]) {
    const __m256i b0 = _mm256_shuffle_epi8(planes.byte[0], codes), b1 = _mm256_shuffle_epi8(planes.byte[1], codes);
    const __m256i b2 = _mm256_shuffle_epi8(planes.byte[2], codes), b3 = _mm256_shuffle_epi8(planes.byte[3], codes);
    const __m256i low0 = _mm256_unpacklo_epi8(b0, b1), low1 = _mm256_unpackhi_epi8(b0, b1);
    const __m256i high0 = _mm256_unpacklo_epi8(b2, b3), high1 = _mm256_unpackhi_epi8(b2, b3);
    out[0] = _mm256_castsi256_ps(_mm256_unpacklo_epi16(low0, high0));
    out[1] = _mm256_castsi256_ps(_mm256_unpackhi_epi16(low0, high0));
    out[2] = _mm256_castsi256_ps(_mm256_unpacklo_epi16(low1, high1));
    out[3] = _mm256_castsi256_ps(_mm256_unpackhi_epi16(low1, high1));
}
#endif

// Elements first to first + n as floats.
using Unpack = void (*)(const peft_quantized& w, int64_t first, int64_t n, float* out);
extern const Variants<Unpack> unpack;

} // namespace peft
