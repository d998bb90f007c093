#include "point_sums.hpp"

namespace verinfer {

namespace {

VERINFER_INLINE AffinePoint referenced(const AffinePoint *points, PointReference reference) {
    const AffinePoint &point = points[reference >> 1];
    return reference & 1 ? -point : point;
}

}  // namespace

// One inversion for all (Montgomery's trick): the products of ever more denominators, and then, from the last pair
// back, the inverse of each from that of the product up to it.
void add_any_pairs(const AffinePoint *points, const PointReference *left, const PointReference *right,
                   std::size_t count, AffinePoint *sums, Fq *scratch) {
    Fq product = Fq::one();
    for (std::size_t i = 0; i < count; ++i) {
        scratch[i] = product;
        product *= slope_denominator(referenced(points, left[i]), referenced(points, right[i]));
    }
    Fq inverse = product.inverse();
    for (std::size_t i = count; i-- > 0;) {
        const AffinePoint a = referenced(points, left[i]), b = referenced(points, right[i]);
        sums[i] = sum_by_slope(a, b, inverse * scratch[i]);
        inverse *= slope_denominator(a, b);
    }
}

void invert_all(Fq *elements, std::size_t count, Fq *scratch) {
    Fq product = Fq::one();
    for (std::size_t i = 0; i < count; ++i) {
        scratch[i] = product;
        if (!elements[i].is_zero()) product *= elements[i];
    }
    Fq inverse = product.inverse();
    for (std::size_t i = count; i-- > 0;) {
        if (elements[i].is_zero()) continue;
        const Fq element = elements[i];
        elements[i] = inverse * scratch[i];
        inverse *= element;
    }
}

}  // namespace verinfer
