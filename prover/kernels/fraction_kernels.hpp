// The inner loops over fractions (fraction_tree.hpp, fraction_layer.hpp): each goes over one block, which the first
// caches hold.

#pragma once

#include <cstddef>
#include <cstdint>

#include "field.hpp"
#include "instruction_set.hpp"

namespace verinfer {

// Pairs of fractions side by side: number x is n0[x] / d0[x] and n1[x] / d1[x]. No n0 and n1: all numerators are 1.
struct FractionPairs {
    const Fr *n0, *n1, *d0, *d1;
};

struct FractionKernels {
    // out[i] = table[rows[i]] for i < count.
    void (*gather)(const Fr *table, const std::uint32_t *rows, Fr *out, std::size_t count);

    // even[i] = in[2i], odd[i] = in[2i + 1] for i < count.
    void (*split)(const Fr *in, Fr *even, Fr *odd, std::size_t count);

    // out[i] = in[2i] + r * (in[2i + 1] - in[2i]) for i < count. The two may not overlap.
    void (*fold)(const Fr *in, Fr *out, std::size_t count, const Fr &r);

    // n[i] += lambda * d[i] for i < count.
    void (*absorb)(const Fr *d, Fr *n, std::size_t count, const Fr &lambda);

    // The sums n[2i] / d[2i] + n[2i + 1] / d[2i + 1] for i < count, as numerators and denominators.
    void (*add)(const Fr *n, const Fr *d, Fr *n_out, Fr *d_out, std::size_t count);

    // The same where every n[i] is 1.
    void (*add_units)(const Fr *d, Fr *n_out, Fr *d_out, std::size_t count);

    // With f(X) = f[2i] + X * (f[2i + 1] - f[2i]) for each of n0, n1, d0, d1, g(0) and the coefficient of X^2 of
    // g(X) = sum over i < count of eq[i] * (n0(X) * d1(X) + n1(X) * d0(X)).
    void (*round)(const FractionPairs &pairs, const Fr *eq, std::size_t count, Fr *sums);

    // The same of g(X) = sum over i < count of eq[i] * (d0(X) + shift) * (d1(X) + shift).
    void (*round_of_units)(const FractionPairs &pairs, const Fr &shift, const Fr *eq, std::size_t count, Fr *sums);
};

VERINFER_PATHS(FractionKernels, fraction_kernels)

}  // namespace verinfer
