// The tree that adds up fractions, and the sumchecks between its levels (`fraction_tree.hpp`, `fraction_layer.hpp`).
//
// Level 0 are the leaves: leaf i is numerator(i) / denominators[rows[i]], and is never stored. Node i of a level is the
// sum of the nodes 2i and 2i + 1 beneath it. What lies beyond the last node is dead, 0/1.
//
// A layer's sumcheck is of sum_x eq(z, x) G(x), G = N0 D1 + N1 D0 + mix D0 D1, with Nc(x) = N(2x + c), Dc(x) = D(2x + c),
// its least significant variable first. N1 is taken with mix * D1 added: then G = N0 D1 + N1 D0.
//
// eq(z, i) is the product of the eq of the block of kThreads pairs, from a table of all prefixes of the point
// (`eq_prefixes`), and of the eq of the pair within the block, which is one number for each thread: each thread meets
// pairs of one place in their blocks only.

#include "grid.cuh"

namespace verinfer {

struct Node {
    Fr n, d;
};

__device__ inline Node sum_of(const Node &a, const Node &b) { return {a.n * b.d + b.n * a.d, a.d * b.d}; }

// Leaves. Numerators other than 1 lie in `special` by tiles of 256 leaves: those of tile t from place[t] * 256 on, or
// all of the tile's are 1 where place[t] is kUnits.
struct Leaves {
    static constexpr unsigned kUnits = 0xffffffff;

    const unsigned *rows;
    const Fr *denominators;
    const unsigned *place;
    const Fr *special;
    Index leaves;

    __device__ Node node(Index i) const {
        if (i >= leaves) return {Fr::zero(), Fr::one()};
        const unsigned tile = place[i / 256];
        return {tile == kUnits ? Fr::one() : special[static_cast<Index>(tile) * 256 + i % 256], denominators[rows[i]]};
    }
};

struct Stored {
    const Fr *n, *d;
    Index nodes;

    __device__ Node node(Index i) const {
        if (i >= nodes) return {Fr::zero(), Fr::one()};
        return {n[i], d[i]};
    }
};

// The four factors at one x.
struct Pair {
    Fr n0, n1, d0, d1;
};

__device__ inline Fr between(const Fr &a, const Fr &b, const Fr &r) { return a + r * (b - a); }

__device__ inline Pair between(const Pair &a, const Pair &b, const Fr &r) {
    return {between(a.n0, b.n0, r), between(a.n1, b.n1, r), between(a.d0, b.d0, r), between(a.d1, b.d1, r)};
}

// The factors as a level has them. Lies in the device's memory.
template <class Level>
struct Unbound {
    Fr mix;
    Level level;

    __device__ Pair pair(Index x) const {
        const Node a = level.node(2 * x), b = level.node(2 * x + 1);
        return {a.n, b.n + mix * b.d, a.d, b.d};
    }
};

// The factors after variables were bound, four vectors one after the other.
struct Bound {
    Fr mix;
    const Fr *factors;
    Index size;

    __device__ Pair pair(Index x) const {
        if (x >= size) return {Fr::zero(), mix, Fr::one(), Fr::one()};
        return {factors[x], factors[size + x], factors[2 * size + x], factors[3 * size + x]};
    }
};

__device__ inline void store(Fr *to, Index size, Index x, const Pair &pair) {
    to[x] = pair.n0;
    to[size + x] = pair.n1;
    to[2 * size + x] = pair.d0;
    to[3 * size + x] = pair.d1;
}

// eq of the last coordinates of a point of `variables` and this thread's place in its block of pairs.
__device__ inline Fr eq_in_block(const Fr *point, int variables) {
    const int within = variables < 8 ? variables : 8;
    Fr product = Fr::one();
    for (int k = 0; k < within; ++k) {
        const Fr at_1 = product * point[variables - within + k];
        product = threadIdx.x >> (within - 1 - k) & 1 ? at_1 : product - at_1;
    }
    return product;
}

// What a pair of x adds to t(0) and to the coefficient of X^2, times the eq of its block.
__device__ inline void add_round(const Pair &a, const Pair &b, const Fr &eq, Fr (&sums)[2]) {
    sums[0] += eq * (a.n0 * a.d1 + a.n1 * a.d0);
    sums[1] += eq * ((b.n0 - a.n0) * (b.d1 - a.d1) + (b.n1 - a.n1) * (b.d0 - a.d0));
}

// The round over `pairs` pairs of x. `variables` coordinates of the point number all pairs, and `prefixes` are the eq of
// their blocks of kThreads, from that of the first pair here on.
template <class Values>
__device__ inline void fraction_round(const Values &values, Index pairs, const Fr *point, int variables,
                                      const Fr *prefixes, Fr *partial, unsigned *done, Uint256 *out) {
    Fr sums[2] = {Fr::zero(), Fr::zero()};
    for (Index i = first_index(); i < pairs; i += stride()) {
        add_round(values.pair(2 * i), values.pair(2 * i + 1), prefixes[i / kThreads], sums);
    }
    const Fr eq = eq_in_block(point, variables);
    VERINFER_UNROLL
    for (int k = 0; k < 2; ++k) sums[k] *= eq;
    sum_grid(sums, partial, done, out);
}

// The same after the next variable is bound to r; `size` x are left, and their factors go to `to`.
template <class Values>
__device__ inline void fraction_bind_round(const Values &values, Index size, const Fr &r, Fr *to, const Fr *point,
                                           int variables, const Fr *prefixes, Fr *partial, unsigned *done,
                                           Uint256 *out) {
    Fr sums[2] = {Fr::zero(), Fr::zero()};
    const Index pairs = (size + 1) / 2;
    for (Index i = first_index(); i < pairs; i += stride()) {
        Pair half[2];
        // not unrolled: with both in registers at a time, half as many threads would fit a processor
        for (int c = 0; c < 2; ++c) {
            const Index x = 2 * i + c;
            if (x < size) {
                half[c] = between(values.pair(2 * x), values.pair(2 * x + 1), r);
                store(to, size, x, half[c]);
            } else {
                half[c] = {Fr::zero(), values.mix, Fr::one(), Fr::one()};
            }
        }
        add_round(half[0], half[1], prefixes[i / kThreads], sums);
    }
    const Fr eq = eq_in_block(point, variables);
    VERINFER_UNROLL
    for (int k = 0; k < 2; ++k) sums[k] *= eq;
    sum_grid(sums, partial, done, out);
}

template <class Values>
__device__ inline void fraction_bind(const Values &values, Index size, const Fr &r, Fr *to) {
    for (Index x = first_index(); x < size; x += stride()) {
        store(to, size, x, between(values.pair(2 * x), values.pair(2 * x + 1), r));
    }
}

template <class Level>
__device__ inline void fraction_sums(const Level &below, Index nodes, Fr *n, Fr *d) {
    for (Index i = first_index(); i < nodes; i += stride()) {
        const Node node = sum_of(below.node(2 * i), below.node(2 * i + 1));
        n[i] = node.n;
        d[i] = node.d;
    }
}

}  // namespace verinfer

