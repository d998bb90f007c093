#include "vectors.hpp"

#include "lanes.hpp"

namespace verinfer::VERINFER_PATH {

namespace {

// Calls body(i, n) for consecutive groups of n <= 8 elements from element i on; only the last has fewer than 8. The
// count of a whole group is a constant, so that its loads and stores need no masks.
template <class Body>
VERINFER_INLINE void for_groups(std::size_t count, const Body &body) {
    std::size_t i = 0;
    for (; i + kLanes <= count; i += kLanes) body(i, kLanes);
    if (i < count) body(i, static_cast<int>(count - i));
}

VERINFER_INLINE Lanes<Fr> load_group(const Fr *from, int count) {
    return count == kLanes ? load(from) : load(from, count);
}

template <int Bound>
VERINFER_INLINE void store_group(Fr *to, int count, const Lanes<Fr, Bound> &x) {
    if (count == kLanes) {
        store(to, x);
    } else {
        store(to, count, x);
    }
}

Fr r_squared() { return {Fr::power_of_two(2 * Fr::kMontgomeryBits)}; }

void from_integers(const std::int64_t *x, std::size_t count, Fr *out) {
    const Lanes<Fr> factor = broadcast(r_squared()), zero = broadcast(Fr::zero());
    for_groups(count, [&](std::size_t i, int n) {
        Fr magnitudes[kLanes] = {};
        unsigned negative = 0;
        for (int j = 0; j < n; ++j) {
            const std::uint64_t bits = static_cast<std::uint64_t>(x[i + j]);
            magnitudes[j].value.word[0] = x[i + j] < 0 ? 0 - bits : bits;
            negative |= static_cast<unsigned>(x[i + j] < 0) << j;
        }
        const Lanes<Fr, 2> elements = load(magnitudes) * factor;
        store_group(out + i, n, select(negative, zero - elements, elements));
    });
}

void scale(const Fr *a, const Fr &factor, std::size_t count, Fr *out) {
    const Lanes<Fr> factors = broadcast(factor);
    for_groups(count, [&](std::size_t i, int n) { store_group(out + i, n, load_group(a + i, n) * factors); });
}

void from_canonical(const Uint256 *x, std::size_t count, Fr *out) {
    scale(reinterpret_cast<const Fr *>(x), r_squared(), count, out);
}

void to_canonical(const Fr *x, std::size_t count, Uint256 *out) {
    scale(x, Fr{{{1, 0, 0, 0}}}, count, reinterpret_cast<Fr *>(out));
}

void add(const Fr *a, const Fr *b, std::size_t count, Fr *out) {
    for_groups(count, [&](std::size_t i, int n) {
        store_group(out + i, n, load_group(a + i, n) + load_group(b + i, n));
    });
}

void subtract(const Fr *a, const Fr *b, std::size_t count, Fr *out) {
    for_groups(count, [&](std::size_t i, int n) {
        store_group(out + i, n, load_group(a + i, n) - load_group(b + i, n));
    });
}

void multiply(const Fr *a, const Fr *b, std::size_t count, Fr *out) {
    for_groups(count, [&](std::size_t i, int n) {
        store_group(out + i, n, load_group(a + i, n) * load_group(b + i, n));
    });
}

void add_scaled(const Fr &factor, const Fr *x, std::size_t count, Fr *y) {
    const Lanes<Fr> factors = broadcast(factor);
    for_groups(count, [&](std::size_t i, int n) {
        store_group(y + i, n, load_group(y + i, n) + load_group(x + i, n) * factors);
    });
}

Fr dot(const Fr *a, const Fr *b, std::size_t count) {
    Products<Fr> products;
    for_groups(count, [&](std::size_t i, int n) { products.add(load_group(a + i, n), load_group(b + i, n)); });
    return products.total();
}

void split(const Fr &factor, std::size_t count, Fr *low, Fr *high) {
    const Lanes<Fr> factors = broadcast(factor);
    for_groups(count, [&](std::size_t i, int n) {
        const Lanes<Fr> whole = load_group(low + i, n);
        const Lanes<Fr> part = reduced(whole * factors);
        store_group(high + i, n, part);
        store_group(low + i, n, whole - part);
    });
}

void outer(const Fr *a, const Fr *b, std::size_t size, std::size_t begin, std::size_t count, Fr *out) {
    std::size_t slow = begin / size, fast = begin % size;
    for_groups(count, [&](std::size_t i, int n) {
        Fr x[kLanes] = {}, y[kLanes] = {};
        for (int j = 0; j < n; ++j) {
            x[j] = a[slow];
            y[j] = b[fast];
            if (++fast == size) {
                fast = 0;
                ++slow;
            }
        }
        store_group(out + i, n, load(x) * load(y));
    });
}

// Montgomery's trick, eight sequences side by side: out first holds the products of what comes before.
bool invert(const Fr *x, std::size_t count, Fr *out) {
    const Lanes<Fr> ones = broadcast(Fr::one());
    const auto padded = [&](std::size_t i, int n) {
        return select((1u << n) - 1, load_group(x + i, n), ones);
    };
    Lanes<Fr> product = ones;
    for_groups(count, [&](std::size_t i, int n) {
        store_group(out + i, n, product);
        product = reduced(product * padded(i, n));
    });

    Fr lane[kLanes], before[kLanes];
    store(lane, product);
    Fr total = Fr::one();
    for (int j = 0; j < kLanes; ++j) {
        before[j] = total;
        total *= lane[j];
    }
    if (total.is_zero()) return false;
    Fr inverse = total.inverse();
    for (int j = kLanes - 1; j >= 0; --j) {
        const Fr rest = inverse * lane[j];
        lane[j] = inverse * before[j];
        inverse = rest;
    }

    Lanes<Fr, 2> inverses = load(lane);
    for (std::size_t left = count; left > 0;) {
        const int n = static_cast<int>(left % kLanes == 0 ? kLanes : left % kLanes);
        left -= static_cast<std::size_t>(n);
        const Lanes<Fr> value = padded(left, n);
        store_group(out + left, n, load_group(out + left, n) * inverses);
        inverses = inverses * value;
    }
    return true;
}

}  // namespace

const VectorKernels vector_kernels = {
    .from_integers = from_integers,
    .from_canonical = from_canonical,
    .to_canonical = to_canonical,
    .add = add,
    .subtract = subtract,
    .multiply = multiply,
    .scale = scale,
    .add_scaled = add_scaled,
    .dot = dot,
    .split = split,
    .outer = outer,
    .invert = invert,
};

}  // namespace verinfer::VERINFER_PATH
