// Sums of products of integers, exact in 64 bits: the contractions of a circuit (`circuits/ops/contraction.py`).
//
//     out[n, p, o] = sum_{q, c} x[n, p*stride + q*dilation - before, g*C' + c] * w[o, q, c],   g = o / (O / groups)
//
// with p and q over two spatial axes and cells outside x counting as 0. A matrix product is the case of one tap. Sums
// are taken modulo 2^64, and a circuit's bounds say that they fit: in whatever order, the result is exact.
//
// A product over (q, c) of a matrix of windows, which is never written out, and one of weights: each block makes a tile
// of kTile windows times kTile outputs, going through kTile taps at a time in shared memory, and each thread a part of
// 4 by 4.

#include "grid.cuh"

namespace verinfer {

constexpr int kTile = 64, kDepth = 16, kPart = 4;

struct Convolution {
    Index images, height, width, channels;          // of x
    Index rows, columns, outputs;                   // of out
    Index kernel_height, kernel_width, taps;        // taps: channels of a group
    std::int64_t stride_y, stride_x, dilation_y, dilation_x, before_y, before_x;
    Index groups;
    Index image_weights;  // how many weights lie between those of two images; 0 if all have the same
};

using Int64 = std::int64_t;

// Products of 32 bits by 32 are one instruction; wider ones four.
template <class Narrow>
struct Arithmetic {
    using Cell = int;
    static __device__ Int64 product(int a, int b) { return static_cast<Int64>(a) * b; }
};
template <>
struct Arithmetic<Int64> {
    using Cell = Int64;
    static __device__ Int64 product(Int64 a, Int64 b) {
        return static_cast<Int64>(static_cast<Word>(a) * static_cast<Word>(b));
    }
};

template <class X, class W, class Wide>
__device__ inline void convolve(const X *x, const W *w, const Convolution &c, Int64 *out) {
    using Cell = typename Arithmetic<Wide>::Cell;
    __shared__ Cell windows[kDepth][kTile + 1], weights[kDepth][kTile + 1];
    const Index places = c.rows * c.columns, group_outputs = c.outputs / c.groups;
    const Index depth = c.kernel_height * c.kernel_width * c.taps;
    const Index row_tiles = (places + kTile - 1) / kTile, column_tiles = (group_outputs + kTile - 1) / kTile;
    const Index tiles = row_tiles * column_tiles * c.groups * c.images;
    const unsigned at_row = threadIdx.x / (kTile / kPart) * kPart, at_column = threadIdx.x % (kTile / kPart) * kPart;
    // What a thread loads: one tap of each kDepth, of kLoads windows and as many weights. Divisions are slow, so a window
    // is found once, and a tap once for all of them.
    constexpr int kLoads = kTile * kDepth / kThreads;
    const unsigned load_tap = threadIdx.x % kDepth, load_first = threadIdx.x / kDepth;
    const unsigned width = static_cast<unsigned>(c.kernel_width), taps = static_cast<unsigned>(c.taps);
    for (Index tile = blockIdx.x; tile < tiles; tile += gridDim.x) {
        const Index first_output = tile % column_tiles * kTile, first_place = tile / column_tiles % row_tiles * kTile;
        const Index group = tile / (column_tiles * row_tiles) % c.groups;
        const Index image = tile / (column_tiles * row_tiles * c.groups);
        const X *image_cells = x + image * c.height * c.width * c.channels + group * c.taps;
        const W *group_weights = w + image * c.image_weights + group * group_outputs * depth;
        Int64 tops[kLoads], lefts[kLoads];
        for (int i = 0; i < kLoads; ++i) {
            const Index place = first_place + load_first + i * (kThreads / kDepth);
            // a window behind the last lies below the image
            tops[i] = place < places ? static_cast<Int64>(place / c.columns) * c.stride_y - c.before_y
                                     : static_cast<Int64>(c.height);
            lefts[i] = static_cast<Int64>(place % c.columns) * c.stride_x - c.before_x;
        }
        Int64 sums[kPart][kPart] = {};
        for (Index at = 0; at < depth; at += kDepth) {
            const unsigned tap = static_cast<unsigned>(at) + load_tap, q = tap / taps;
            const Int64 down = static_cast<Int64>(q / width) * c.dilation_y;
            const Int64 right = static_cast<Int64>(q % width) * c.dilation_x;
            __syncthreads();
            for (int i = 0; i < kLoads; ++i) {
                const unsigned j = load_first + i * (kThreads / kDepth);
                const Int64 y = tops[i] + down, z = lefts[i] + right;
                const Index output = first_output + j;
                Cell cell = 0, weight = 0;
                if (tap < depth) {
                    if (y >= 0 && z >= 0 && y < static_cast<Int64>(c.height) && z < static_cast<Int64>(c.width)) {
                        cell = image_cells[(static_cast<Index>(y) * c.width + static_cast<Index>(z)) * c.channels +
                                           tap % taps];
                    }
                    if (output < group_outputs) weight = group_weights[output * depth + tap];
                }
                windows[load_tap][j] = cell;
                weights[load_tap][j] = weight;
            }
            __syncthreads();
            for (int k = 0; k < kDepth; ++k) {
                Cell a[kPart], b[kPart];
                for (int i = 0; i < kPart; ++i) {
                    a[i] = windows[k][at_row + i];
                    b[i] = weights[k][at_column + i];
                }
                for (int i = 0; i < kPart; ++i) {
                    for (int j = 0; j < kPart; ++j) {
                        const Word product = static_cast<Word>(Arithmetic<Wide>::product(a[i], b[j]));
                        sums[i][j] = static_cast<Int64>(static_cast<Word>(sums[i][j]) + product);
                    }
                }
            }
        }
        for (int i = 0; i < kPart; ++i) {
            for (int j = 0; j < kPart; ++j) {
                const Index place = first_place + at_row + i, output = first_output + at_column + j;
                if (place >= places || output >= group_outputs) continue;
                out[(image * places + place) * c.outputs + group * group_outputs + output] = sums[i][j];
            }
        }
    }
}

}  // namespace verinfer

using namespace verinfer;

#define VERINFER_CONVOLVE(NAME, X, W, WIDE)                                                          \
    VERINFER_KERNEL convolve_##NAME(const X *x, const W *w, const Convolution *convolution, Int64 *out) { \
        convolve<X, W, WIDE>(x, w, *convolution, out);                                               \
    }

VERINFER_CONVOLVE(int8_int8, signed char, signed char, int)
VERINFER_CONVOLVE(int8_int16, signed char, short, int)
VERINFER_CONVOLVE(int16_int8, short, signed char, int)
VERINFER_CONVOLVE(int16_int16, short, short, int)
VERINFER_CONVOLVE(int32_int32, int, int, int)
VERINFER_CONVOLVE(int64_int64, Int64, Int64, Int64)
