// The group G1 of BN254: y^2 = x^3 + 3 over Fq, of prime order r.
//
// Points are stored in affine form, and where many additions do not depend on each other they share one inversion:
//
//     s = (y2 - y1) / (x2 - x1), or 3 x1^2 / (2 y1) where the points are equal
//     x3 = s^2 - x1 - x2,    y3 = s (x1 - x3) - y1
//
// The homogeneous form, (X : Y : Z) for (X/Z, Y/Z), is for sums that do depend on each other. Its formulas are complete
// (Renes, Costello, Batina 2016, algorithms 7 and 9): they hold for every pair of points, without a branch, and so for
// eight points side by side as well as for one.
//
// Free of the standard library, of exceptions and of intrinsics: a CUDA compiler reads this file as well.

#pragma once

#include "field.hpp"

namespace verinfer {

// (0, 0), which is not on the curve, stands for the point at infinity.
struct alignas(64) AffinePoint {
    Fq x, y;

    static VERINFER_INLINE AffinePoint infinity() { return {Fq::zero(), Fq::zero()}; }
    VERINFER_INLINE bool is_infinity() const { return x.is_zero() && y.is_zero(); }
    VERINFER_INLINE bool is_on_curve() const {
        return y.squared() == x.squared() * x + Fq::one() + Fq::one().doubled();
    }
    friend VERINFER_INLINE AffinePoint operator-(const AffinePoint &a) { return {a.x, -a.y}; }
};

// What the slope of the line through a and b is divided by; one if their sum needs no slope.
VERINFER_INLINE Fq slope_denominator(const AffinePoint &a, const AffinePoint &b) {
    if (a.is_infinity() || b.is_infinity()) return Fq::one();
    if (!(a.x == b.x)) return b.x - a.x;
    return a.y == b.y ? a.y.doubled() : Fq::one();  // y is never zero, since the order of the group is odd
}

// a + b, given the inverse of slope_denominator(a, b).
VERINFER_INLINE AffinePoint sum_by_slope(const AffinePoint &a, const AffinePoint &b, const Fq &inverse) {
    if (a.is_infinity()) return b;
    if (b.is_infinity()) return a;
    Fq numerator = b.y - a.y;
    if (a.x == b.x) {
        if (!(a.y == b.y)) return AffinePoint::infinity();
        const Fq square = a.x.squared();
        numerator = square.doubled() + square;
    }
    const Fq slope = numerator * inverse;
    const Fq x = slope.squared() - a.x - b.x;
    return {x, slope * (a.x - x) - a.y};
}

// The vocabulary of lanes.hpp for a single element.
VERINFER_INLINE Fq squared(const Fq &a) { return a.squared(); }
VERINFER_INLINE Fq doubled(const Fq &a) { return a.doubled(); }
VERINFER_INLINE Fq reduced(const Fq &a) { return a; }
VERINFER_INLINE Fq dot(const Fq &a, const Fq &b, const Fq &c, const Fq &d) { return a * b + c * d; }

// `F` is Fq, or what the product of Lanes<Fq> is.
template <class F>
struct ProjectivePoint {
    F x, y, z;

    friend VERINFER_INLINE ProjectivePoint operator+(const ProjectivePoint &a, const ProjectivePoint &b) {
        const auto xx = a.x * b.x, yy = a.y * b.y, zz = a.z * b.z;
        const auto xy = (a.x + a.y) * (b.x + b.y) - (xx + yy);  // x1 y2 + x2 y1, and so on
        const auto yz_square = (a.y + a.z) * (b.y + b.z);
        const auto yz = yz_square - (yy + zz), minus_yz = (yy + zz) - yz_square;
        const auto xz = reduced(nine_times((a.x + a.z) * (b.x + b.z) - (xx + zz)));
        const auto nine_zz = reduced(nine_times(zz));
        const auto three_xx = doubled(xx) + xx;
        const auto sum = yy + nine_zz;
        const auto difference = yy - nine_zz;
        return {dot(xy, difference, minus_yz, xz), dot(difference, sum, three_xx, xz), dot(sum, yz, three_xx, xy)};
    }

    friend VERINFER_INLINE ProjectivePoint doubled(const ProjectivePoint &a) {
        const auto yy = squared(a.y);
        const auto eight_yy = doubled(doubled(doubled(yy)));
        const auto nine_zz = reduced(nine_times(squared(a.z)));
        const auto difference = yy - (doubled(nine_zz) + nine_zz);
        return {difference * doubled(a.x * a.y), dot(difference, yy + nine_zz, nine_zz, eight_yy),
                (a.y * a.z) * eight_yy};
    }

    // By three times the constant of the curve's equation.
    template <class A>
    static VERINFER_INLINE auto nine_times(const A &a) {
        return doubled(doubled(doubled(a))) + a;
    }
};

VERINFER_INLINE ProjectivePoint<Fq> projective(const AffinePoint &a) {
    return {a.x, a.is_infinity() ? Fq::one() : a.y, a.is_infinity() ? Fq::zero() : Fq::one()};
}

// Given the inverse of a.z; if that is zero, then of zero.
VERINFER_INLINE AffinePoint affine(const ProjectivePoint<Fq> &a, const Fq &inverse_of_z) {
    return {a.x * inverse_of_z, a.y * inverse_of_z};
}

}  // namespace verinfer
