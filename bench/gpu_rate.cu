// How many products, and permutations of Keccak, a GPU makes in a second with all data in registers: the floor of what
// computes.

#include "../prover/kernels/cuda/grid.cuh"

#include "../circuits/kernels/keccak.hpp"

using namespace verinfer;

// `count` products of each thread, in four chains that do not depend on each other.
VERINFER_KERNEL repeat_products(const Fr *x, Index count, Fr *out) {
    Fr chain[4];
    VERINFER_UNROLL
    for (int k = 0; k < 4; ++k) chain[k] = x[(first_index() + k) % 256];
    for (Index i = 0; i < count; i += 4) {
        VERINFER_UNROLL
        for (int k = 0; k < 4; ++k) chain[k] *= chain[k];
    }
    out[first_index()] = chain[0] + chain[1] + chain[2] + chain[3];
}

// `count` permutations of each thread.
VERINFER_KERNEL repeat_permutations(Index count, Word *out) {
    Word state[25];
    VERINFER_UNROLL
    for (int i = 0; i < 25; ++i) state[i] = first_index() + i;
    for (Index i = 0; i < count; ++i) keccak_f1600(state);
    out[first_index()] = state[0];
}
