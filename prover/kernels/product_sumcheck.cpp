// The sumcheck for sum over x in {0,1}^n of f(x) g(x), or f(x) g(x) h(x), each multilinear and given by its values:
// value i belongs to the x whose first coordinate is the most significant bit of i. That bit is bound first:
//
//     f(X, x) = f[x] + X * (f[x + 2^(n-1)] - f[x])
//
// Sums of many such products side by side are one: where each x has a row of m values, 2^n m in all, the variables
// bound are still the most significant ones, and a row of m is what is left.
//
// A round states the polynomial g(X) = sum over x of the product of the f(X, x) by values that determine it together
// with the claim g(0) + g(1).

#include "product_sumcheck.hpp"

#include <algorithm>
#include <array>
#include <cstdint>
#include <mutex>
#include <stdexcept>
#include <string>
#include <vector>

#include "parallel.hpp"
#include "python_types.hpp"
#include "registration.hpp"

namespace verinfer {

namespace {

using namespace nb::literals;

constexpr std::size_t kMaxFactors = 3;
constexpr std::size_t kBlock = 128;  // elements folded, then summed while they are in the first cache
constexpr std::size_t kGrain = 8 * kBlock;

// Up to three vectors of one length; a square has the same vector twice, which is folded once.
struct Factors {
    std::vector<Fr *> vectors;
    std::vector<Fr *> distinct;
    std::size_t size;
};

using Sums = std::array<Fr, kMaxFactors>;

void add_sums(const Factors &factors, std::size_t half, std::size_t begin, std::size_t end, Sums &total) {
    const ProductKernels &kernels = product_kernels();
    const std::size_t count = factors.vectors.size();
    std::array<const Fr *, kMaxFactors> low, high;
    for (std::size_t f = 0; f < count; ++f) {
        low[f] = factors.vectors[f] + begin;
        high[f] = low[f] + half;
    }
    Sums sums;
    (count == 2 ? kernels.sums_of_2 : kernels.sums_of_3)(low.data(), high.data(), end - begin, sums.data());
    for (std::size_t i = 0; i < count; ++i) total[i] += sums[i];
}

// Calls body(begin, end, sums) for blocks that cover 0..count, and adds up the sums.
template <class Body>
Sums sum_over_blocks(std::size_t count, const Body &body) {
    Sums total;
    total.fill(Fr::zero());
    std::mutex mutex;
    parallel_for(count, kGrain, [&](std::size_t first, std::size_t last) {
        Sums sums;
        sums.fill(Fr::zero());
        for (std::size_t begin = first; begin < last; begin += kBlock) {
            body(begin, std::min(last, begin + kBlock), sums);
        }
        const std::scoped_lock lock(mutex);
        for (std::size_t i = 0; i < kMaxFactors; ++i) total[i] += sums[i];
    });
    return total;
}

Fr sum(const Factors &factors) {
    const Sums sums = sum_over_blocks(factors.size, [&](std::size_t begin, std::size_t end, Sums &total) {
        std::array<const Fr *, kMaxFactors> here;
        for (std::size_t f = 0; f < factors.vectors.size(); ++f) here[f] = factors.vectors[f] + begin;
        total[0] += product_kernels().sum(here.data(), factors.vectors.size(), end - begin);
    });
    return sums[0];
}

Sums round(const Factors &factors) {
    const std::size_t half = factors.size / 2;
    return sum_over_blocks(half, [&](std::size_t begin, std::size_t end, Sums &sums) {
        add_sums(factors, half, begin, end, sums);
    });
}

void bind(const Factors &factors, const Fr &r) {
    const std::size_t half = factors.size / 2;
    parallel_for(half, kGrain, [&](std::size_t begin, std::size_t end) {
        for (Fr *f : factors.distinct) product_kernels().fold(f + begin, f + half + begin, f + begin, end - begin, r);
    });
}

Sums bind_round(const Factors &factors, const Fr &r) {
    const std::size_t half = factors.size / 2, quarter = half / 2;
    return sum_over_blocks(quarter, [&](std::size_t begin, std::size_t end, Sums &sums) {
        for (Fr *f : factors.distinct) {
            for (Fr *low : {f + begin, f + quarter + begin}) {
                product_kernels().fold(low, low + half, low, end - begin, r);
            }
        }
        add_sums(factors, quarter, begin, end, sums);
    });
}

template <class Array>
Factors parse(const nb::list &list, std::size_t multiple) {
    Factors factors{};
    for (const nb::handle item : list) {
        Array array;
        if (!nb::try_cast(item, array, false)) {
            throw nb::type_error("a factor is a contiguous uint64 array [n, 4], writable if it is to be bound");
        }
        Fr *vector = const_cast<Fr *>(elements(array));
        if (factors.vectors.empty()) factors.size = array.shape(0);
        if (array.shape(0) != factors.size) throw std::invalid_argument("the factors differ in length");
        factors.vectors.push_back(vector);
        if (std::ranges::find(factors.distinct, vector) == factors.distinct.end()) factors.distinct.push_back(vector);
    }
    if (factors.vectors.size() < 2 || factors.vectors.size() > kMaxFactors) {
        throw std::invalid_argument("a product has 2 or 3 factors, not " + std::to_string(factors.vectors.size()));
    }
    if (factors.size == 0 || factors.size % multiple != 0) {
        throw std::invalid_argument("factors of " + std::to_string(factors.size) + " elements; needed is a multiple " +
                                    "of " + std::to_string(multiple));
    }
    std::ranges::sort(factors.distinct);
    for (std::size_t i = 1; i < factors.distinct.size(); ++i) {
        if (factors.distinct[i] < factors.distinct[i - 1] + factors.size) {
            throw std::invalid_argument("the factors overlap in memory");
        }
    }
    return factors;
}

nb::list to_python(const Sums &sums, std::size_t count) {
    nb::list list;
    for (std::size_t i = 0; i < count; ++i) list.append(to_python(sums[i]));
    return list;
}

nb::list first_halves(const nb::list &vectors, std::size_t half) {
    const nb::object first_half = nb::slice(half);
    nb::list list;
    for (const nb::handle vector : vectors) list.append(vector[first_half]);
    return list;
}

nb::bytes product_sum(const nb::list &list) {
    const Factors factors = parse<Vector>(list, 1);
    Fr total;
    {
        nb::gil_scoped_release release;
        total = sum(factors);
    }
    return to_python(total);
}

nb::list product_round(const nb::list &list) {
    const Factors factors = parse<Vector>(list, 2);
    Sums sums;
    {
        nb::gil_scoped_release release;
        sums = round(factors);
    }
    return to_python(sums, factors.vectors.size());
}

nb::list product_bind(const nb::list &list, const nb::bytes &r) {
    const Factors factors = parse<MutableVector>(list, 2);
    const Fr challenge = scalar(r);
    {
        nb::gil_scoped_release release;
        bind(factors, challenge);
    }
    return first_halves(list, factors.size / 2);
}

nb::tuple product_bind_round(const nb::list &list, const nb::bytes &r) {
    const Factors factors = parse<MutableVector>(list, 4);
    const Fr challenge = scalar(r);
    Sums sums;
    {
        nb::gil_scoped_release release;
        sums = bind_round(factors, challenge);
    }
    return nb::make_tuple(first_halves(list, factors.size / 2), to_python(sums, factors.vectors.size()));
}

}  // namespace

void register_product_sumcheck(nb::module_ &module) {
    module.def("product_sum", &product_sum, "factors"_a, "The sum of the product of 2 or 3 vectors.");
    module.def("product_round", &product_round, "factors"_a,
               "What a round of the sumcheck for a product of 2 or 3 vectors of 2^n * m elements says of its polynomial "
               "in the most significant variable: its values at 0 and, of three factors, at -1, and its leading "
               "coefficient.");
    module.def("product_bind", &product_bind, "factors"_a, "r"_a,
               "Bind the most significant variable of 2 or 3 vectors to r, in place. Returns their first halves, which "
               "hold the result.");
    module.def("product_bind_round", &product_bind_round, "factors"_a, "r"_a,
               "product_bind, and product_round of its result, in one pass: (first halves, round).");
}

}  // namespace verinfer
