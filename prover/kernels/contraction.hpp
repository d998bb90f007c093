// Integers times field elements, summed along an axis (contraction.cpp): the loops over bytes and over digits.
//
// A weight in memory is 32 bytes, and an integer of k bytes is b_0 + 256 b_1 + ... with a signed b_(k-1); the others
// are taken as b - 128, which is signed too, and 128 times the sum of the weights is added back. So all products are
// of an unsigned byte by a signed one, of which vector processors add up four at a time, and the result is, for every
// output, a sum of products for each power of 256: its digits.

#pragma once

#include <cstddef>
#include <cstdint>

#include "field.hpp"
#include "instruction_set.hpp"

namespace verinfer {

constexpr int kWeightDigits = 32;
constexpr int kMaxPlanes = 8;                             // the bytes of an integer
constexpr int kDigits = kWeightDigits + kMaxPlanes;       // one more than can occur: a carry's
constexpr int kPanelColumns = 64;                         // outputs computed together
constexpr int kBlockRows = 256;                           // summands, of one panel, that stay in the first cache
constexpr int kBlockQuads = kBlockRows / 4;
constexpr int kDigitGroup = 4;
constexpr std::size_t kPanelBytes = std::size_t{kBlockRows} * kPanelColumns;
constexpr std::size_t kMaxSummands = 65536;               // times 128 * 255 is below 2^31

// The weights of one block of summands: digit d of the four weights of quad q at [d / 4][q][d % 4].
using WeightBlock = std::uint32_t[kWeightDigits / kDigitGroup][kBlockQuads][kDigitGroup];

// Sums by digit of weight and column of panel.
using PanelSums = std::int32_t[kWeightDigits][kPanelColumns];

// Memory to be read next: `lines` stretches of `bytes` bytes, `stride` bytes apart.
struct Ahead {
    const std::byte *start;
    std::size_t stride;
    int lines, bytes;
};

struct ByteKernels {
    // Cuts rows x columns integers, rows <= kBlockRows and columns <= kPanelColumns, at x + row * row_stride +
    // column * column_stride (one of the strides is 1) into byte planes, packed for `multiply`, and returns their
    // number: none if all integers are zero. By the logarithm of the integer's bytes.
    int (*pack[4])(const void *x, std::size_t row_stride, std::size_t column_stride, int rows, int columns,
                   std::int8_t *planes);

    // sums[d][c] += the sum over all rows of digit d of the row's weight times the plane's byte. Meanwhile what is
    // ahead is fetched: short stretches far apart, which the processor does not foresee.
    void (*multiply)(const std::int8_t *plane, int rows, int columns, const WeightBlock &weights, PanelSums &sums,
                     const Ahead &ahead);
};

// For processors that multiplies_bytes() speaks of.
extern const ByteKernels byte_kernels;

struct ContractionKernels {
    // out[c * stride] = the sum over d of digits[d][c] * 256^d, modulo the field's order. The digits are signed.
    void (*join_digits)(const std::int64_t (*digits)[kPanelColumns], int columns, Fr *out, std::size_t stride);

    // out[i] = the sum over a of x[a * stride + i] * weights[a].
    void (*combine)(const Fr *x, std::size_t stride, const Fr *weights, std::size_t axis, std::size_t count, Fr *out);
};

VERINFER_PATHS(ContractionKernels, contraction_kernels)

}  // namespace verinfer
