// Codes, unpacking and products of quantized matrices.
#include "fuzz.h"

using fuzz::Bytes;
using fuzz::Floats;
using fuzz::Random;

namespace {

constexpr int64_t ScaleBlock = 256;

int64_t parts(int64_t n, int64_t size) { return (n + size - 1) / size; }

// A matrix of random codes, and what it stands for.
struct Matrix {
    peft_quantized call{};
    Bytes codes, scale_codes;
    Floats levels, scales, scale_levels, floats;

    Matrix(Random& random, int64_t rows, int64_t columns, int64_t block, int32_t bits, bool nested)
        : codes(random, bits == 8 ? rows * columns : parts(rows * columns, 2)), scale_codes(random, parts(rows * columns, block)),
          levels(random, bits == 8 ? 256 : 16, 1.0f), scales(random, nested ? parts(scale_codes.size(), ScaleBlock) : scale_codes.size(), 1.0f),
          scale_levels(random, 256, 1.0f), floats(random, rows * columns) {
        for (uint8_t& code : codes)
            code = static_cast<uint8_t>(random.next());
        for (uint8_t& code : scale_codes)
            code = static_cast<uint8_t>(random.next());
        call = {rows, columns, block, bits, nested ? random.real() : 0.0f, codes.data(), levels.data(), scales.data(),
                nested ? scale_codes.data() : nullptr, nested ? scale_levels.data() : nullptr, random.chance(2) ? fuzz::sgemm : nullptr};
        for (int64_t i = 0; i < floats.size(); i++) {
            const int64_t b = i / block;
            const float scale = nested ? scale_levels[scale_codes[b]] * scales[b / ScaleBlock] + call.scale_offset : scales[b];
            floats[i] = levels[bits == 8 ? codes[i] : (codes[i / 2] >> (i % 2 ? 0 : 4)) & 15] * scale;
        }
    }

    // Rows of whole blocks as often as not: they have a path of their own.
    static Matrix draw(Random& random) {
        const int64_t blocks[] = {32, 64, 128, 256, 1024};
        const int64_t block = random.pick(blocks), rows = random.range(1, 37);
        const bool whole = random.chance(2);
        const int64_t columns = whole ? block * random.range(1, std::max<int64_t>(1, 512 / block)) : random.range(1, 300);
        const int32_t bits = random.chance(3) ? 8 : 4;
        return Matrix(random, rows, columns, bits == 8 && random.chance(3) ? columns : block, bits, random.chance(2));
    }
};

} // namespace

FUZZ(quantize_4bit) {
    const int64_t blocks[] = {32, 64, 128, 4096};
    const int64_t n = random.count(), block = random.pick(blocks);
    const Floats x(random, n, 2.0f), bounds(random, 15);
    Bytes order(random, 16), codes(random, parts(n, 2));
    Floats scales(random, parts(n, block));
    for (int i = 0; i < 15; i++)
        bounds[i] = -0.9f + 0.12f * i + random.real(0.05f);
    for (int i = 0; i < 16; i++)
        order[i] = static_cast<uint8_t>((i * 7 + 3) % 16);
    if (n > 0 && random.chance(4))
        std::fill(x.data(), x.data() + std::min(n, block), 0.0f);
    for (int64_t b = 0; b < scales.size(); b++) {
        const int64_t first = b * block, count = std::min(block, n - first);
        float high = 0;
        for (int64_t i = 0; i < count; i++)
            high = std::max(high, std::fabs(x[first + i]));
        const bool whole = count == block;
        const float divisor = std::max(high, 1e-38f), factor = 1 / divisor;
        scales[b] = whole ? high : divisor;
        for (int64_t i = 0; i < count + count % 2; i++) {
            const float value = i >= count ? 0.0f : whole ? x[first + i] * factor : x[first + i] / divisor;
            int below = 0;
            for (float bound : bounds)
                below += value > bound;
            codes[(first + i) / 2] |= static_cast<uint8_t>(order[below] << (i % 2 ? 0 : 4));
        }
    }
    fuzz::each_isa([&](int32_t isa) {
        Bytes found(random, codes.size());
        Floats found_scales(random, scales.size());
        peft_quantize_4bit(isa, x.data(), n, block, bounds.data(), order.data(), found.data(), found_scales.data());
        fuzz::same("code", codes, found, isa);
        fuzz::same("scale", scales, found_scales, isa);
    });
    // What is not finite shows, and does no other harm.
    if (n > 0) {
        x[random.range(0, n - 1)] = random.chance(2) ? std::nanf("") : HUGE_VALF;
        peft_quantize_4bit(PEFT_ISA_BEST, x.data(), n, block, bounds.data(), order.data(), codes.data(), scales.data());
        bool shows = false;
        for (float scale : scales)
            shows |= !std::isfinite(scale);
        if (!shows)
            fuzz::fail("a value that is not finite", 0, 1, 0, PEFT_ISA_BEST);
    }
}

FUZZ(dequantize) {
    const Matrix m = Matrix::draw(random);
    fuzz::each_isa([&](int32_t isa) {
        Floats found(random, m.floats.size());
        peft_dequantize_f32(isa, &m.call, found.data());
        fuzz::same("value", m.floats, found, isa);
    });
}

