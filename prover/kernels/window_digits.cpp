#include "window_digits.hpp"

#include <algorithm>
#include <bit>
#include <cmath>

#include "parallel.hpp"

namespace verinfer {

namespace {

constexpr int kMaxBits = 20;  // of a window; and of the scalars that are a single digit
constexpr std::size_t kGrain = 1 << 12;

// The bits from `first` up.
std::uint64_t bits_from(const Uint256 &x, int first) {
    const int word = first / 64, shift = first % 64;
    if (word > 3) return 0;
    const std::uint64_t low = x.word[word] >> shift;
    return shift == 0 || word == 3 ? low : low | x.word[word + 1] << (64 - shift);
}

bool has_bits_from(const Uint256 &x, int first) {
    for (int word = first / 64, shift = first % 64; word < 4; ++word, shift = 0) {
        if (x.word[word] >> shift != 0) return true;
    }
    return false;
}

// Whether the topmost window holds what is left of `largest` there.
bool fits(const Windows &windows, const Uint256 &largest) {
    Uint256 biased = largest;
    const int top = windows.bits * (windows.count - 1);
    if (add_to(biased, windows.bias()) != 0 || has_bits_from(biased, top + windows.bits)) return false;
    return bits_from(biased, top) <= std::uint64_t{1} << (windows.bits - 1);
}

// In affine additions: the points into buckets, these into the sums of their rows and columns, two chains of dependent
// additions, which cost more, along the rows and the columns (see msm.hpp), and the window into the sum.
double cost(const Windows &windows, std::size_t count) {
    constexpr double dependent_addition = 1.5, window = 8;
    const double largest = windows.largest;
    const double filled = std::min(largest, static_cast<double>(count));
    const double reduction = std::min(2 * largest * dependent_addition,
                                      2 * filled + 4 * std::sqrt(largest) * dependent_addition);
    return windows.count * (static_cast<double>(count) + reduction + window);
}

}  // namespace

Uint256 Windows::bias() const {
    Uint256 sum{{0, 0, 0, 0}};
    for (int window = 0; window + 1 < count; ++window) {
        const int bit = bits * window + bits - 1;
        sum.word[bit / 64] |= std::uint64_t{1} << bit % 64;
    }
    return sum;
}

Windows Windows::choose(std::size_t count, const Uint256 &largest_scalar) {
    Windows best;
    if (count == 0) return best;
    for (int bits = 2; bits <= kMaxBits; ++bits) {
        Windows windows{bits, 1, 1u << (bits - 1)};
        while (!fits(windows, largest_scalar)) ++windows.count;
        if (windows.count == 1) windows.largest = static_cast<std::uint32_t>(largest_scalar.word[0]);
        if (best.count == 0 || cost(windows, count) < cost(best, count)) best = windows;
        if (windows.count == 1) break;
    }
    return best;
}

FieldScalars::FieldScalars(const Fr *scalars, std::size_t count) : size_(count), biased_(allocate<Uint256>(count)) {
    Uint256 largest = Fr::modulus();
    --largest.word[0];
    windows_ = Windows::choose(count, largest);
    const Uint256 bias = windows_.bias();
    parallel_for(count, kGrain, [&](std::size_t begin, std::size_t end) {
        for (std::size_t i = begin; i < end; ++i) {
            biased_[i] = scalars[i].canonical();
            add_to(biased_[i], bias);
        }
    });
}

void FieldScalars::digits(int window, std::size_t begin, std::size_t end, std::int32_t *to) const {
    const int first = windows_.bits * window;
    const bool is_top = window + 1 == windows_.count;
    const std::uint64_t mask = is_top ? ~std::uint64_t{0} : (std::uint64_t{1} << windows_.bits) - 1;
    const std::int32_t bias = is_top ? 0 : 1 << (windows_.bits - 1);
    for (std::size_t i = begin; i < end; ++i) {
        *to++ = static_cast<std::int32_t>(bits_from(biased_[i], first) & mask) - bias;
    }
}

namespace {

template <class Integer>
std::uint64_t magnitude(Integer x) {
    const std::uint64_t bits = static_cast<std::uint64_t>(static_cast<std::int64_t>(x));
    return x < 0 ? 0 - bits : bits;
}

}  // namespace

template <class Integer>
IntegerScalars<Integer>::IntegerScalars(const Integer *scalars, std::size_t count) : scalars_(scalars), size_(count) {
    std::uint64_t largest = 0;
    std::size_t not_zero = 0;
    for (std::size_t i = 0; i < count; ++i) {
        largest = std::max(largest, magnitude(scalars[i]));
        not_zero += scalars[i] != 0;
    }
    windows_ = Windows::choose(not_zero, {{largest, 0, 0, 0}});
}

template <class Integer>
void IntegerScalars<Integer>::digits(int window, std::size_t begin, std::size_t end, std::int32_t *to) const {
    if (windows_.count == 1) {
        std::copy(scalars_ + begin, scalars_ + end, to);
        return;
    }
    const Uint256 bias = windows_.bias();
    const Uint128 low_bias = static_cast<Uint128>(bias.word[1]) << 64 | bias.word[0];  // windows of 64 bits in all
    const int first = windows_.bits * window;
    const bool is_top = window + 1 == windows_.count;
    const std::uint64_t mask = is_top ? ~std::uint64_t{0} : (std::uint64_t{1} << windows_.bits) - 1;
    const std::int32_t offset = is_top ? 0 : 1 << (windows_.bits - 1);
    for (std::size_t i = begin; i < end; ++i) {
        const Uint128 biased = low_bias + magnitude(scalars_[i]);
        const std::int32_t digit =
            static_cast<std::int32_t>(static_cast<std::uint64_t>(biased >> first) & mask) - offset;
        *to++ = scalars_[i] < 0 ? -digit : digit;
    }
}

template class IntegerScalars<std::int8_t>;
template class IntegerScalars<std::int16_t>;
template class IntegerScalars<std::int32_t>;
template class IntegerScalars<std::int64_t>;

}  // namespace verinfer
