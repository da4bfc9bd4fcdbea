// Inputs rounded to signed bytes, 64 with one scale.
#pragma once
#include "quantized.h"
#include "scratch.h"

#include <algorithm>
#include <cmath>
#include <cstdint>

namespace peft {

inline constexpr int64_t Group = 64;

// The order of a group's bytes: that of the columns, or that in which 4-bit codes are unpacked, even columns before odd ones.
enum class Order { Columns, Parted };

// A group of 64 floats as signed bytes.
struct Rounded {
    int8_t* bytes;
    float* scale;
    int32_t* sum;
};

using Round = void (*)(const float* x, const Rounded& out);

template <Order order>
inline void round_plain(const float* x, const Rounded& out) {
    float most = 0;
    for (int64_t i = 0; i < Group; i++)
        most = std::max(most, std::fabs(x[i]));
    const float inverse = most > 0 ? 127 / most : 0;
    *out.sum = 0;
    for (int64_t i = 0; i < Group; i++) {
        const float scaled = x[i] * inverse;
        const auto value = static_cast<int8_t>(scaled + (scaled < 0 ? -0.5f : 0.5f));
        out.bytes[order == Order::Parted ? i % 2 * (Group / 2) + i / 2 : i] = value;
        *out.sum += value;
    }
    *out.scale = most / 127;
}

#if defined(__x86_64__)
template <Order order>
PEFT_AVX2_FMA inline void round_avx2(const float* x, const Rounded& out) {
    const __m256 sign = _mm256_set1_ps(-0.0f), half = _mm256_set1_ps(0.5f);
    __m256 high = _mm256_setzero_ps();
    for (int64_t i = 0; i < Group; i += 8)
        high = _mm256_max_ps(high, _mm256_andnot_ps(sign, _mm256_loadu_ps(x + i)));
    alignas(32) float lanes[8];
    _mm256_store_ps(lanes, high);
    const float most = *std::max_element(lanes, lanes + 8);
    const __m256 inverse = _mm256_set1_ps(most > 0 ? 127 / most : 0);
    // Within a half of a register: four bytes of even columns, four of odd ones, twice.
    const __m256i places = _mm256_setr_epi8(0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15, 0, 2, 4, 6, 8, 10, 12, 14, 1, 3, 5, 7, 9, 11, 13, 15);
    const __m256i columns = _mm256_setr_epi32(0, 4, 1, 5, 2, 6, 3, 7);
    __m256i sum = _mm256_setzero_si256();
    for (int64_t part = 0; part < 2; part++) {
        __m256i values[4];
        for (int k = 0; k < 4; k++) {
            const __m256 scaled = _mm256_mul_ps(_mm256_loadu_ps(x + part * 32 + 8 * k), inverse);
            values[k] = _mm256_cvttps_epi32(_mm256_add_ps(scaled, _mm256_or_ps(_mm256_and_ps(scaled, sign), half)));
            sum = _mm256_add_epi32(sum, values[k]);
        }
        const __m256i mixed = _mm256_packs_epi16(_mm256_packs_epi32(values[0], values[1]), _mm256_packs_epi32(values[2], values[3]));
        const __m256i bytes = _mm256_permutevar8x32_epi32(mixed, columns);
        if (order == Order::Columns) {
            _mm256_storeu_si256(reinterpret_cast<__m256i*>(out.bytes + 32 * part), bytes);
            continue;
        }
        const __m256i parted = _mm256_permute4x64_epi64(_mm256_shuffle_epi8(bytes, places), 0xD8);
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out.bytes + 16 * part), _mm256_castsi256_si128(parted));
        _mm_storeu_si128(reinterpret_cast<__m128i*>(out.bytes + 32 + 16 * part), _mm256_extracti128_si256(parted, 1));
    }
    alignas(32) int32_t sums[8];
    _mm256_store_si256(reinterpret_cast<__m256i*>(sums), sum);
    *out.sum = 0;
    for (int32_t value : sums)
        *out.sum += value;
    *out.scale = most / 127;
}

// The products of signed bytes, four added up. Of two bytes that are multiplied one may be signed, so the signs go from the weights
// to the values; two products of at most 128 * 127 fit into the 16 bits that they are added up in.
PEFT_AVX2_FMA inline __m256i multiply(__m256i weights, __m256i magnitudes, __m256i values) {
    return _mm256_madd_epi16(_mm256_maddubs_epi16(magnitudes, _mm256_sign_epi8(values, weights)), _mm256_set1_epi16(1));
}
#endif

struct Activations {
    int64_t tokens, groups;
    Scratch<int8_t> bytes;  // [token][group][64]
    Scratch<float> scales;  // [token][group]
    Scratch<int32_t> sums;  // [token][group]

    // columns is a multiple of Group; scales are multiplied by factor. Without memory it is false.
    Activations(const float* x, int64_t tokens, int64_t columns, Round round, float factor)
        : tokens(tokens), groups(columns / Group), bytes(tokens * columns), scales(tokens * groups), sums(tokens * groups) {
        if (!*this)
            return;
#pragma omp parallel for schedule(static) if (tokens * columns > ParallelFrom)
        for (int64_t i = 0; i < tokens * groups; i++) {
            round(x + i * Group, {&bytes[i * Group], &scales[i], &sums[i]});
            scales[i] *= factor;
        }
    }

    explicit operator bool() const { return bytes && scales && sums; }
};

} // namespace peft
