#include "fraction_kernels.hpp"
#include "lanes.hpp"

namespace verinfer::VERINFER_PATH {

namespace {

// Vectors from memory come in streams that end at every page for the processor's own prefetching.
constexpr std::size_t kAhead = 2048 / sizeof(Fr);

VERINFER_INLINE int lanes_left(std::size_t i, std::size_t count) {
    return count - i < kLanes ? static_cast<int>(count - i) : kLanes;
}

// Of from[0..2n-1], those at even and at odd indices, and zeros.
VERINFER_INLINE void load_pairs(const Fr *from, int n, Lanes<Fr> &even, Lanes<Fr> &odd) {
    if (n == kLanes) {
        for (int line = 0; line < kLanes; ++line) __builtin_prefetch(from + kAhead + 2 * line);
        return load_pairs(from, even, odd);
    }
    Fr padded[2 * kLanes];
    for (int i = 0; i < 2 * kLanes; ++i) padded[i] = i < 2 * n ? from[i] : Fr::zero();
    load_pairs(padded, even, odd);
}

void gather(const Fr *table, const std::uint32_t *rows, Fr *out, std::size_t count) {
    constexpr std::size_t ahead = 16;  // the table may be too large for the first caches
    std::size_t i = 0;
    for (; i + ahead < count; ++i) {
        __builtin_prefetch(table + rows[i + ahead]);
        out[i] = table[rows[i]];
    }
    for (; i < count; ++i) out[i] = table[rows[i]];
}

void split(const Fr *in, Fr *even, Fr *odd, std::size_t count) {
    for (std::size_t i = 0; i < count; ++i) {
        __builtin_prefetch(in + kAhead + 2 * i);
        even[i] = in[2 * i];
        odd[i] = in[2 * i + 1];
    }
}

void fold(const Fr *in, Fr *out, std::size_t count, const Fr &r) {
    const auto challenge = broadcast(r);
    for (std::size_t i = 0; i < count; i += kLanes) {
        const int n = lanes_left(i, count);
        Lanes<Fr> at_0, at_1;
        load_pairs(in + 2 * i, n, at_0, at_1);
        store(out + i, n, at_0 + challenge * (at_1 - at_0));
    }
}

void absorb(const Fr *d, Fr *n, std::size_t count, const Fr &lambda) {
    const auto factor = broadcast(lambda);
    for (std::size_t i = 0; i < count; i += kLanes) {
        const int left = lanes_left(i, count);
        store(n + i, left, load(n + i, left) + factor * load(d + i, left));
    }
}

void add(const Fr *n, const Fr *d, Fr *n_out, Fr *d_out, std::size_t count) {
    for (std::size_t i = 0; i < count; i += kLanes) {
        const int left = lanes_left(i, count);
        Lanes<Fr> n0, n1, d0, d1;
        load_pairs(n + 2 * i, left, n0, n1);
        load_pairs(d + 2 * i, left, d0, d1);
        store(n_out + i, left, dot(n0, d1, n1, d0));
        store(d_out + i, left, d0 * d1);
    }
}

void add_units(const Fr *d, Fr *n_out, Fr *d_out, std::size_t count) {
    for (std::size_t i = 0; i < count; i += kLanes) {
        const int left = lanes_left(i, count);
        Lanes<Fr> d0, d1;
        load_pairs(d + 2 * i, left, d0, d1);
        store(n_out + i, left, d0 + d1);
        store(d_out + i, left, d0 * d1);
    }
}

void round(const FractionPairs &pairs, const Fr *eq, std::size_t count, Fr *sums) {
    Products<Fr> at_0, leading;
    for (std::size_t i = 0; i < count; i += kLanes) {
        const int n = lanes_left(i, count);
        const auto weight = load(eq + i, n);
        Lanes<Fr> n0[2], n1[2], d0[2], d1[2];
        load_pairs(pairs.n0 + 2 * i, n, n0[0], n0[1]);
        load_pairs(pairs.n1 + 2 * i, n, n1[0], n1[1]);
        load_pairs(pairs.d0 + 2 * i, n, d0[0], d0[1]);
        load_pairs(pairs.d1 + 2 * i, n, d1[0], d1[1]);
        at_0.add(dot(n0[0], d1[0], n1[0], d0[0]), weight);
        leading.add(dot(n0[1] - n0[0], d1[1] - d1[0], n1[1] - n1[0], d0[1] - d0[0]), weight);
    }
    sums[0] = at_0.total();
    sums[1] = leading.total();
}

void round_of_units(const FractionPairs &pairs, const Fr &shift, const Fr *eq, std::size_t count, Fr *sums) {
    const auto offset = broadcast(shift);
    Products<Fr> at_0, leading;
    for (std::size_t i = 0; i < count; i += kLanes) {
        const int n = lanes_left(i, count);
        const auto weight = load(eq + i, n);
        Lanes<Fr> d0[2], d1[2];
        load_pairs(pairs.d0 + 2 * i, n, d0[0], d0[1]);
        load_pairs(pairs.d1 + 2 * i, n, d1[0], d1[1]);
        at_0.add((d0[0] + offset) * (d1[0] + offset), weight);
        leading.add((d0[1] - d0[0]) * (d1[1] - d1[0]), weight);
    }
    sums[0] = at_0.total();
    sums[1] = leading.total();
}

}  // namespace

extern const FractionKernels fraction_kernels = {gather, split,     fold,  absorb,
                                                  add,    add_units, round, round_of_units};

}  // namespace verinfer::VERINFER_PATH
