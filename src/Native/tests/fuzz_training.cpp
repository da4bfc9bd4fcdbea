// The optimizer, the gradient's norm, dropout, and what the library says of itself.
#include "../random.h"
#include "fuzz.h"

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

// A moment in 8 bits, with the tables of evenly spaced levels.
struct Moment {
    static constexpr int64_t Block = 256;
    fuzz::Bytes codes, cells;
    Floats scales, levels, bounds;

    Moment(Random& random, int64_t n, float lowest)
        : codes(random, n), cells(random, 1 << 16), scales(random, (n + Block - 1) / Block), levels(random, 256), bounds(random, 256) {
        for (uint8_t& code : codes)
            code = static_cast<uint8_t>(random.next());
        for (float& scale : scales)
            scale = std::fabs(random.real(0.1f));
        for (int i = 0; i < 256; i++)
            levels[i] = lowest + (1 - lowest) * static_cast<float>(i) / 255;
        for (int i = 0; i < 255; i++)
            bounds[i] = 0.5f * (levels[i] + levels[i + 1]);
        bounds[255] = HUGE_VALF;
        for (uint32_t cell = 0; cell < 1 << 16; cell++) {
            const uint32_t bits = cell << 16 | (cell >> 15 ? 0xFFFF : 0);
            float least;
            std::memcpy(&least, &bits, sizeof least);
            cells[cell] = code_of(least);
        }
    }

    Moment(Random& random, const Moment& other)
        : codes(random, other.codes), cells(random, other.cells), scales(random, other.scales), levels(random, other.levels), bounds(random, other.bounds) {}

    // As many bounds as lie below.
    uint8_t code_of(float value) const { return static_cast<uint8_t>(std::lower_bound(bounds.begin(), bounds.begin() + 255, value) - bounds.begin()); }

    float value(int64_t i) const { return levels[codes[i]] * scales[i / Block]; }

    void put(const std::vector<float>& values) {
        for (int64_t b = 0; b < scales.size(); b++) {
            const int64_t first = b * Block, end = std::min<int64_t>(first + Block, codes.size());
            float high = 0;
            for (int64_t i = first; i < end; i++)
                high = std::max(high, std::fabs(values[i]));
            scales[b] = high;
            for (int64_t i = first; i < end; i++)
                codes[i] = code_of(values[i] / (high > 0 ? high : 1));
        }
    }

    peft_moment_8bit call() const { return {codes.data(), scales.data(), levels.data(), bounds.data(), cells.data()}; }
};

} // namespace

FUZZ(adamw_8bit) {
    const int64_t n = random.chance(8) ? random.range(1 << 14, 1 << 15) : random.range(0, 1500), step = random.range(1, 100);
    const Floats p(random, n, 1.0f), g(random, n, 0.1f);
    const Moment mean(random, n, -1.0f), variance(random, n, 0.0f);
    Moment em(random, mean), ev(random, variance);
    Floats ep(random, p);
    const float root = static_cast<float>(std::sqrt(1 - std::pow(0.999, static_cast<double>(step))));
    const float size = static_cast<float>(0.01 / (1 - std::pow(0.9, static_cast<double>(step)))), decay = static_cast<float>(1 - 0.01 * 0.1);
    std::vector<float> m(n), v(n);
    for (int64_t i = 0; i < n; i++) {
        const float grad = g[i] * 0.5f;
        m[i] = 0.9f * mean.value(i) + static_cast<float>(1 - 0.9) * grad;
        v[i] = 0.999f * variance.value(i) + static_cast<float>(1 - 0.999) * grad * grad;
        ep[i] = ep[i] * decay - size * m[i] / (std::sqrt(v[i]) / root + 1e-8f);
    }
    em.put(m), ev.put(v);
    fuzz::each_isa([&](int32_t isa) {
        Floats fp(random, p);
        const Moment fm(random, mean), fv(random, variance);
        const peft_moment_8bit cm = fm.call(), cv = fv.call();
        peft_adamw_8bit_f32(isa, fp.data(), g.data(), &cm, &cv, n, 0.01, 0.9, 0.999, 1e-8, 0.1, step, 0.5);
        fuzz::same("parameter", ep, fp, isa);
        fuzz::same("mean's codes", em.codes, fm.codes, isa);
        fuzz::same("mean's scales", em.scales, fm.scales, isa);
        fuzz::same("variance's codes", ev.codes, fv.codes, isa);
        fuzz::same("variance's scales", ev.scales, fv.scales, isa);
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
