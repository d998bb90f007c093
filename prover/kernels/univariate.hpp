// Polynomials in one variable, coefficients in rising order: the steps of a HyperKZG opening, in which the values of a
// multilinear polynomial on the hypercube serve as coefficients.

#pragma once

#include <cstddef>

#include "lanes.hpp"

namespace verinfer {

// f(x) is the sum of x^(kPowers i) * (kPowers coefficients weighted by 1, x, ..., x^(kPowers - 1)).
constexpr int kPowers = 8 * kLanes;

struct UnivariateKernels {
    // to[j] = from[2 j] + x * (from[2 j + 1] - from[2 j]) for `count` j.
    void (*fold_pairs)(const Fr *from, std::size_t count, const Fr &x, Fr *to);
    // sum_i f[i] * x^i for powers[i] = x^i, and `next` the power that follows.
    Fr (*evaluate)(const Fr *f, std::size_t count, const Fr (&powers)[kPowers], const Fr &next);
    // Horner's scheme: to[i] = f[i] + x * to[i + 1], in kLanes segments of `length` coefficients. carries[s] stands for
    // what follows the s-th segment.
    void (*horner)(const Fr *f, std::size_t length, const Fr &x, const Fr (&carries)[kLanes], Fr *to);
    // to[i] = sum_k scalars[k] * vectors[k][i] for begin <= i < end, where a vector is zero behind its length.
    void (*combine)(const Fr *const *vectors, const std::size_t *lengths, const Fr *scalars, std::size_t count,
                    std::size_t begin, std::size_t end, Fr *to);
};
VERINFER_PATHS(UnivariateKernels, univariate_kernels)

}  // namespace verinfer
