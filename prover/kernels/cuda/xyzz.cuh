// Points of G1 for sums that depend on each other: (X, Y, ZZ, ZZZ) for (X / ZZ, Y / ZZZ), ZZ^3 = ZZZ^2; ZZ = 0 is the
// point at infinity. Formulas: Explicit-Formulas Database, "XYZZ coordinates for short Weierstrass curves", add-2008-s,
// madd-2008-s, dbl-2008-s-1; 14, 10 and 9 products.

#pragma once

#include "../curve.hpp"

namespace verinfer {

// Sums that no kernel spends its time on are functions of their own: inlined, they take minutes to compile.
#if defined(__CUDACC__)
#define VERINFER_CALLED __device__ __noinline__
#else
#define VERINFER_CALLED inline
#endif

struct XyzzPoint {
    Fq x, y, zz, zzz;

    static VERINFER_INLINE XyzzPoint infinity() { return {Fq::zero(), Fq::zero(), Fq::zero(), Fq::zero()}; }
    VERINFER_INLINE bool is_infinity() const { return zz.is_zero(); }
};

VERINFER_CALLED XyzzPoint doubled(const XyzzPoint &a) {
    if (a.is_infinity()) return a;
    const Fq u = a.y.doubled(), v = u.squared(), w = u * v, s = a.x * v, square = a.x.squared();
    const Fq m = square.doubled() + square, x = m.squared() - s.doubled();
    return {x, m * (s - x) - w * a.y, v * a.zz, w * a.zzz};
}

VERINFER_INLINE XyzzPoint xyzz(const AffinePoint &a) { return {a.x, a.y, Fq::one(), Fq::one()}; }

// b is not infinity.
VERINFER_INLINE XyzzPoint operator+(const XyzzPoint &a, const AffinePoint &b) {
    if (a.is_infinity()) return xyzz(b);
    const Fq p = b.x * a.zz - a.x, r = b.y * a.zzz - a.y;
    if (p.is_zero()) return r.is_zero() ? doubled(a) : XyzzPoint::infinity();
    const Fq pp = p.squared(), ppp = p * pp, q = a.x * pp, x = r.squared() - ppp - q.doubled();
    return {x, r * (q - x) - a.y * ppp, a.zz * pp, a.zzz * ppp};
}

VERINFER_CALLED XyzzPoint operator+(const XyzzPoint &a, const XyzzPoint &b) {
    if (a.is_infinity()) return b;
    if (b.is_infinity()) return a;
    const Fq u = a.x * b.zz, s = a.y * b.zzz, p = b.x * a.zz - u, r = b.y * a.zzz - s;
    if (p.is_zero()) return r.is_zero() ? doubled(a) : XyzzPoint::infinity();
    const Fq pp = p.squared(), ppp = p * pp, q = u * pp, x = r.squared() - ppp - q.doubled();
    return {x, r * (q - x) - s * ppp, a.zz * b.zz * pp, a.zzz * b.zzz * ppp};
}

VERINFER_CALLED AffinePoint affine(const XyzzPoint &a) {
    // 1 / ZZZ gives both: ZZ^2 / ZZZ^2 = 1 / ZZ
    const Fq inverse = a.zzz.inverse();
    return {a.x * (a.zz * inverse).squared(), a.y * inverse};
}

}  // namespace verinfer
