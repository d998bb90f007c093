// The inner loops of the sumcheck for products of multilinear polynomials (product_sumcheck.cpp).

#pragma once

#include <cstddef>

#include "field.hpp"
#include "instruction_set.hpp"

namespace verinfer {

struct ProductKernels {
    // The sum over i < count of the product over the two or three f of factors[f][i].
    Fr (*sum)(const Fr *const *factors, std::size_t factor_count, std::size_t count);

    // out[i] = low[i] + r * (high[i] - low[i]) for i < count. `out` may be `low`.
    void (*fold)(const Fr *low, const Fr *high, Fr *out, std::size_t count, const Fr &r);

    // Of g(X) = sum over i < count of the product over f of low[f][i] + X * (high[f][i] - low[f][i]): for two factors
    // {g(0), the coefficient of X^2}, for three {g(0), g(-1), the coefficient of X^3}.
    void (*sums_of_2)(const Fr *const *low, const Fr *const *high, std::size_t count, Fr *sums);
    void (*sums_of_3)(const Fr *const *low, const Fr *const *high, std::size_t count, Fr *sums);
};

VERINFER_PATHS(ProductKernels, product_kernels)

}  // namespace verinfer
