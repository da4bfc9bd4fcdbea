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
