// sum_a values[o, a, i] * weights[m, a] as [o, m, i].
//
// Integers times field elements are summed as integers of ten limbs, and reduced once. An integer is taken as
//
//     v = (v + 2^(bits-1)) - 2^(bits-1)
//
// so that what is multiplied is never negative; the sum of the weights, times 2^(bits-1), is subtracted in the end.
// 64 bits are two halves of 32. Each block has some of the outputs of one m, each thread one of them, so that all
// threads of a block multiply by the same weight. The axis may be cut in `parts` over the blocks: out is then
// [part, o, m, i], to be added up (`sum_parts`).

#include "grid.cuh"

namespace verinfer {

// A sum of products of field elements and integers below 2^32, below 2^320.
struct WideSum {
    std::uint32_t even[8], odd[8], top_even, top_odd;

    __device__ void clear() {
        for (int i = 0; i < 8; ++i) even[i] = odd[i] = 0;
        top_even = top_odd = 0;
    }

    __device__ void add(const std::uint32_t (&weight)[8], std::uint32_t value) {
        top_even += limbs32::multiply_add(even, weight, value);
        top_odd += limbs32::multiply_add(odd, weight + 1, value);
    }

    // The sum modulo r, of weights in Montgomery's form: low + 2^256 high.
    __device__ Fr reduced() const {
        Uint256 low{}, high{}, shifted{};
        for (int i = 0; i < 4; ++i) {
            low.word[i] = even[2 * i] | static_cast<Word>(even[2 * i + 1]) << 32;
            shifted.word[i] = (i == 0 ? 0 : odd[2 * i - 1]) | static_cast<Word>(odd[2 * i]) << 32;
        }
        high.word[0] = add_to(low, shifted) + top_even + odd[7] + (static_cast<Word>(top_odd) << 32);
        constexpr Uint256 r_squared = Fr::power_of_two(2 * Fr::kMontgomeryBits);
        return Fr::one() * Fr{low} + Fr{r_squared} * Fr{high};
    }
};

__device__ inline void limbs_of(const Fr &x, std::uint32_t (&limbs)[8]) {
    for (int i = 0; i < 8; ++i) limbs[i] = static_cast<std::uint32_t>(x.value.word[i / 2] >> (32 * (i % 2)));
}

__device__ inline Fr power_of_two_element(int exponent) { return Fr::from_canonical(Fr::power_of_two(exponent)); }

// The sums of integers of up to 32 bits.
template <class Integer>
struct Sums {
    static constexpr int kBits = 8 * sizeof(Integer);
    WideSum sum;

    __device__ void clear() { sum.clear(); }
    __device__ void add(const std::uint32_t (&weight)[8], Integer value) {
        sum.add(weight, static_cast<std::uint32_t>(value) + (std::uint32_t{1} << (kBits - 1)) &
                            (0xffffffffu >> (32 - kBits)));
    }
    __device__ Fr reduced() const { return sum.reduced(); }
};

// Of 64 bits.
template <>
struct Sums<std::int64_t> {
    static constexpr int kBits = 64;
    WideSum low, high;

    __device__ void clear() {
        low.clear();
        high.clear();
    }
    __device__ void add(const std::uint32_t (&weight)[8], std::int64_t value) {
        const Word shifted = static_cast<Word>(value) + (Word{1} << 63);
        low.add(weight, static_cast<std::uint32_t>(shifted));
        high.add(weight, static_cast<std::uint32_t>(shifted >> 32));
    }
    __device__ Fr reduced() const { return low.reduced() + power_of_two_element(32) * high.reduced(); }
};

constexpr Index kStep = 16;  // places along the axis that a block takes at a time

struct Extent {
    Index outer, axis, inner, rows, parts;

