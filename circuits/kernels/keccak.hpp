// The permutation Keccak-f[1600], of one state or of several independent ones side by side.
//
// FIPS 202, section 3.2. A state is 25 lanes of 64 bits, lane (x, y) at index x + 5y. One round is
//
//   theta   C[x] = A[x,0] ^ ... ^ A[x,4],  A[x,y] ^= C[x-1] ^ rotl(C[x+1], 1)
//   rho, pi B[y, 2x+3y] = rotl(A[x,y], r[x,y])
//   chi     A[x,y] = B[x,y] ^ (~B[x+1,y] & B[x+2,y])
//   iota    A[0,0] ^= RC[round]
//
// `Lane` is uint64_t, or a GCC vector of n of them, which computes n permutations at once.
//
// Free of the standard library: a CUDA compiler reads this file as well.

#pragma once

#include "compilers.hpp"

namespace verinfer {

// How many lanes Keccak-256 takes in between two permutations: 1088 bits.
constexpr int kRateWords = 17;

VERINFER_TABLE std::uint64_t kRoundConstants[24] = {
    0x0000000000000001, 0x0000000000008082, 0x800000000000808a, 0x8000000080008000, 0x000000000000808b,
    0x0000000080000001, 0x8000000080008081, 0x8000000000008009, 0x000000000000008a, 0x0000000000000088,
    0x0000000080008009, 0x000000008000000a, 0x000000008000808b, 0x800000000000008b, 0x8000000000008089,
    0x8000000000008003, 0x8000000000008002, 0x8000000000000080, 0x000000000000800a, 0x800000008000000a,
    0x8000000080008081, 0x8000000000008080, 0x0000000080000001, 0x8000000080008008};

// r[x, y] of lane x + 5y.
VERINFER_INLINE constexpr int rotation(int lane) {
    constexpr int r[25] = {0,  1, 62, 28, 27, 36, 44, 6,  55, 20, 3,  10, 43,
                           25, 39, 41, 45, 15, 21, 8,  18, 2,  61, 56, 14};
    return r[lane];
}

template <class Lane>
VERINFER_INLINE Lane rotate_left(Lane x, int bits) {
    return bits == 0 ? x : (x << bits) | (x >> (64 - bits));
}

// Permutes the 25 lanes of `a` in place.
template <class Lane>
VERINFER_INLINE void keccak_f1600(Lane *a) {
    for (int round = 0; round < 24; ++round) {
        Lane c[5], b[25];
        VERINFER_UNROLL
        for (int x = 0; x < 5; ++x) c[x] = a[x] ^ a[x + 5] ^ a[x + 10] ^ a[x + 15] ^ a[x + 20];
        VERINFER_UNROLL
        for (int x = 0; x < 5; ++x) {
            const Lane d = c[(x + 4) % 5] ^ rotate_left(c[(x + 1) % 5], 1);
            VERINFER_UNROLL
            for (int y = 0; y < 5; ++y) {
                b[y + 5 * ((2 * x + 3 * y) % 5)] = rotate_left(a[x + 5 * y] ^ d, rotation(x + 5 * y));
            }
        }
        VERINFER_UNROLL
        for (int y = 0; y < 5; ++y) {
            VERINFER_UNROLL
            for (int x = 0; x < 5; ++x) {
                a[x + 5 * y] = b[x + 5 * y] ^ (~b[(x + 1) % 5 + 5 * y] & b[(x + 2) % 5 + 5 * y]);
            }
        }
        a[0] ^= kRoundConstants[round];
    }
}

}  // namespace verinfer
