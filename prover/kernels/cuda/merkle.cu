// Merkle trees over tensors of integers, as `circuits/merkle.py` and `circuits/packing.py` have them: leaves of 128 bytes
// hold cells row-major and big-endian, and
//
//     leaf hash  = keccak256(0x00 || leaf),    inner node = keccak256(0x01 || left || right)
//
// One thread makes one hash, whose state stays in its registers: either message fits one block of Keccak-256, so that a
// hash is one permutation. That is 24 rounds of 200 instructions for 128 bytes: these take the time, not the memory.

#include "grid.cuh"

#include "../../../circuits/kernels/keccak.hpp"

namespace verinfer {

constexpr int kLeafWords = 16;

struct alignas(16) Node {  // GPUs load 16 bytes at once
    Word word[4];
};

// Keccak-256 of a byte and kWords words.
template <int kWords>
__device__ inline Node hash(Word prefix, const Word *message) {
    Word state[25] = {}, shifted_out = prefix;  // all words are shifted by the prefix
    VERINFER_UNROLL
    for (int i = 0; i < kWords; ++i) {
        state[i] = message[i] << 8 | shifted_out;
        shifted_out = message[i] >> 56;
    }
    state[kWords] = shifted_out | 0x0100;
    state[kRateWords - 1] |= Word{0x80} << 56;
    keccak_f1600(state);
    return {{state[0], state[1], state[2], state[3]}};
}

__device__ inline Node parent(const Node &left, const Node &right) {
    const Word message[8] = {left.word[0],  left.word[1],  left.word[2],  left.word[3],
                             right.word[0], right.word[1], right.word[2], right.word[3]};
    return hash<8>(0x01, message);
}

// A word of cells of kWidth bytes, with the bytes of each the other way round.
template <int kWidth>
__device__ inline Word big_endian(Word x) {
    constexpr Word kHalves = 0x0000ffff0000ffff, kBytes = 0x00ff00ff00ff00ff;
    if constexpr (kWidth >= 8) x = x >> 32 | x << 32;
    if constexpr (kWidth >= 4) x = (x >> 16 & kHalves) | (x & kHalves) << 16;
    if constexpr (kWidth >= 2) x = (x >> 8 & kBytes) | (x & kBytes) << 8;
    return x;
}

// Word `at` of so many bytes, and zeros behind them.
__device__ inline Word padded_word(const Word *words, Index bytes, Index at) {
    if (8 * at + 8 <= bytes) return words[at];
    Word word = 0;
    for (Index i = 8 * at; i < bytes; ++i) {
        word |= static_cast<Word>(reinterpret_cast<const unsigned char *>(words)[i]) << (8 * (i % 8));
    }
    return word;
}

// Threads load words that lie side by side, of as many leaves as the block has threads; each then reads a leaf of its
// own. Rows of an odd number of words begin in different banks.
template <int kWidth>
__device__ inline void hash_cells(const Word *cells, Index count, Node *hashes) {
    __shared__ Word staged[kThreads][kLeafWords + 1];
    const Index bytes = count * kWidth, leaves = (bytes + 8 * kLeafWords - 1) / (8 * kLeafWords);
    for (Index first = static_cast<Index>(blockIdx.x) * kThreads; first < leaves; first += stride()) {
        __syncthreads();
        for (unsigned i = threadIdx.x; i < kThreads * kLeafWords; i += kThreads) {
            const Word word = padded_word(cells, bytes, first * kLeafWords + i);
            staged[i / kLeafWords][i % kLeafWords] = big_endian<kWidth>(word);
        }
        __syncthreads();
        const Index leaf = first + threadIdx.x;
        if (leaf < leaves) hashes[leaf] = hash<kLeafWords>(0x00, staged[threadIdx.x]);
    }
}

}  // namespace verinfer

using namespace verinfer;

// The leaf hashes of `count` cells, which begin at a multiple of 8 bytes.
VERINFER_KERNEL hash_int8(const Word *cells, Index count, Node *hashes) { hash_cells<1>(cells, count, hashes); }
VERINFER_KERNEL hash_int16(const Word *cells, Index count, Node *hashes) { hash_cells<2>(cells, count, hashes); }
VERINFER_KERNEL hash_int32(const Word *cells, Index count, Node *hashes) { hash_cells<4>(cells, count, hashes); }
VERINFER_KERNEL hash_int64(const Word *cells, Index count, Node *hashes) { hash_cells<8>(cells, count, hashes); }

// The level above `count` nodes; `*padding` stands to the right of the last if it is alone.
VERINFER_KERNEL hash_pairs(const Node *nodes, Index count, const Node *padding, Node *parents) {
    for (Index i = first_index(); i < (count + 1) / 2; i += stride()) {
        parents[i] = parent(nodes[2 * i], 2 * i + 1 < count ? nodes[2 * i + 1] : *padding);
    }
}

// All levels above at most 2 * kThreads nodes, by one block; paddings of this level and those above.
VERINFER_KERNEL hash_top(const Node *nodes, Index count, const Node *paddings, Node *root) {
    __shared__ Node level[2 * kThreads];
    for (unsigned i = threadIdx.x; i < count; i += kThreads) level[i] = nodes[i];
    __syncthreads();
    for (; count > 1; count = (count + 1) / 2, ++paddings) {
        const unsigned left = 2 * threadIdx.x;
        Node made = {};
        if (left < count) made = parent(level[left], left + 1 < count ? level[left + 1] : *paddings);
        __syncthreads();
        level[threadIdx.x] = made;
        __syncthreads();
    }
    if (threadIdx.x == 0) *root = level[0];
}