FUZZ(quantized_product) {
    const Matrix m = Matrix::draw(random);
    const int64_t tokens = random.range(1, random.chance(2) ? 4 : 40), rows = m.call.rows, columns = m.call.columns;
    const Floats x(random, tokens * columns, 1.0f), y(random, tokens * rows, 1.0f);
    std::vector<double> expected(y.begin(), y.end());
    for (int64_t i = 0; i < tokens * rows; i++)
        for (int64_t c = 0; c < columns; c++)
            expected[i] += static_cast<double>(x[i / rows * columns + c]) * m.floats[i % rows * columns + c];
    fuzz::each_isa([&](int32_t isa) {
        Floats found(random, y);
        peft_quantized_product_f32(isa, &m.call, x.data(), tokens, found.data());
        fuzz::near("product", expected, found, std::sqrt(static_cast<double>(columns)) * 4, isa);
    });
}

FUZZ(quantized_gradient) {
    Matrix m = Matrix::draw(random);
    m.call.sgemm = fuzz::sgemm;
    const int64_t tokens = random.range(1, 40), rows = m.call.rows, columns = m.call.columns;
    const Floats g(random, tokens * rows, 1.0f);
    std::vector<double> expected(tokens * columns);
    for (int64_t t = 0; t < tokens; t++)
        for (int64_t r = 0; r < rows; r++)
            for (int64_t c = 0; c < columns; c++)
                expected[t * columns + c] += static_cast<double>(g[t * rows + r]) * m.floats[r * columns + c];
    fuzz::each_isa([&](int32_t isa) {
        Floats found(random, tokens * columns);
        peft_quantized_gradient_f32(isa, &m.call, g.data(), tokens, found.data());
        fuzz::near("gradient", expected, found, std::sqrt(static_cast<double>(rows)) * 4, isa);
    });
}

// The bound of what rounding inputs and levels may cost: half a step of each, in every product.
FUZZ(quantized_product_int8) {
    const bool fits = !random.chance(4);
    const int64_t block = fits ? 64 << random.range(0, 1) : 32, rows = random.range(1, 70), columns = block * random.range(1, 3);
    const Matrix m(random, rows, columns, block, 4, random.chance(2));
    const int64_t tokens = random.range(1, random.chance(2) ? 9 : 80);
    const Floats x(random, tokens * columns, 1.0f), y(random, tokens * rows, 1.0f);
    fuzz::each_isa([&](int32_t isa) {
        Floats found(random, y);
        const int32_t done = peft_quantized_product_int8(isa, &m.call, x.data(), tokens, found.data());
        if (done != (fits ? 1 : 0))
            fuzz::fail("whether the shape fits", 0, fits, done, isa);
        if (!done)
            return fuzz::same("output", y, found, isa);
        for (int64_t i = 0; i < found.size(); i++) {
            double expected = y[i], bound = 1e-4;
            for (int64_t c = 0; c < columns; c++) {
                const int64_t at = i % rows * columns + c, b = at / block;
                const double scale = m.call.scale_codes ? m.scale_levels[m.scale_codes[b]] * m.scales[b / ScaleBlock] + m.call.scale_offset : m.scales[b];
                expected += static_cast<double>(x[i / rows * columns + c]) * m.floats[at];
                bound += std::fabs(scale) * (0.5 / 85 + 0.51 / 127);
            }
            if (!(std::fabs(expected - found[i]) <= bound))
                fuzz::fail("product", i, expected, found[i], isa);
        }
    });
}

// All bytes, -128 too, and the largest values in every place.
FUZZ(rowwise_product_int8) {
    const bool fits = !random.chance(8), largest = random.chance(8);
    const int64_t rows = random.range(0, 70), columns = fits ? 64 * random.range(0, 5) : random.range(1, 63), tokens = random.range(0, 40);
    const Bytes bytes(random, rows * columns);
    const Floats scales(random, rows, 1.0f), bias(random, rows, 1.0f), x(random, tokens * columns, 1.0f), y(random, tokens * rows, 1.0f);
    for (uint8_t& code : bytes)
        code = static_cast<uint8_t>(largest ? 128 : random.next());
    for (float& value : x)
        value = largest ? -1.0f : value;
    const int8_t* codes = reinterpret_cast<const int8_t*>(bytes.data());
    const float* add = random.chance(2) ? bias.data() : nullptr;
    fuzz::each_isa([&](int32_t isa) {
        Floats found(random, y);
        const int32_t done = peft_rowwise_product_int8(isa, codes, scales.data(), add, rows, columns, x.data(), tokens, found.data());
        if (done != (fits ? 1 : 0))
            fuzz::fail("whether the shape fits", 0, fits, done, isa);
        if (!done)
            return fuzz::same("output", y, found, isa);
        for (int64_t i = 0; i < found.size(); i++) {
            const int64_t row = i % rows;
            double expected = add ? add[row] : 0, bound = 1e-4;
            for (int64_t c = 0; c < columns; c++) {
                const double weight = codes[row * columns + c] * static_cast<double>(scales[row]) / 127;
                expected += x[i / rows * columns + c] * weight;
                bound += std::fabs(weight) * 0.51 / 127;
            }
            if (!(std::fabs(expected - found[i]) <= bound))
                fuzz::fail("product", i, expected, found[i], isa);
        }
    });
}
