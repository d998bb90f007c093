// Polynomials by their coefficients, the constant one first.

#include "grid.cuh"

namespace verinfer {

constexpr Index kRun = 32;  // coefficients that one thread divides

__device__ inline Fr power(const Fr &x, Index exponent) {
    Fr result = Fr::one();
    for (Fr square = x; exponent != 0; exponent /= 2, square = square.squared()) {
        if (exponent & 1) result *= square;
    }
    return result;
}

}  // namespace verinfer

using namespace verinfer;

// The value at x, given x^stride: each thread evaluates at that what the coefficients it meets are of.
VERINFER_KERNEL evaluate(const Fr *f, Index n, Word x0, Word x1, Word x2, Word x3, Word s0, Word s1, Word s2, Word s3,
                         Fr *partial, unsigned *done, Uint256 *out) {
    const Fr step = element(s0, s1, s2, s3);
    Fr sum[1] = {Fr::zero()};
    const Index first = first_index();
    if (first < n) {
        for (Index i = first + (n - 1 - first) / stride() * stride();; i -= stride()) {
            sum[0] = sum[0] * step + f[i];
            if (i < stride()) break;
        }
        sum[0] *= power(element(x0, x1, x2, x3), first);
    }
    sum_grid(sum, partial, done, out);
}

// h[t] = sum_j f[t kRun + j] a^j
VERINFER_KERNEL evaluate_runs(const Fr *f, Index n, Index runs, Word a0, Word a1, Word a2, Word a3, Fr *h) {
    const Fr a = element(a0, a1, a2, a3);
    for (Index run = first_index(); run < runs; run += stride()) {
        const Index begin = run * kRun, end = begin + kRun < n ? begin + kRun : n;
        Fr value = Fr::zero();
        for (Index i = end; i-- > begin;) value = value * a + f[i];
        h[run] = value;
    }
}

// The n - 1 coefficients of the quotient of f by X - a: q[i - 1] = f[i] + a q[i], run by run from what is carried into
// each, which is the quotient of the values of the runs (evaluate_runs) by X - a^kRun; none into the last.
VERINFER_KERNEL divide_runs(const Fr *f, Index n, Index runs, const Fr *carries, Word a0, Word a1, Word a2, Word a3,
                            Fr *q) {
    const Fr a = element(a0, a1, a2, a3);
    for (Index run = first_index(); run < runs; run += stride()) {
        const Index begin = run * kRun, end = begin + kRun < n ? begin + kRun : n;
        Fr value = run + 1 < runs ? carries[run] : Fr::zero();
        for (Index i = end; i-- > begin;) {
            value = value * a + f[i];
            if (i > 0) q[i - 1] = value;
        }
    }
}