using namespace verinfer;

#define VERINFER_LEVEL(NAME, LEVEL)                                                                                \
    VERINFER_KERNEL fraction_sums_##NAME(const Unbound<LEVEL> *values, Index count, Fr *n, Fr *d) {                \
        fraction_sums(values->level, count, n, d);                                                                 \
    }                                                                                                              \
    VERINFER_KERNEL fraction_round_##NAME(const Unbound<LEVEL> *values, Index pairs, const Fr *point,              \
                                          Index variables, const Fr *prefixes, Fr *partial, unsigned *done,        \
                                          Uint256 *out) {                                                          \
        fraction_round(*values, pairs, point, static_cast<int>(variables), prefixes, partial, done, out);          \
    }                                                                                                              \
    VERINFER_KERNEL fraction_bind_round_##NAME(const Unbound<LEVEL> *values, Index size, Word r0, Word r1,         \
                                               Word r2, Word r3, Fr *to, const Fr *point, Index variables,         \
                                               const Fr *prefixes, Fr *partial, unsigned *done, Uint256 *out) {    \
        fraction_bind_round(*values, size, element(r0, r1, r2, r3), to, point, static_cast<int>(variables),        \
                            prefixes, partial, done, out);                                                         \
    }                                                                                                              \
    VERINFER_KERNEL fraction_bind_##NAME(const Unbound<LEVEL> *values, Index size, Word r0, Word r1, Word r2,      \
                                         Word r3, Fr *to) {                                                        \
        fraction_bind(*values, size, element(r0, r1, r2, r3), to);                                                 \
    }

VERINFER_LEVEL(leaves, Leaves)
VERINFER_LEVEL(stored, Stored)

VERINFER_KERNEL fraction_nodes(const Unbound<Leaves> *values, Index count, Fr *n, Fr *d) {
    for (Index i = first_index(); i < count; i += stride()) {
        const Node node = values->level.node(i);
        n[i] = node.n;
        d[i] = node.d;
    }
}

VERINFER_KERNEL fraction_round_bound(const Fr *factors, Index before, Word m0, Word m1, Word m2, Word m3, Index pairs,
                                     const Fr *point, Index variables, const Fr *prefixes, Fr *partial,
                                     unsigned *done, Uint256 *out) {
    fraction_round(Bound{element(m0, m1, m2, m3), factors, before}, pairs, point, static_cast<int>(variables),
                   prefixes, partial, done, out);
}

VERINFER_KERNEL fraction_bind_round_bound(const Fr *factors, Index before, Word m0, Word m1, Word m2, Word m3,
                                          Index size, Word r0, Word r1, Word r2, Word r3, Fr *to, const Fr *point,
                                          Index variables, const Fr *prefixes, Fr *partial, unsigned *done,
                                          Uint256 *out) {
    const Bound values{element(m0, m1, m2, m3), factors, before};
    fraction_bind_round(values, size, element(r0, r1, r2, r3), to, point, static_cast<int>(variables), prefixes,
                        partial, done, out);
}

VERINFER_KERNEL fraction_bind_bound(const Fr *factors, Index before, Word m0, Word m1, Word m2, Word m3, Index size,
                                    Word r0, Word r1, Word r2, Word r3, Fr *to) {
    fraction_bind(Bound{element(m0, m1, m2, m3), factors, before}, size, element(r0, r1, r2, r3), to);
}
