// Attention with dropout, against the formula in doubles.
#include "../random.h"
#include "fuzz.h"

using fuzz::Floats;
using fuzz::Random;

namespace {

constexpr double Infinity = std::numeric_limits<double>::infinity();

// One call with its operands, and the same worked out plainly.
struct Attention {
    peft_attention call{};
    Floats q, k, v, mask;
    std::vector<double> out, logs, probabilities, kept;

    Attention(Random& random, int64_t batch, int64_t heads, int64_t queries, int64_t keys, int64_t size)
        : q(random, batch * queries * heads * size, 1.5f), k(random, batch * keys * heads * size, 1.5f),
          v(random, batch * keys * heads * size, 1.0f), mask(random, batch * heads * queries * keys) {
        call.batch = batch, call.heads = heads, call.queries = queries, call.keys = keys, call.size = size;
        call.q = q.data(), call.k = k.data(), call.v = v.data();
        call.scale = 0.5 * random.range(1, 3) / std::sqrt(static_cast<double>(size)), call.rate = 0.1 * random.range(0, 5), call.seed = random.next(), call.sgemm = fuzz::sgemm;
        if (random.chance(2))
            draw_mask(random);
        compute();
    }

    int64_t at(int64_t rows, int64_t b, int64_t h, int64_t i) const { return ((b * rows + i) * call.heads + h) * call.size; }

    // Of its own for each query, or shared by heads, by queries.
    void draw_mask(Random& random) {
        for (float& value : mask)
            value = random.chance(4) ? -static_cast<float>(Infinity) : random.real();
        call.mask = mask.data();
        call.mask_query = random.chance(2) ? call.keys : 0;
        call.mask_head = random.chance(2) ? call.queries * call.keys : 0;
        call.mask_batch = random.chance(2) ? call.heads * call.queries * call.keys : 0;
    }

    void compute() {
        const peft::Dropout dropout(call.rate, call.seed);
        out.assign(q.size(), 0);
        for (int64_t row = 0; row < call.batch * call.heads * call.queries; row++) {
            const int64_t i = row % call.queries, h = row / call.queries % call.heads, b = row / call.queries / call.heads;
            std::vector<double> p(call.keys);
            double high = -Infinity, total = 0;
            for (int64_t j = 0; j < call.keys; j++) {
                double score = 0;
                for (int64_t c = 0; c < call.size; c++)
                    score += static_cast<double>(q[at(call.queries, b, h, i) + c]) * k[at(call.keys, b, h, j) + c];
                p[j] = score * call.scale +
                       (call.mask ? call.mask[b * call.mask_batch + h * call.mask_head + i * call.mask_query + j] : 0.0);
                high = std::max(high, p[j]);
            }
            for (double& x : p)
                total += x = high == -Infinity ? 0 : std::exp(x - high);
            logs.push_back(high == -Infinity ? Infinity : high + std::log(total));
            for (int64_t j = 0; j < call.keys; j++) {
                const int64_t place = row * call.keys + j;
                const peft::BlockKey key = peft::block_key(call.seed, place / peft::RandomBlock);
                const bool drops = peft::draw(key, static_cast<uint32_t>(place % peft::RandomBlock)) < dropout.threshold;
                probabilities.push_back(total == 0 ? 0 : p[j] / total);
                kept.push_back(drops ? 0 : dropout.scale);
                for (int64_t c = 0; c < call.size; c++)
                    out[at(call.queries, b, h, i) + c] += probabilities.back() * kept.back() * v[at(call.keys, b, h, j) + c];
            }
        }
    }

    void backward(const Floats& gradient, std::vector<double>& dq, std::vector<double>& dk, std::vector<double>& dv) const {
        dq.assign(q.size(), 0), dk.assign(k.size(), 0), dv.assign(v.size(), 0);
        const double scale = call.scale;
        for (int64_t row = 0; row < call.batch * call.heads * call.queries; row++) {
            const int64_t i = row % call.queries, h = row / call.queries % call.heads, b = row / call.queries / call.heads;
            const int64_t query = at(call.queries, b, h, i);
            std::vector<double> dp(call.keys);
            double mean = 0;
            for (int64_t j = 0; j < call.keys; j++) {
                const int64_t place = row * call.keys + j, key = at(call.keys, b, h, j);
                for (int64_t c = 0; c < call.size; c++) {
                    dp[j] += static_cast<double>(gradient[query + c]) * v[key + c] * kept[place];
                    dv[key + c] += probabilities[place] * kept[place] * gradient[query + c];
                }
                mean += probabilities[place] * dp[j];
            }
            for (int64_t j = 0; j < call.keys; j++) {
                const double ds = probabilities[row * call.keys + j] * (dp[j] - mean) * scale;
                for (int64_t c = 0; c < call.size; c++) {
                    dq[query + c] += ds * k[at(call.keys, b, h, j) + c];
                    dk[at(call.keys, b, h, j) + c] += ds * q[query + c];
                }
            }
        }
    }
};

} // namespace

FUZZ(attention) {
    const int64_t heads = random.range(1, 3), size = random.range(1, 40);
    const Attention a(random, random.range(1, 2), heads, random.range(1, 40), random.range(1, 70), size);
    const double terms = 10.0 * (size + a.call.keys);
    Floats out(random, a.q.size()), logs(random, static_cast<int64_t>(a.logs.size())), gradient(random, a.q.size(), 1.0f);
    peft_attention_forward_f32(&a.call, out.data(), logs.data());
    fuzz::near("output", a.out, out, terms, peft_best_isa());
    for (int64_t i = 0; i < logs.size(); i++)
        if (!(a.logs[i] == logs[i] || std::fabs(a.logs[i] - logs[i]) <= 1e-4))
            fuzz::fail("logarithm", i, a.logs[i], logs[i], peft_best_isa());

    std::vector<double> eq, ek, ev;
    a.backward(gradient, eq, ek, ev);
    Floats dq(random, a.q.size()), dk(random, a.k.size()), dv(random, a.v.size());
    const bool no_q = random.chance(4), no_k = random.chance(4), no_v = random.chance(4);
    peft_attention_backward_f32(&a.call, logs.data(), gradient.data(), no_q ? nullptr : dq.data(), no_k ? nullptr : dk.data(), no_v ? nullptr : dv.data());
    if (!no_q)
        fuzz::near("gradient of queries", eq, dq, 10 * terms, peft_best_isa());
    if (!no_k)
        fuzz::near("gradient of keys", ek, dk, 10 * terms, peft_best_isa());
    if (!no_v)
        fuzz::near("gradient of values", ev, dv, 10 * terms, peft_best_isa());
}
