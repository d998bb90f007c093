// Eight field elements side by side: the arithmetic that kernels are written in, once for every instruction set.
//
//     Lanes<F, B>                  eight elements of F, each held as an integer below B * p
//     load(p), load(p, n)          of p[0..7]; of p[0..n-1], n <= 8, and zeros
//     load_integers(p)             of p[0..7] not reduced: any integers below 2^256, which are below 6 * p
//     store(p, x), store(p, n, x)  fully reduced
//     gather(table, rows)          of table[rows[0..7]]; gather(table, rows, n)
//     load_pairs(p, even, odd)     of p[0..15]: those at even and at odd indices
//     store_pairs(p, even, odd)    the other way round
//     broadcast(x)
//     a + b, a - b                 Lanes<F, A + B>
//     a * b, squared(a)            Lanes<F, 2>, for A * B <= kMaxBound
//     dot(a, b, c, d)              a * b + c * d, in less time
//     doubled(a), reduced(a)       Lanes<F, 2 * A>; Lanes<F, 1>
//     zeros(a)                     bit i is set if element i is zero
//     select(mask, a, b)           element i of a where bit i is set, of b elsewhere
//     sum(a)                       the sum of the eight, as an F
//     Products<F>                  a sum of many products, reduced at the end: add(a, b), then total() or lanes()
//
// The bound B is part of the type, so that a sum too large for a product does not compile. A path without vectors
// reduces everything at once and ignores it.

#pragma once

#include <cstddef>
#include <cstdint>

#include "field.hpp"
#include "instruction_set.hpp"

namespace verinfer {

constexpr int kLanes = 8;

// The largest B for which B * p < 2^260 (r and q agree in their upper half), and so the largest A * B for which
// (A * p) * (B * p) / 2^260 + p < 2 * p.
constexpr int kMaxBound = 84;

}  // namespace verinfer

#if defined(VERINFER_PRIMITIVE)
#include "lanes_avx512.hpp"
#else
#include "lanes_portable.hpp"
#endif
