// The sumcheck of a sum of products of two or three vectors (`prover/sumcheck/rounds.py`).
//
// The variable of a round is the most significant one: X = 0 is the first half of a vector, X = 1 the second. A round
// states of g(X) = sum_x prod_f f(X, x) the value at 0, that at -1 if there are three factors, and the coefficient of
// the highest power.

#include "grid.cuh"

namespace verinfer {

// What one x adds to a round: f(0, x) is low[f], f(1, x) is high[f].
template <int kFactors>
__device__ inline void add_round(const Fr (&low)[kFactors], const Fr (&high)[kFactors], Fr (&sums)[kFactors]) {
    Fr step[kFactors];
    VERINFER_UNROLL
    for (int f = 0; f < kFactors; ++f) step[f] = high[f] - low[f];
    if constexpr (kFactors == 2) {
        sums[0] += low[0] * low[1];
        sums[1] += step[0] * step[1];
    } else {
        sums[0] += low[0] * low[1] * low[2];
        sums[1] += (low[0] - step[0]) * (low[1] - step[1]) * (low[2] - step[2]);
        sums[2] += step[0] * step[1] * step[2];
    }
}

template <int kFactors>
struct Factors {
    Fr *f[kFactors];
};

template <int kFactors>
__device__ inline void product_sum(const Factors<kFactors> &x, Index n, Fr *partial, unsigned *done, Uint256 *out) {
    Fr sum[1] = {Fr::zero()};
    for (Index i = first_index(); i < n; i += stride()) {
        Fr product = x.f[0][i] * x.f[1][i];
        if constexpr (kFactors == 3) product *= x.f[2][i];
        sum[0] += product;
    }
    sum_grid(sum, partial, done, out);
}

template <int kFactors>
__device__ inline void product_round(const Factors<kFactors> &x, Index n, Fr *partial, unsigned *done, Uint256 *out) {
    Fr sums[kFactors];
    VERINFER_UNROLL
    for (int k = 0; k < kFactors; ++k) sums[k] = Fr::zero();
    const Index half = n / 2;
    for (Index i = first_index(); i < half; i += stride()) {
        Fr low[kFactors], high[kFactors];
        VERINFER_UNROLL
        for (int f = 0; f < kFactors; ++f) {
            low[f] = x.f[f][i];
            high[f] = x.f[f][i + half];
        }
        add_round(low, high, sums);
    }
    sum_grid(sums, partial, done, out);
}

// Binds the variable to r in place, and states the next round.
template <int kFactors>
__device__ inline void product_bind_round(const Factors<kFactors> &x, Index n, const Fr &r, Fr *partial,
                                          unsigned *done, Uint256 *out) {
    Fr sums[kFactors];
    VERINFER_UNROLL
    for (int k = 0; k < kFactors; ++k) sums[k] = Fr::zero();
    const Index half = n / 2, quarter = n / 4;
    for (Index i = first_index(); i < quarter; i += stride()) {
        Fr low[kFactors], high[kFactors];
        VERINFER_UNROLL
        for (int f = 0; f < kFactors; ++f) {
            Fr *v = x.f[f] + i;
            low[f] = v[0] + r * (v[half] - v[0]);
            high[f] = v[quarter] + r * (v[half + quarter] - v[quarter]);
            v[0] = low[f];
            v[quarter] = high[f];
        }
        add_round(low, high, sums);
    }
    sum_grid(sums, partial, done, out);
}

}  // namespace verinfer

using namespace verinfer;

VERINFER_KERNEL product_sum_2(Fr *a, Fr *b, Index n, Fr *partial, unsigned *done, Uint256 *out) {
    product_sum(Factors<2>{{a, b}}, n, partial, done, out);
}
VERINFER_KERNEL product_sum_3(Fr *a, Fr *b, Fr *c, Index n, Fr *partial, unsigned *done, Uint256 *out) {
    product_sum(Factors<3>{{a, b, c}}, n, partial, done, out);
}
VERINFER_KERNEL product_round_2(Fr *a, Fr *b, Index n, Fr *partial, unsigned *done, Uint256 *out) {
    product_round(Factors<2>{{a, b}}, n, partial, done, out);
}
VERINFER_KERNEL product_round_3(Fr *a, Fr *b, Fr *c, Index n, Fr *partial, unsigned *done, Uint256 *out) {
    product_round(Factors<3>{{a, b, c}}, n, partial, done, out);
}
VERINFER_KERNEL product_bind_round_2(Fr *a, Fr *b, Index n, Word r0, Word r1, Word r2, Word r3, Fr *partial,
                                     unsigned *done, Uint256 *out) {
    product_bind_round(Factors<2>{{a, b}}, n, element(r0, r1, r2, r3), partial, done, out);
}
VERINFER_KERNEL product_bind_round_3(Fr *a, Fr *b, Fr *c, Index n, Word r0, Word r1, Word r2, Word r3, Fr *partial,
                                     unsigned *done, Uint256 *out) {
    product_bind_round(Factors<3>{{a, b, c}}, n, element(r0, r1, r2, r3), partial, done, out);
}

// The first `half` elements of v with the variable bound to r.
VERINFER_KERNEL bind_first(Fr *v, Index half, Word r0, Word r1, Word r2, Word r3) {
    const Fr r = element(r0, r1, r2, r3);
    for (Index i = first_index(); i < half; i += stride()) v[i] += r * (v[i + half] - v[i]);
}
