#include "product_sumcheck.hpp"

#include "lanes.hpp"

namespace verinfer::VERINFER_PATH {

namespace {

// Vectors from memory come in streams that end at every page for the processor's own prefetching.
constexpr std::size_t kAhead = 2048 / sizeof(Fr);

VERINFER_INLINE int lanes_left(std::size_t i, std::size_t count) {
    return count - i < kLanes ? static_cast<int>(count - i) : kLanes;
}

VERINFER_INLINE Lanes<Fr> load_ahead(const Fr *from, int count) {
    VERINFER_UNROLL
    for (int i = 0; i < kLanes; i += 2) __builtin_prefetch(from + kAhead + i);
    return load(from, count);
}

Fr sum(const Fr *const *factors, std::size_t factor_count, std::size_t count) {
    Products<Fr> products;
    for (std::size_t i = 0; i < count; i += kLanes) {
        const int n = lanes_left(i, count);
        const auto a = load_ahead(factors[0] + i, n), b = load_ahead(factors[1] + i, n);
        if (factor_count == 2) {
            products.add(a, b);
        } else {
            products.add(a * b, load_ahead(factors[2] + i, n));
        }
    }
    return products.total();
}

void fold(const Fr *low, const Fr *high, Fr *out, std::size_t count, const Fr &r) {
    const auto challenge = broadcast(r);
    for (std::size_t i = 0; i < count; i += kLanes) {
        const int n = lanes_left(i, count);
        const auto at_0 = load_ahead(low + i, n), at_1 = load_ahead(high + i, n);
        store(out + i, n, at_0 + challenge * (at_1 - at_0));
    }
}

void sums_of_2(const Fr *const *low, const Fr *const *high, std::size_t count, Fr *sums) {
    Products<Fr> at_0, leading;
    for (std::size_t i = 0; i < count; i += kLanes) {
        const int n = lanes_left(i, count);
        const auto a = load_ahead(low[0] + i, n), b = load_ahead(low[1] + i, n);
        at_0.add(a, b);
        leading.add(load_ahead(high[0] + i, n) - a, load_ahead(high[1] + i, n) - b);
    }
    sums[0] = at_0.total();
    sums[1] = leading.total();
}

void sums_of_3(const Fr *const *low, const Fr *const *high, std::size_t count, Fr *sums) {
    Products<Fr> at_0, at_minus_1, leading;
    for (std::size_t i = 0; i < count; i += kLanes) {
        const int n = lanes_left(i, count);
        const auto a = load_ahead(low[0] + i, n), b = load_ahead(low[1] + i, n), c = load_ahead(low[2] + i, n);
        const auto slope_a = load_ahead(high[0] + i, n) - a, slope_b = load_ahead(high[1] + i, n) - b,
                   slope_c = load_ahead(high[2] + i, n) - c;
        at_0.add(a * b, c);
        at_minus_1.add((a - slope_a) * (b - slope_b), c - slope_c);
        leading.add(slope_a * slope_b, slope_c);
    }
    sums[0] = at_0.total();
    sums[1] = at_minus_1.total();
    sums[2] = leading.total();
}

}  // namespace

extern const ProductKernels product_kernels = {sum, fold, sums_of_2, sums_of_3};

}  // namespace verinfer::VERINFER_PATH
