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

// Without vectors a lane costs as much as a sum of its own.
void weighted_sums(const AffinePoint *points, std::size_t rows, std::size_t length, ProjectivePoint<Fq> *sums) {
    if (instruction_set() != InstructionSet::portable) {
        return point_sum_kernels().weighted_sums(points, rows, length, sums);
    }
    for (std::size_t row = 0; row < rows; ++row) {
        ProjectivePoint<Fq> tail = projective(AffinePoint::infinity()), total = tail;
        for (std::size_t i = length; i-- > 0;) {
            const AffinePoint &point = points[row * length + i];
            if (!point.is_infinity()) tail = tail + projective(point);
            total = total + tail;
        }
        sums[row] = total;
    }
}

void horner(const HornerStep *steps, std::size_t count, std::size_t lanes, ProjectivePoint<Fq> (&sums)[kLanes]) {
    if (lanes > 1 && instruction_set() != InstructionSet::portable) {
        return point_sum_kernels().horner(steps, count, sums);
    }
    for (std::size_t lane = 0; lane < lanes; ++lane) {
        ProjectivePoint<Fq> total = steps[0].terms[lane];
        for (std::size_t i = 1; i < count; ++i) {
            for (int bit = 0; bit < steps[i].doublings; ++bit) total = doubled(total);
            if (!steps[i].terms[lane].z.is_zero()) total = total + steps[i].terms[lane];
        }
        sums[lane] = total;
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
