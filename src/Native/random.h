// Random numbers by counter: the number of element i of a stream is a function of (seed, i) alone, so it can be drawn
// again at will and no thread waits for another. Elements come in blocks; a block has a 64-bit key of its own (SplitMix64),
// and a 32-bit hash that is cheap to vectorize numbers the elements within.
#pragma once

#include "dispatch.h"

#include <algorithm>
#include <cmath>

namespace peft {

constexpr int64_t RandomBlock = 1 << 12;

struct BlockKey {
    uint32_t low, high;
};

PEFT_INLINE uint64_t mix64(uint64_t z) {
    z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9u;
    z = (z ^ (z >> 27)) * 0x94D049BB133111EBu;
    return z ^ (z >> 31);
}

PEFT_INLINE BlockKey block_key(uint64_t seed, int64_t block) {
    uint64_t key = mix64(mix64(seed) + 0x9E3779B97F4A7C15u * static_cast<uint64_t>(block + 1));
    return {static_cast<uint32_t>(key), static_cast<uint32_t>(key >> 32)};
}

// 31 bits, so that a signed comparison will do. The constants are those of Wellons's "lowbias32".
PEFT_INLINE int32_t draw(BlockKey key, uint32_t i) {
    uint32_t h = i * 0x9E3779B9u + key.low;
    h = (h ^ (h >> 16)) * 0x7FEB352Du;
    h ^= key.high;
    h = (h ^ (h >> 15)) * 0x846CA68Bu;
    h ^= h >> 16;
    return static_cast<int32_t>(h >> 1);
}

// Dropout keeps a draw that is not below the threshold, and scales it.
struct Dropout {
    uint64_t seed;
    int32_t threshold;
    float scale;

    Dropout(double rate, uint64_t seed)
        : seed(seed), threshold(static_cast<int32_t>(std::min(std::round(rate * 2147483648.0), 2147483647.0))),
          scale(static_cast<float>(1 / (1 - rate))) {}
};

// The mask of elements first to first + n of the stream: 0, or the scale.
PEFT_INLINE void mask(const Dropout& dropout, float* out, int64_t first, int64_t n) {
    const int32_t threshold = dropout.threshold;
    const float scale = dropout.scale;
    while (n > 0) {
        const int64_t start = first % RandomBlock, count = std::min(RandomBlock - start, n);
        const BlockKey key = block_key(dropout.seed, first / RandomBlock);
#pragma omp simd
        for (int64_t i = 0; i < count; i++)
            out[i] = draw(key, static_cast<uint32_t>(start + i)) >= threshold ? scale : 0.0f;
        out += count, first += count, n -= count;
    }
}

} // namespace peft
