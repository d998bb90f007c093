// Multi-scalar multiplication by Pippenger's buckets: sum_i s_i P_i.
//
// Each window of the scalars adds every point to the bucket of its digit's magnitude, negated where the digit is, and
// the buckets B_v make the window's sum_v v B_v. With v = h 2^k + l that is, for about the square root of as many rows
// and columns,
//
//     2^k sum_h h (sum_l B_(h 2^k + l)) + sum_l l (sum_h B_(h 2^k + l))
//
// where the inner sums are sums of buckets again. The windows of one or more sums are worked on together, so that
// small ones share their inversions.

#pragma once

#include <span>

#include "curve.hpp"
#include "window_digits.hpp"

namespace verinfer {

// Writes the sum over all scalars times the points, for each of `sums`. No point may be at infinity; `points` are at
// least as many as any of the scalars.
void multi_scalar_multiply(const AffinePoint *points, std::span<const Scalars *const> sums, AffinePoint *results);

}  // namespace verinfer
