#include "univariate.hpp"

#include <nanobind/stl/vector.h>

#include <algorithm>
#include <vector>

#include "parallel.hpp"
#include "python_types.hpp"
#include "registration.hpp"

namespace verinfer {

namespace {

using namespace nb::literals;

constexpr std::size_t kGrain = 1 << 11;

// The powers of a point up to what Horner's scheme steps by.
struct Powers {
    Fr power[kPowers];
    Fr next = Fr::one();

    explicit Powers(const Fr &x) {
        for (Fr &each : power) {
            each = next;
            next *= x;
        }
    }
};

Fr power(Fr base, std::size_t exponent) {
    Fr result = Fr::one();
    for (; exponent > 0; exponent /= 2) {
        if (exponent % 2 == 1) result *= base;
        base = base.squared();
    }
    return result;
}

// The values at x of consecutive segments of f, each of the same length but for the last.
std::vector<Fr> segment_values(const Fr *f, std::size_t size, std::size_t length, const Fr &x) {
    const Powers powers(x);
    std::vector<Fr> values((size + length - 1) / length);
    parallel_for(values.size(), 1, [&](std::size_t begin, std::size_t end) {
        for (std::size_t segment = begin; segment < end; ++segment) {
            const std::size_t first = segment * length;
            values[segment] = univariate_kernels().evaluate(f + first, std::min(length, size - first), powers.power,
                                                            powers.next);
        }
    });
    return values;
}

NewVector fold_pairs(const Vector &f, const nb::bytes &x) {
    const Fr point = scalar(x);
    if (f.shape(0) % 2 != 0) throw std::invalid_argument("an odd number of elements does not make pairs");
    const std::size_t size = f.shape(0) / 2;
    Buffer<Fr> folded;
    {
        nb::gil_scoped_release release;
        folded = allocate<Fr>(size);
        parallel_for(size, kGrain, [&](std::size_t begin, std::size_t end) {
            univariate_kernels().fold_pairs(elements(f) + 2 * begin, end - begin, point, &folded[begin]);
        });
    }
    return to_python(std::move(folded), size);
}

nb::bytes evaluate(const Vector &f, const nb::bytes &x) {
    const Fr point = scalar(x);
    Fr value = Fr::zero();
    {
        nb::gil_scoped_release release;
        const std::vector<Fr> values = segment_values(elements(f), f.shape(0), kGrain, point);
        const Fr step = power(point, kGrain);
        for (std::size_t segment = values.size(); segment-- > 0;) value = value * step + values[segment];
    }
    return to_python(value);
}

// q = (f - f(a)) / (X - a) has q[i - 1] = f[i] + a * q[i]: Horner's scheme. It runs in many segments at once, each
// begun with what the scheme has reached behind it, which follows from the segments' values.
void divide_linear(const Fr *f, std::size_t size, const Fr &a, Fr *scheme) {
    constexpr std::size_t groups = 16, segments = groups * kLanes;
    const std::size_t length = size / segments, rest = length * segments;
    Fr carry = Fr::zero();
    for (std::size_t i = size; i-- > rest;) scheme[i] = carry = f[i] + a * carry;
    if (length == 0) return;
    const std::vector<Fr> values = segment_values(f, rest, length, a);
    const Fr step = power(a, length);
    Fr carries[groups][kLanes];
    for (std::size_t segment = segments; segment-- > 0;) {
        carries[segment / kLanes][segment % kLanes] = carry;
        carry = values[segment] + step * carry;
    }
    const std::size_t grain = std::max<std::size_t>(1, kGrain / (length * kLanes));
    parallel_for(groups, grain, [&](std::size_t begin, std::size_t end) {
        for (std::size_t group = begin; group < end; ++group) {
            const std::size_t first = group * kLanes * length;
            univariate_kernels().horner(f + first, length, a, carries[group], scheme + first);
        }
    });
}

NewVector divide_linear(const Vector &f, const nb::bytes &a) {
    const Fr root = scalar(a);
    const std::size_t size = f.shape(0);
    if (size == 0) throw std::invalid_argument("a polynomial without coefficients cannot be divided");
    Buffer<Fr> scheme;
    {
        nb::gil_scoped_release release;
        scheme = allocate<Fr>(size);
        divide_linear(elements(f), size, root, scheme.get());
    }
    // Behind f(a), the remainder.
    Fr *data = scheme.release();
    nb::capsule owner(data, [](void *memory) noexcept { std::free(memory); });
    return NewVector(reinterpret_cast<std::uint64_t *>(data + 1), {size - 1, 4}, owner);
}

NewVector combine(const std::vector<Vector> &vectors, const std::vector<nb::bytes> &factors) {
    if (vectors.size() != factors.size()) {
        throw std::invalid_argument(std::to_string(vectors.size()) + " vectors, but " +
                                    std::to_string(factors.size()) + " scalars");
    }
    const std::vector<Fr> weights = scalars(factors);
    std::vector<const Fr *> data;
    std::vector<std::size_t> lengths;
    for (const Vector &vector : vectors) {
        data.push_back(elements(vector));
        lengths.push_back(vector.shape(0));
    }
    const std::size_t size = lengths.empty() ? 0 : *std::ranges::max_element(lengths);
    Buffer<Fr> sum;
    {
        nb::gil_scoped_release release;
        sum = allocate<Fr>(size);
        parallel_for(size, kGrain, [&](std::size_t begin, std::size_t end) {
            univariate_kernels().combine(data.data(), lengths.data(), weights.data(), data.size(), begin, end,
                                         sum.get());
        });
    }
    return to_python(std::move(sum), size);
}

}  // namespace

void register_univariate(nb::module_ &module) {
    module.def("fold_pairs", &fold_pairs, "f"_a.noconvert(), "x"_a,
               "f[2 j] + x * (f[2 j + 1] - f[2 j]) for all j: the least significant variable bound to x.");
    module.def("evaluate", &evaluate, "f"_a.noconvert(), "x"_a, "The sum of f[i] * x^i, as a scalar.");
    module.def("divide_linear",
               static_cast<NewVector (*)(const Vector &, const nb::bytes &)>(&divide_linear), "f"_a.noconvert(),
               "a"_a, "The quotient of the polynomial with coefficients f by X - a; the remainder is dropped.");
    module.def("combine", &combine, "vectors"_a.noconvert(), "scalars"_a,
               "The sum of scalars[k] * vectors[k], as long as the longest; the others count as zero behind their "
               "ends.");
}

}  // namespace verinfer