    __device__ Index outputs() const { return outer * inner; }
    __device__ Index part_length() const { return (axis + parts - 1) / parts; }
};

// Calls body(output, row, begin, end) for what is this thread's: whole blocks go through it together.
template <class Body>
__device__ inline void for_outputs(const Extent &extent, const Body &body) {
    const Index blocks = (extent.outputs() + kThreads - 1) / kThreads, tasks = blocks * extent.rows * extent.parts;
    for (Index task = blockIdx.x; task < tasks; task += gridDim.x) {
        const Index part = task / (blocks * extent.rows), row = task / blocks % extent.rows;
        const Index begin = part * extent.part_length(), end = begin + extent.part_length();
        body(task % blocks * kThreads, row, part, begin < extent.axis ? begin : extent.axis,
             end < extent.axis ? end : extent.axis);
    }
}

template <class Integer>
__device__ inline void contract_integers(const Integer *values, const Fr *weights, const Fr *row_sums,
                                         const Extent &extent, Fr *out) {
    __shared__ Integer tile[kThreads][kStep + 1];
    __shared__ std::uint32_t limbs[kStep][8];
    for_outputs(extent, [&](Index first, Index row, Index part, Index begin, Index end) {
        const Index output = first + threadIdx.x;
        const bool is_mine = output < extent.outputs();
        const Integer *column = values + output / extent.inner * extent.axis * extent.inner + output % extent.inner;
        Sums<Integer> sums;
        sums.clear();
        for (Index at = begin; at < end; at += kStep) {
            const Index count = end - at < kStep ? end - at : kStep;
            __syncthreads();
            if (threadIdx.x < count) {
                std::uint32_t weight[8];
                limbs_of(weights[row * extent.axis + at + threadIdx.x], weight);
                for (int i = 0; i < 8; ++i) limbs[threadIdx.x][i] = weight[i];
            }
            if (extent.inner == 1) {  // neighbours along the axis lie side by side, so the block reads it together
                const unsigned a = threadIdx.x % kStep;
                for (unsigned o = threadIdx.x / kStep; o < kThreads; o += kThreads / kStep) {
                    if (a < count && first + o < extent.outputs()) {
                        tile[o][a] = values[(first + o) * extent.axis + at + a];
                    }
                }
            }
            __syncthreads();
            if (!is_mine) continue;
            for (Index a = 0; a < count; ++a) {
                sums.add(limbs[a], extent.inner == 1 ? tile[threadIdx.x][a] : column[(at + a) * extent.inner]);
            }
        }
        if (!is_mine) return;
        const Index o = output / extent.inner, i = output % extent.inner;
        out[((part * extent.outer + o) * extent.rows + row) * extent.inner + i] =
            sums.reduced() - row_sums[part * extent.rows + row];
    });
}

}  // namespace verinfer

using namespace verinfer;

// For each part of the axis and each row of the weights, their sum times 2^(bits - 1). A block for each.
VERINFER_KERNEL sum_weights(const Fr *weights, Index axis, Index rows, Index parts, Index bits, Fr *out) {
    const Extent extent{1, axis, 1, rows, parts};
    const Index part = blockIdx.x / rows, row = blockIdx.x % rows;
    const Index begin = part * extent.part_length(), end = begin + extent.part_length() < axis ? begin + extent.part_length() : axis;
    Fr sum[1] = {Fr::zero()};
    for (Index a = begin + threadIdx.x; a < end; a += kThreads) sum[0] += weights[row * axis + a];
    sum_block(sum);
    if (threadIdx.x == 0) out[blockIdx.x] = sum[0] * Fr::from_canonical({{Word{1} << (bits - 1), 0, 0, 0}});
}

VERINFER_KERNEL contract_int8(const signed char *values, const Fr *weights, const Fr *row_sums, Index outer, Index axis,
                              Index inner, Index rows, Index parts, Fr *out) {
    contract_integers(values, weights, row_sums, {outer, axis, inner, rows, parts}, out);
}
VERINFER_KERNEL contract_int16(const short *values, const Fr *weights, const Fr *row_sums, Index outer, Index axis,
                               Index inner, Index rows, Index parts, Fr *out) {
    contract_integers(values, weights, row_sums, {outer, axis, inner, rows, parts}, out);
}
VERINFER_KERNEL contract_int32(const int *values, const Fr *weights, const Fr *row_sums, Index outer, Index axis,
                               Index inner, Index rows, Index parts, Fr *out) {
    contract_integers(values, weights, row_sums, {outer, axis, inner, rows, parts}, out);
}
VERINFER_KERNEL contract_int64(const std::int64_t *values, const Fr *weights, const Fr *row_sums, Index outer,
                               Index axis, Index inner, Index rows, Index parts, Fr *out) {
    contract_integers(values, weights, row_sums, {outer, axis, inner, rows, parts}, out);
}

// The same of a vector of field elements.
VERINFER_KERNEL contract_vector(const Fr *values, const Fr *weights, Index outer, Index axis, Index inner, Index rows,
                                Index parts, Fr *out) {
    const Extent extent{outer, axis, inner, rows, parts};
    for_outputs(extent, [&](Index first, Index row, Index part, Index begin, Index end) {
        const Index output = first + threadIdx.x;
        if (output >= extent.outputs()) return;
        const Index o = output / inner, i = output % inner;
        Fr sum = Fr::zero();
        for (Index a = begin; a < end; ++a) sum += values[(o * axis + a) * inner + i] * weights[row * axis + a];
        out[((part * outer + o) * rows + row) * inner + i] = sum;
    });
}

// out[i] = sum_p x[p, i]
VERINFER_KERNEL sum_parts(const Fr *x, Index n, Index parts, Fr *out) {
    for (Index i = first_index(); i < n; i += stride()) {
        Fr sum = x[i];
        for (Index part = 1; part < parts; ++part) sum += x[part * n + i];
        out[i] = sum;
    }
}
