// Arithmetic on whole vectors, and the vectors that the protocol starts from: eq, powers, outer products.

#include "vectors.hpp"

#include <nanobind/stl/vector.h>

#include <algorithm>
#include <atomic>
#include <mutex>

#include "integer_arrays.hpp"
#include "parallel.hpp"
#include "python_types.hpp"
#include "registration.hpp"

namespace verinfer {

namespace {

using namespace nb::literals;

constexpr std::size_t kGrain = 2048;

std::size_t common_length(const Vector &a, const Vector &b) {
    if (a.shape(0) != b.shape(0)) {
        throw std::invalid_argument("vectors of " + std::to_string(a.shape(0)) + " and " + std::to_string(b.shape(0)) +
                                    " elements");
    }
    return a.shape(0);
}

// A new vector, filled in ranges by fill(begin, end, out + begin) without the interpreter's lock.
template <class Fill>
NewVector new_vector(std::size_t count, const Fill &fill) {
    Buffer<Fr> out = allocate<Fr>(count);
    {
        nb::gil_scoped_release release;
        parallel_for(count, kGrain, [&](std::size_t begin, std::size_t end) { fill(begin, end, out.get() + begin); });
    }
    return to_python(std::move(out), count);
}

NewVector from_ints(const IntegerArray &x) {
    return visit(x, [&](const auto *values) {
        return new_vector(x.size(), [&](std::size_t begin, std::size_t end, Fr *out) {
            std::int64_t block[256];
            for (std::size_t i = begin; i < end; i += std::size(block)) {
                const std::size_t count = std::min(std::size(block), end - i);
                std::copy_n(values + i, count, block);
                vector_kernels().from_integers(block, count, out + (i - begin));
            }
        });
    });
}

NewVector from_bytes(const nb::bytes &bytes) {
    if (bytes.size() % 32 != 0) {
        throw std::invalid_argument("elements are 32 bytes each, which " + std::to_string(bytes.size()) + " are not");
    }
    std::atomic<bool> canonical = true;
    NewVector vector = new_vector(bytes.size() / 32, [&](std::size_t begin, std::size_t end, Fr *out) {
        std::memcpy(static_cast<void *>(out), bytes.c_str() + 32 * begin, 32 * (end - begin));
        const Uint256 *integers = reinterpret_cast<const Uint256 *>(out);
        if (!std::all_of(integers, integers + (end - begin), Fr::is_canonical)) canonical = false;
        vector_kernels().from_canonical(integers, end - begin, out);
    });
    if (!canonical) throw std::invalid_argument("an element is not below the field's order");
    return vector;
}

nb::bytes to_bytes(const Vector &x) {
    const std::size_t count = x.shape(0);
    PyObject *bytes = PyBytes_FromStringAndSize(nullptr, static_cast<Py_ssize_t>(32 * count));
    if (bytes == nullptr) throw nb::python_error();
    char *to = PyBytes_AS_STRING(bytes);
    {
        nb::gil_scoped_release release;
        parallel_for(count, kGrain, [&](std::size_t begin, std::size_t end) {
            Uint256 block[64];  // Python's bytes need not lie at multiples of 8
            for (std::size_t i = begin; i < end; i += std::size(block)) {
                const std::size_t size = std::min(std::size(block), end - i);
                vector_kernels().to_canonical(elements(x) + i, size, block);
                std::memcpy(to + 32 * i, block, 32 * size);
            }
        });
    }
    return nb::steal<nb::bytes>(bytes);
}

template <auto Kernel>
NewVector elementwise(const Vector &a, const Vector &b) {
    const Fr *x = elements(a), *y = elements(b);
    return new_vector(common_length(a, b), [&](std::size_t begin, std::size_t end, Fr *out) {
        (vector_kernels().*Kernel)(x + begin, y + begin, end - begin, out);
    });
}

NewVector scale(const Vector &a, const nb::bytes &factor) {
    const Fr by = scalar(factor);
    return new_vector(a.shape(0), [&](std::size_t begin, std::size_t end, Fr *out) {
        vector_kernels().scale(elements(a) + begin, by, end - begin, out);
    });
}

void axpy(const nb::bytes &factor, const Vector &x, const MutableVector &y) {
    const Fr by = scalar(factor);
    const std::size_t count = common_length(x, Vector(y));
    nb::gil_scoped_release release;
    parallel_for(count, kGrain, [&](std::size_t begin, std::size_t end) {
        vector_kernels().add_scaled(by, elements(x) + begin, end - begin, elements(y) + begin);
    });
}

nb::bytes dot(const Vector &a, const Vector &b) {
    const std::size_t count = common_length(a, b);
    Fr total = Fr::zero();
    {
        nb::gil_scoped_release release;
        std::mutex mutex;
        parallel_for(count, kGrain, [&](std::size_t begin, std::size_t end) {
            const Fr part = vector_kernels().dot(elements(a) + begin, elements(b) + begin, end - begin);
            const std::scoped_lock lock(mutex);
            total += part;
        });
    }
    return to_python(total);
}

NewVector inverse(const Vector &x) {
    constexpr std::size_t block = 4096;  // one inversion of 10 us for each; its products stay in the second cache
    std::atomic<bool> done = true;
    NewVector vector = new_vector(x.shape(0), [&](std::size_t begin, std::size_t end, Fr *out) {
        for (std::size_t i = begin; i < end; i += block) {
            if (!vector_kernels().invert(elements(x) + i, std::min(block, end - i), out + (i - begin))) done = false;
        }
    });
    if (!done) throw std::invalid_argument("an element is zero, which has no inverse");
    return vector;
}

// By doubling what is there: the next `filled` powers are those there times base^filled.
NewVector powers(const nb::bytes &base, std::size_t count) {
    Fr factor = scalar(base);
    Buffer<Fr> out = allocate<Fr>(count);
    {
        nb::gil_scoped_release release;
        if (count > 0) out[0] = Fr::one();
        for (std::size_t filled = 1; filled < count; filled *= 2, factor = factor.squared()) {
            parallel_for(std::min(filled, count - filled), kGrain, [&](std::size_t begin, std::size_t end) {
                vector_kernels().scale(out.get() + begin, factor, end - begin, out.get() + filled + begin);
            });
        }
    }
    return to_python(std::move(out), count);
}

// eq(z, i) = the product of z_k where bit k of i is set and of 1 - z_k elsewhere. From the last coordinate on, each
// splits what is there into a half without and a half with its bit.
NewVector eq(const std::vector<nb::bytes> &point, const nb::bytes &factor) {
    constexpr std::size_t most_coordinates = 40;
    if (point.size() > most_coordinates) {
        throw std::invalid_argument("a point of " + std::to_string(point.size()) + " coordinates is too long");
    }
    const std::vector<Fr> coordinates = scalars(point);
    const Fr start = scalar(factor);
    const std::size_t count = std::size_t{1} << coordinates.size();
    Buffer<Fr> out = allocate<Fr>(count);
    {
        nb::gil_scoped_release release;
        out[0] = start;
        std::size_t filled = 1;
        for (auto z = coordinates.rbegin(); z != coordinates.rend(); ++z, filled *= 2) {
            parallel_for(filled, kGrain, [&](std::size_t begin, std::size_t end) {
                vector_kernels().split(*z, end - begin, out.get() + begin, out.get() + filled + begin);
            });
        }
    }
    return to_python(std::move(out), count);
}

NewVector kron(const Vector &a, const Vector &b) {
    const std::size_t size = b.shape(0);
    const Fr *slow = elements(a), *fast = elements(b);
    return new_vector(a.shape(0) * size, [&](std::size_t begin, std::size_t end, Fr *out) {
        constexpr std::size_t small = 32;
        if (size < small) return vector_kernels().outer(slow, fast, size, begin, end - begin, out);
        for (std::size_t i = begin; i < end;) {
            const std::size_t column = i % size, count = std::min(size - column, end - i);
            vector_kernels().scale(fast + column, slow[i / size], count, out + (i - begin));
            i += count;
        }
    });
}

using Rows = nb::ndarray<const std::uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

NewVector gather(const Vector &table, const Rows &rows) {
    const std::size_t size = table.shape(0);
    const Fr *from = elements(table);
    const std::uint32_t *row = rows.data();
    std::atomic<bool> inside = true;
    NewVector vector = new_vector(rows.shape(0), [&](std::size_t begin, std::size_t end, Fr *out) {
        constexpr std::size_t ahead = 16;  // tables are larger than the caches
        for (std::size_t i = begin; i < end; ++i) {
            if (i + ahead < end) __builtin_prefetch(from + std::min<std::size_t>(row[i + ahead], size));
            if (row[i] >= size) {
                inside = false;
                return;
            }
            out[i - begin] = from[row[i]];
        }
    });
    if (!inside) throw nb::index_error("a row is beyond the table's end");
    return vector;
}

}  // namespace

void register_vectors(nb::module_ &module) {
    module.def("from_ints", &from_ints, "x"_a.noconvert(), "The vector of signed integers, row-major.");
    module.def("from_bytes", &from_bytes, "data"_a, "The vector of elements of 32 canonical little-endian bytes.");
    module.def("to_bytes", &to_bytes, "x"_a.noconvert(), "The other way round.");
    module.def("add", &elementwise<&VectorKernels::add>, "a"_a.noconvert(), "b"_a.noconvert(), "a + b");
    module.def("sub", &elementwise<&VectorKernels::subtract>, "a"_a.noconvert(), "b"_a.noconvert(), "a - b");
    module.def("mul", &elementwise<&VectorKernels::multiply>, "a"_a.noconvert(), "b"_a.noconvert(),
               "Products elementwise.");
    module.def("scale", &scale, "a"_a.noconvert(), "factor"_a, "factor * a");
    module.def("axpy", &axpy, "factor"_a, "x"_a.noconvert(), "y"_a.noconvert(), "y += factor * x, in place.");
    module.def("dot", &dot, "a"_a.noconvert(), "b"_a.noconvert(), "The inner product.");
    module.def("inverse", &inverse, "x"_a.noconvert(), "The inverses; ValueError if an element is zero.");
    module.def("powers", &powers, "base"_a, "count"_a, "1, base, base^2, ..., `count` of them.");
    module.def("eq", &eq, "point"_a, "factor"_a,
               "factor * eq(point, i) for every i; the first coordinate belongs to the most significant bit of i.");
    module.def("kron", &kron, "a"_a.noconvert(), "b"_a.noconvert(), "a[i] * b[j] at i * len(b) + j.");
    module.def("gather", &gather, "table"_a.noconvert(), "rows"_a.noconvert(), "table[rows]");
}

}  // namespace verinfer
