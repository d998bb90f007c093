#include "contraction.hpp"

#include "lanes.hpp"

namespace verinfer::VERINFER_PATH {

namespace {

// The digits make an integer V: its lower 32 bytes, below 2^256, and what is above, T, of which |T| < 2^100. As an
// element, V = lower + (T + 2^100) * 2^256 - 2^356.
void join_digits(const std::int64_t (*digits)[kPanelColumns], int columns, Fr *out, std::size_t stride) {
    const Lanes<Fr> upper_factor = broadcast(Fr{Fr::power_of_two(256 + Fr::kMontgomeryBits)});
    const Lanes<Fr> offset = broadcast(Fr{Fr::power_of_two(356)});
    for (int begin = 0; begin < columns; begin += kLanes) {
        constexpr int words = kDigits / 8;
        std::uint64_t word[words][kLanes];
        std::int64_t carry[kLanes] = {};
        for (int w = 0; w < words; ++w) {
            for (int c = 0; c < kLanes; ++c) word[w][c] = 0;
            for (int d = 0; d < 8; ++d) {
                for (int c = 0; c < kLanes; ++c) {
                    carry[c] += digits[8 * w + d][begin + c];
                    word[w][c] |= static_cast<std::uint64_t>(carry[c] & 255) << (8 * d);
                    carry[c] >>= 8;
                }
            }
        }
        Fr lower[kLanes], upper[kLanes];
        for (int c = 0; c < kLanes; ++c) {
            lower[c] = {{{word[0][c], word[1][c], word[2][c], word[3][c]}}};
            upper[c] = {{{word[4][c], static_cast<std::uint64_t>(carry[c] + (std::int64_t{1} << 36)), 0, 0}}};
        }
        const auto sum = load_integers(lower) + load(upper) * upper_factor - offset;
        const int count = columns - begin < kLanes ? columns - begin : kLanes;
        if (stride == 1) {
            store(out + begin, count, sum);
        } else {
            Fr result[kLanes];
            store(result, sum);
            for (int c = 0; c < count; ++c) out[static_cast<std::size_t>(begin + c) * stride] = result[c];
        }
    }
}

void combine(const Fr *x, std::size_t stride, const Fr *weights, std::size_t axis, std::size_t count, Fr *out) {
    for (std::size_t i = 0; i < count; i += kLanes) {
        const int n = count - i < kLanes ? static_cast<int>(count - i) : kLanes;
        Products<Fr> products;
        if (n == kLanes) {
            for (std::size_t a = 0; a < axis; ++a) products.add(load(x + a * stride + i), broadcast(weights[a]));
        } else {
            for (std::size_t a = 0; a < axis; ++a) products.add(load(x + a * stride + i, n), broadcast(weights[a]));
        }
        store(out + i, n, products.lanes());
    }
}

}  // namespace

const ContractionKernels contraction_kernels = {.join_digits = join_digits, .combine = combine};

}  // namespace verinfer::VERINFER_PATH
