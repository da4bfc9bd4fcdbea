// AdamW whose moments are in 8 bits, block by block: they are floats in the first-level cache only.
#include "adamw.h"
#include "magnitude.h"

#include <algorithm>

namespace {

constexpr int64_t Block = 256;

PEFT_INLINE void unpack(const peft_moment_8bit& moment, int64_t block, int64_t n, float* values) {
    const uint8_t* codes = moment.codes + block * Block;
    const float* levels = moment.levels;
    const float scale = moment.scales[block];
    for (int64_t i = 0; i < n; i++)
        values[i] = levels[codes[i]] * scale;
}

// The first half of a value's bits names a cell of the table, which tells the lowest code in it; no cell holds two bounds.
PEFT_INLINE void pack(const float* values, const peft_moment_8bit& moment, int64_t block, int64_t n) {
    uint8_t* codes = moment.codes + block * Block;
    const uint8_t* cells = moment.cells;
    const float* bounds = moment.bounds;
    const float scale = peft::largest(values, n), divisor = scale > 0 ? scale : 1;
    moment.scales[block] = scale;
    float shares[Block];
    for (int64_t i = 0; i < n; i++)
        shares[i] = values[i] / divisor;
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits;
        __builtin_memcpy(&bits, shares + i, sizeof bits);
        const uint8_t code = cells[bits >> 16];
        codes[i] = static_cast<uint8_t>(code + (shares[i] > bounds[code]));
    }
}

PEFT_INLINE void step_block(float* p, const float* g, const peft_moment_8bit& mean, const peft_moment_8bit& variance,
                            int64_t block, int64_t n, const peft::AdamW& settings) {
    float m[Block], v[Block];
    unpack(mean, block, n, m);
    unpack(variance, block, n, v);
    peft::step_range(p + block * Block, g + block * Block, m, v, n, settings);
    pack(m, mean, block, n);
    pack(v, variance, block, n);
}

using Kernel = void (*)(float*, const float*, const peft_moment_8bit&, const peft_moment_8bit&, int64_t, int64_t, const peft::AdamW&);

void baseline(float* p, const float* g, const peft_moment_8bit& m, const peft_moment_8bit& v, int64_t b, int64_t n, const peft::AdamW& s) {
    step_block(p, g, m, v, b, n, s);
}
PEFT_AVX2 void avx2(float* p, const float* g, const peft_moment_8bit& m, const peft_moment_8bit& v, int64_t b, int64_t n, const peft::AdamW& s) {
    step_block(p, g, m, v, b, n, s);
}
PEFT_AVX512 void avx512(float* p, const float* g, const peft_moment_8bit& m, const peft_moment_8bit& v, int64_t b, int64_t n, const peft::AdamW& s) {
    step_block(p, g, m, v, b, n, s);
}

constexpr Variants<Kernel> kernels{baseline, avx2, avx512};
constexpr int64_t Serial = 1 << 15; // smaller parameters stay on one thread

} // namespace

void peft_adamw_8bit_f32(int32_t isa, float* p, const float* g, const peft_moment_8bit* mean, const peft_moment_8bit* variance,
                         int64_t n, double lr, double beta1, double beta2, double eps, double weight_decay, int64_t step,
                         double grad_scale) {
    const peft::AdamW settings(lr, beta1, beta2, eps, weight_decay, step, grad_scale);
    const Kernel kernel = kernels.get(std::min(isa, peft_best_isa()));
    const int64_t blocks = (n + Block - 1) / Block;
#pragma omp parallel for schedule(static) if (n > Serial)
    for (int64_t b = 0; b < blocks; b++)
        kernel(p, g, *mean, *variance, b, std::min(Block, n - b * Block), settings);
}
