// What all kernels share: how threads divide a range, and sums over a block and over the grid.
//
// Every block has kThreads threads. Every argument of a kernel takes 8 bytes: a pointer, an integer, or a word of a
// field element in Montgomery's form, whose four words follow one another.

#pragma once

#include "../curve.hpp"

namespace verinfer {

using Index = std::uint64_t;
using Word = std::uint64_t;

constexpr int kThreads = 256;

#define VERINFER_KERNEL extern "C" __global__ void __launch_bounds__(256)

__device__ inline Index first_index() { return static_cast<Index>(blockIdx.x) * kThreads + threadIdx.x; }
__device__ inline Index stride() { return static_cast<Index>(gridDim.x) * kThreads; }

__device__ inline Fr element(Word w0, Word w1, Word w2, Word w3) { return {{{w0, w1, w2, w3}}}; }

// The sums over a block's threads, in thread 0.
template <int kCount, class Value>
__device__ inline void sum_block(Value (&value)[kCount]) {
    __shared__ Value shared[kThreads];
    VERINFER_UNROLL
    for (int k = 0; k < kCount; ++k) {
        shared[threadIdx.x] = value[k];
        __syncthreads();
        for (unsigned half = kThreads / 2; half > 0; half /= 2) {
            if (threadIdx.x < half) shared[threadIdx.x] = shared[threadIdx.x] + shared[threadIdx.x + half];
            __syncthreads();
        }
        if (threadIdx.x == 0) value[k] = shared[0];
        __syncthreads();
    }
}

// An element that another block wrote: not from this processor's cache.
__device__ inline Fr written(const Fr *x) {
    const volatile Word *word = x->value.word;
    return element(word[0], word[1], word[2], word[3]);
}

// The sums over all threads of the grid, canonical, in `out`, by the block that comes last. `partial` has room for
// kCount elements of each block; `*done` is zero before and after.
template <int kCount>
__device__ inline void sum_grid(Fr (&value)[kCount], Fr *partial, unsigned *done, Uint256 *out) {
    __shared__ bool is_last;
    sum_block(value);
    if (threadIdx.x == 0) {
        VERINFER_UNROLL
        for (int k = 0; k < kCount; ++k) partial[blockIdx.x * kCount + k] = value[k];
        __threadfence();
        is_last = atomicAdd(done, 1u) == gridDim.x - 1;
    }
    __syncthreads();
    if (!is_last) return;
    __threadfence();
    VERINFER_UNROLL
    for (int k = 0; k < kCount; ++k) {
        value[k] = Fr::zero();
        for (unsigned i = threadIdx.x; i < gridDim.x; i += kThreads) value[k] += written(&partial[i * kCount + k]);
    }
    sum_block(value);
    if (threadIdx.x == 0) {
        VERINFER_UNROLL
        for (int k = 0; k < kCount; ++k) out[k] = value[k].canonical();
        *done = 0;
    }
}

}  // namespace verinfer
