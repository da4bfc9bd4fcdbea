// The optimizer, the gradient's norm, dropout, and what the library says of itself.
#include "../random.h"
#include "fuzz.h"

#include <algorithm>

using fuzz::Floats;
using fuzz::Random;

// What the stream of a seed does to element i.
static float keep(const peft::Dropout& dropout, int64_t i) {
    const peft::BlockKey key = peft::block_key(dropout.seed, i / peft::RandomBlock);
    return peft::draw(key, static_cast<uint32_t>(i % peft::RandomBlock)) >= dropout.threshold ? dropout.scale : 0.0f;
}

FUZZ(adamw) {
    const int64_t n = random.count(), step = random.range(1, 1000);
    const double lr = 0.01 * random.range(1, 9), decay = 0.1 * random.range(0, 2), scale = 0.25 * random.range(1, 4);
    const Floats p(random, n, 1.0f), g(random, n, 0.1f), m(random, n, 0.1f), v(random, n);
    for (float& value : v)
        value = std::fabs(random.real(0.01f));
    Floats ep(random, p), em(random, m), ev(random, v);
    const float keep = static_cast<float>(1 - lr * decay), size = static_cast<float>(lr / (1 - std::pow(0.9, static_cast<double>(step))));
    const float root = static_cast<float>(std::sqrt(1 - std::pow(0.999, static_cast<double>(step)))), eps = 1e-8f;
    for (int64_t i = 0; i < n; i++) {
        const float grad = g[i] * static_cast<float>(scale);
        em[i] = 0.9f * em[i] + static_cast<float>(1 - 0.9) * grad;
        ev[i] = 0.999f * ev[i] + static_cast<float>(1 - 0.999) * grad * grad;
        ep[i] = ep[i] * keep - size * em[i] / (std::sqrt(ev[i]) / root + eps);
    }
    fuzz::each_isa([&](int32_t isa) {
        Floats fp(random, p), fm(random, m), fv(random, v);
        peft_adamw_f32_isa(isa, fp.data(), g.data(), fm.data(), fv.data(), n, lr, 0.9, 0.999, 1e-8, decay, step, scale);
        fuzz::same("parameter", ep, fp, isa);
        fuzz::same("mean", em, fm, isa);
        fuzz::same("variance", ev, fv, isa);
    });
    Floats fp(random, p), fm(random, m), fv(random, v);
    peft_adamw_f32(fp.data(), g.data(), fm.data(), fv.data(), n, lr, 0.9, 0.999, 1e-8, decay, step, scale);
    fuzz::same("parameter", ep, fp, peft_best_isa());
}

namespace {

// Levels at equal distances, with the bounds between them and the lowest code of each cell of a float's first half.
struct Map {
    Floats levels, bounds;
    fuzz::Bytes cells;

    explicit Map(Random& random) : levels(random, 256), bounds(random, 256), cells(random, 1 << 16) {
        for (int i = 0; i < 256; i++) {
            levels[i] = static_cast<float>(i - 127) / 128;
            bounds[i] = i < 255 ? (static_cast<float>(i - 127) + 0.5f) / 128 : HUGE_VALF;
        }
        for (uint32_t cell = 0; cell < cells.size(); cell++) {
            const uint32_t lowest = cell << 16 | (cell >> 15 ? 0xFFFFu : 0u);
            float value;
            std::memcpy(&value, &lowest, sizeof value);
            while (cells[cell] < 255 && value > bounds[cells[cell]])
                cells[cell]++;
        }
    }
};

// Codes of a moment, and their floats.
struct Moment {
    fuzz::Bytes codes;
    Floats scales, values;

    Moment(Random& random, const Map& map, int64_t n, bool is_signed) : codes(random, n), scales(random, (n + 255) / 256), values(random, n) {
        for (float& scale : scales)
            scale = std::fabs(random.real(0.1f));
        for (int64_t i = 0; i < n; i++) {
            codes[i] = static_cast<uint8_t>(random.range(is_signed ? 0 : 127, 255));
            values[i] = map.levels[codes[i]] * scales[i / 256];
        }
    }

    Moment(Random& random, const Moment& other) : codes(random, other.codes), scales(random, other.scales), values(random, other.values) {}

