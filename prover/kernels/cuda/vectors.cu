// Vectors of elements of Fr: from integers, elementwise arithmetic, tables of eq, and inverses.

#include "grid.cuh"

namespace verinfer {

template <class Integer>
__device__ inline void from_integers(const Integer *values, Index n, Fr *out) {
    for (Index i = first_index(); i < n; i += stride()) out[i] = Fr::from_integer(values[i]);
}

}  // namespace verinfer

using namespace verinfer;

VERINFER_KERNEL from_int8(const signed char *values, Index n, Fr *out) { from_integers(values, n, out); }
VERINFER_KERNEL from_int16(const short *values, Index n, Fr *out) { from_integers(values, n, out); }
VERINFER_KERNEL from_int32(const int *values, Index n, Fr *out) { from_integers(values, n, out); }
VERINFER_KERNEL from_int64(const std::int64_t *values, Index n, Fr *out) { from_integers(values, n, out); }

VERINFER_KERNEL multiply(const Fr *a, const Fr *b, Index n, Fr *out) {
    for (Index i = first_index(); i < n; i += stride()) out[i] = a[i] * b[i];
}

VERINFER_KERNEL scale(const Fr *x, Index n, Fr *out, Word f0, Word f1, Word f2, Word f3) {
    const Fr factor = element(f0, f1, f2, f3);
    for (Index i = first_index(); i < n; i += stride()) out[i] = x[i] * factor;
}

// y += factor * x
VERINFER_KERNEL add_scaled(const Fr *x, Index n, Fr *y, Word f0, Word f1, Word f2, Word f3) {
    const Fr factor = element(f0, f1, f2, f3);
    for (Index i = first_index(); i < n; i += stride()) y[i] += x[i] * factor;
}

// a[i] * b[j] at i * columns + j.
VERINFER_KERNEL kron(const Fr *a, const Fr *b, Index n, Index columns, Fr *out) {
    const unsigned width = static_cast<unsigned>(columns);  // vectors have fewer than 2^32 elements
    for (Index i = first_index(); i < n; i += stride()) {
        const unsigned place = static_cast<unsigned>(i);
        out[i] = a[place / width] * b[place % width];
    }
}

// out[j] = (1 - x) f[2j] + x f[2j + 1]
VERINFER_KERNEL fold_pairs(const Fr *f, Index n, Fr *out, Word x0, Word x1, Word x2, Word x3) {
    const Fr x = element(x0, x1, x2, x3);
    for (Index i = first_index(); i < n; i += stride()) out[i] = f[2 * i] + x * (f[2 * i + 1] - f[2 * i]);
}

// eq of all prefixes of a point: that of its first k coordinates, for i < 2^k, at 2^k + i.
VERINFER_KERNEL eq_prefixes(const Fr *point, Index n, Fr *out) {
    for (Index place = first_index(); place < n; place += stride()) {
        Fr product = Fr::one();
        int k = 63 - __clzll(static_cast<long long>(place | 1));
        for (const Fr *z = point; k-- > 0; ++z) {
            const Fr at_1 = product * *z;
            product = place >> k & 1 ? at_1 : product - at_1;
        }
        out[place] = product;
    }
}

VERINFER_KERNEL dot(const Fr *a, const Fr *b, Index n, Fr *partial, unsigned *done, Uint256 *out) {
    Fr sum[1] = {Fr::zero()};
    for (Index i = first_index(); i < n; i += stride()) sum[0] += a[i] * b[i];
    sum_grid(sum, partial, done, out);
}

// Each thread shares one inversion among its elements (Montgomery 1987): prefix products, their inverse by Fermat, and
// back. Sets *failed if an element is zero.
VERINFER_KERNEL inverse(const Fr *x, Index n, Fr *out, unsigned *failed) {
    Fr product = Fr::one();
    for (Index i = first_index(); i < n; i += stride()) {
        out[i] = product;
        product *= x[i];
    }
    if (product.is_zero()) {
        *failed = 1;
        return;
    }
    Uint256 exponent = Fr::modulus();
    exponent.word[0] -= 2;
    Fr inverse = Fr::one();
    for (int bit = 255; bit-- > 0;) {
        inverse = inverse.squared();
        if (exponent.word[bit / 64] >> (bit % 64) & 1) inverse *= product;
    }
    if (first_index() >= n) return;
    const Index last = first_index() + (n - 1 - first_index()) / stride() * stride();
    for (Index i = last;; i -= stride()) {
        out[i] *= inverse;
        inverse *= x[i];
        if (i < stride()) break;
    }
}
