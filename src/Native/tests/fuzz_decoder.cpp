// What lies between a decoder's products, and products of a few tokens.
#include "fuzz.h"

#include <algorithm>

using fuzz::Floats;
using fuzz::Random;

namespace {

double sigmoid(double x) { return 1 / (1 + std::exp(-x)); }

} // namespace

FUZZ(rms_norm) {
    const int64_t rows = random.range(0, 9), width = random.range(1, 130);
    const Floats x(random, rows * width, 2.0f), weight(random, width, 1.0f), gradient(random, rows * width, 1.0f);
    std::vector<double> out(x.size()), dx(x.size()), scales(rows);
    for (int64_t i = 0; i < x.size(); i++) {
        const int64_t row = i / width;
        double squares = 0, along = 0;
        for (int64_t k = row * width; k < (row + 1) * width; k++) {
            squares += static_cast<double>(x[k]) * x[k];
            along += static_cast<double>(gradient[k]) * weight[k % width] * x[k];
        }
        const double scale = scales[row] = 1 / std::sqrt(squares / static_cast<double>(width) + 1e-5);
        out[i] = x[i] * scale * weight[i % width];
        dx[i] = gradient[i] * weight[i % width] * scale - x[i] * along * scale * scale * scale / static_cast<double>(width);
    }
    fuzz::each_isa([&](int32_t isa) {
        Floats found(random, x.size()), found_scales(random, rows), back(random, x.size());
        peft_rms_norm_f32(isa, x.data(), weight.data(), rows, width, 1e-5, found.data(), found_scales.data());
        peft_rms_norm_backward_f32(isa, x.data(), weight.data(), found_scales.data(), gradient.data(), rows, width, back.data());
        fuzz::near("output", out, found, 4, isa);
        fuzz::near("scale", scales, found_scales, 4, isa);
        for (int64_t i = 0; i < back.size(); i++) {
            const double size = 1 + scales[i / width] * scales[i / width] * static_cast<double>(width);
            if (!(std::fabs(dx[i] - back[i]) <= 1e-5 * size + 2e-5 * std::fabs(dx[i])))
                fuzz::fail("gradient", i, dx[i], back[i], isa);
        }
    });
}

FUZZ(rotary) {
    const int64_t positions = random.range(1, 5), rows = positions * random.range(0, 3), heads = random.range(1, 4), half = random.range(1, 70);
    const Floats x(random, rows * heads * 2 * half, 1.0f), cosine(random, positions * half, 1.0f), sine(random, positions * half, 1.0f);
    const int32_t back = random.chance(2);
    std::vector<double> expected(x.size());
    for (int64_t i = 0; i < x.size(); i++) {
        const int64_t at = i % (2 * half), angle = i / (heads * 2 * half) % positions * half + at % half;
        const double other = (at < half ? -x[i + half] : x[i - half]) * (back ? -1.0 : 1.0);
        expected[i] = static_cast<double>(x[i]) * cosine[angle] + other * sine[angle];
    }
    fuzz::each_isa([&](int32_t isa) {
        Floats found(random, x);
        peft_rotary_f32(isa, found.data(), cosine.data(), sine.data(), back, rows, positions, heads, 2 * half);
        fuzz::near("turned", expected, found, 2, isa);
    });
}

FUZZ(gated_silu) {
    const int64_t n = random.count();
    const Floats gate(random, n, random.chance(4) ? 200.0f : 8.0f), up(random, n, 1.0f), gradient(random, n, 1.0f);
    std::vector<double> out(n), dgate(n), dup(n);
    for (int64_t i = 0; i < n; i++) {
        const double g = gate[i], s = sigmoid(g);
        out[i] = g * s * up[i];
        dgate[i] = gradient[i] * up[i] * s * (1 + g * (1 - s));
        dup[i] = gradient[i] * g * s;
    }
    fuzz::each_isa([&](int32_t isa) {
        Floats found(random, n), found_gate(random, n), found_up(random, n);
        peft_gated_silu_f32(isa, gate.data(), up.data(), n, found.data());
        peft_gated_silu_backward_f32(isa, gate.data(), up.data(), gradient.data(), n, found_gate.data(), found_up.data());
        fuzz::near("output", out, found, 8, isa);
        fuzz::near("gate's gradient", dgate, found_gate, 8, isa);
        fuzz::near("other's gradient", dup, found_up, 8, isa);
    });
}