    peft_moment_8bit call(const Map& map) const { return {codes.data(), scales.data(), map.levels.data(), map.bounds.data(), map.cells.data()}; }

    // The nearest level of each value, after division by the largest of its block.
    void pack(const Map& map) const {
        for (int64_t b = 0; b < scales.size(); b++) {
            const int64_t first = b * 256, last = std::min(values.size(), first + 256);
            scales[b] = 0;
            for (int64_t i = first; i < last; i++)
                scales[b] = std::max(scales[b], std::fabs(values[i]));
            for (int64_t i = first; i < last; i++) {
                const float share = values[i] / (scales[b] > 0 ? scales[b] : 1);
                codes[i] = 0;
                while (share > map.bounds[codes[i]])
                    codes[i]++;
            }
        }
    }
};

} // namespace

FUZZ(adamw_8bit) {
    const Map map(random);
    const int64_t n = random.count(), step = random.range(1, 1000);
    const Floats p(random, n, 1.0f), g(random, n, 0.1f);
    const Moment m(random, map, n, true), v(random, map, n, false);
    const Moment em(random, m), ev(random, v);
    Floats ep(random, p);
    peft_adamw_f32_isa(PEFT_ISA_BASELINE, ep.data(), g.data(), em.values.data(), ev.values.data(), n, 0.01, 0.9, 0.999, 1e-8, 0.1, step, 0.5);
    em.pack(map);
    ev.pack(map);
    fuzz::each_isa([&](int32_t isa) {
        Floats fp(random, p);
        const Moment fm(random, m), fv(random, v);
        const peft_moment_8bit mean = fm.call(map), variance = fv.call(map);
        peft_adamw_8bit_f32(isa, fp.data(), g.data(), &mean, &variance, n, 0.01, 0.9, 0.999, 1e-8, 0.1, step, 0.5);
        fuzz::same("parameter", ep, fp, isa);
        fuzz::same("mean's code", em.codes, fm.codes, isa);
        fuzz::same("mean's scale", em.scales, fm.scales, isa);
        fuzz::same("variance's code", ev.codes, fv.codes, isa);
        fuzz::same("variance's scale", ev.scales, fv.scales, isa);
    });
}

FUZZ(sum_of_squares) {
    const int64_t n = random.count();
    const Floats x(random, n, 3.0f);
    double expected = 0;
    for (float value : x)
        expected += static_cast<double>(value) * value;
    const double plain = peft_sum_of_squares_f32_isa(PEFT_ISA_BASELINE, x.data(), n);
    if (std::fabs(plain - expected) > 1e-11 * expected)
        fuzz::fail("sum", 0, expected, plain, PEFT_ISA_BASELINE);
    fuzz::each_isa([&](int32_t isa) {
        const double found = peft_sum_of_squares_f32_isa(isa, x.data(), n);
        if (found != plain || peft_sum_of_squares_f32(x.data(), n) != plain)
            fuzz::fail("sum", 0, plain, found, isa);
    });
}

FUZZ(dropout) {
    const int64_t n = random.count();
    const double rate = 0.1 * random.range(0, 9);
    const peft::Dropout dropout(rate, random.next());
    const Floats x(random, n, 2.0f), sum(random, n, 1.0f);
    const bool adds = random.chance(2), in_place = random.chance(2);
    Floats expected(random, n);
    for (int64_t i = 0; i < n; i++)
        expected[i] = adds ? sum[i] + x[i] * keep(dropout, i) : x[i] * keep(dropout, i);
    fuzz::each_isa([&](int32_t isa) {
        Floats given(random, x), out(random, n);
        const Floats& found = in_place ? given : out;
        peft_dropout_f32_isa(isa, given.data(), adds ? sum.data() : nullptr, found.data(), n, rate, dropout.seed);
        fuzz::same("output", expected, found, isa);
    });
    Floats out(random, n);
    peft_dropout_f32(x.data(), adds ? sum.data() : nullptr, out.data(), n, rate, dropout.seed);
    fuzz::same("output", expected, out, peft_best_isa());
}

FUZZ(library) {
    (void)random;
    if (peft_abi_version() != PEFT_ABI_VERSION || peft_max_threads() < 1 || peft_set_mmap_threshold(-1) != 0)
        fuzz::fail("what the library says of itself", 0, PEFT_ABI_VERSION, peft_abi_version(), 0);
}