FUZZ(cross_entropy) {
    const int64_t rows = random.range(0, 5), classes = random.range(1, random.chance(4) ? 3000 : 90);
    const Floats logits(random, rows * classes, 10.0f);
    fuzz::Buffer<int64_t> labels(random, rows);
    std::vector<double> losses(rows), gradient(logits.size());
    for (int64_t r = 0; r < rows; r++) {
        labels[r] = random.chance(4) ? -100 : random.range(0, classes - 1);
        const float* row = logits.data() + r * classes;
        double total = 0;
        for (int64_t k = 0; k < classes; k++)
            total += std::exp(static_cast<double>(row[k]));
        for (int64_t k = 0; k < classes && labels[r] >= 0; k++)
            gradient[r * classes + k] = std::exp(static_cast<double>(row[k])) / total - (k == labels[r] ? 1 : 0);
        losses[r] = labels[r] < 0 ? 0 : std::log(total) - row[labels[r]];
    }
    fuzz::each_isa([&](int32_t isa) {
        Floats found(random, logits), found_losses(random, rows);
        peft_cross_entropy_f32(isa, found.data(), labels.data(), rows, classes, found_losses.data());
        fuzz::near("loss", losses, found_losses, 10, isa);
        fuzz::near("gradient", gradient, found, 1, isa);
    });
}

FUZZ(query_attention) {
    const int64_t batch = random.range(1, 3), groups = random.range(1, 3), shared = random.range(1, 3), heads = groups * shared;
    const int64_t size = random.range(1, 70), keys = random.range(1, 40), room = keys + random.range(0, 5);
    const Floats q(random, batch * heads * size, 1.0f), k(random, batch * groups * room * size, 1.0f), v(random, k.size(), 1.0f);
    const bool masked = random.chance(2), by_row = random.chance(2), by_head = random.chance(2);
    const int64_t mask_head = by_head ? keys : 0, mask_batch = by_row ? (by_head ? heads : 1) * keys : 0;
    Floats mask(random, (by_row ? batch : 1) * (by_head ? heads : 1) * keys);
    for (float& value : mask)
        value = random.chance(3) ? -HUGE_VALF : random.real();
    const double scale = 0.5 * random.range(1, 3) / std::sqrt(static_cast<double>(size));
    const peft_query call{batch, heads, groups, keys, size, groups * room * size, room * size, mask_batch, mask_head,
                          q.data(), k.data(), v.data(), masked ? mask.data() : nullptr, scale};
    std::vector<double> expected(q.size());
    for (int64_t h = 0; h < batch * heads; h++) {
        const int64_t b = h / heads, at = (b * groups + h % heads / shared) * room * size;
        std::vector<double> p(keys);
        double total = 0;
        for (int64_t i = 0; i < keys; i++) {
            double score = 0;
            for (int64_t d = 0; d < size; d++)
                score += static_cast<double>(q[h * size + d]) * k[at + i * size + d];
            total += p[i] = std::exp(score * scale + (masked ? mask[b * mask_batch + h % heads * mask_head + i] : 0.0f));
        }
        for (int64_t i = 0; i < keys && total > 0; i++)
            for (int64_t d = 0; d < size; d++)
                expected[h * size + d] += p[i] / total * v[at + i * size + d];
    }
    fuzz::each_isa([&](int32_t isa) {
        Floats found(random, q.size());
        peft_query_attention_f32(isa, &call, found.data());
        fuzz::near("output", expected, found, 4, isa);
    });
}

FUZZ(few_product) {
    const int64_t rows = random.range(0, 40), columns = random.range(0, 200), tokens = random.range(0, 9);
    const Floats matrix(random, rows * columns, 1.0f), bias(random, rows, 1.0f), x(random, tokens * columns, 1.0f);
    fuzz::Buffer<uint16_t> brief(random, matrix.size());
    for (int64_t i = 0; i < matrix.size(); i++) {
        uint32_t bits;
        std::memcpy(&bits, &matrix[i], sizeof bits);
        brief[i] = static_cast<uint16_t>(bits >> 16);
        bits &= 0xFFFF0000u;
        std::memcpy(&matrix[i], &bits, sizeof bits);
    }
    const float* add = random.chance(2) ? bias.data() : nullptr;
    std::vector<double> expected(tokens * rows);
    for (int64_t i = 0; i < tokens * rows; i++) {
        expected[i] = add ? add[i % rows] : 0;
        for (int64_t c = 0; c < columns; c++)
            expected[i] += static_cast<double>(matrix[i % rows * columns + c]) * x[i / rows * columns + c];
    }
    fuzz::each_isa([&](int32_t isa) {
        Floats found(random, tokens * rows), found_brief(random, tokens * rows);
        peft_few_product_f32(isa, matrix.data(), add, rows, columns, x.data(), tokens, found.data());
        peft_few_product_bf16(isa, brief.data(), add, rows, columns, x.data(), tokens, found_brief.data());
        fuzz::near("product", expected, found, 1 + std::sqrt(static_cast<double>(columns)) * 4, isa);
        fuzz::same("bfloat16 product", found, found_brief, isa);
    });
}
