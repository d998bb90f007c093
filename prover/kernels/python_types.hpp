// How field elements cross into Python: vectors as NumPy arrays, scalars as 32 canonical little-endian bytes.

#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <bit>
#include <cstdint>
#include <cstring>
#include <stdexcept>
#include <string>
#include <vector>

#include "field.hpp"
#include "memory.hpp"

namespace verinfer {

static_assert(std::endian::native == std::endian::little, "field elements are kept and exchanged in this order");

namespace nb = nanobind;

// uint64 [n, 4], the elements as they lie in memory.
using Vector = nb::ndarray<const std::uint64_t, nb::shape<-1, 4>, nb::c_contig, nb::device::cpu>;
using MutableVector = nb::ndarray<std::uint64_t, nb::shape<-1, 4>, nb::c_contig, nb::device::cpu>;
using NewVector = nb::ndarray<nb::numpy, std::uint64_t, nb::shape<-1, 4>, nb::c_contig>;

inline const Fr *elements(const Vector &vector) { return reinterpret_cast<const Fr *>(vector.data()); }
inline Fr *elements(const MutableVector &vector) { return reinterpret_cast<Fr *>(vector.data()); }

// Hands a buffer of `count` elements over to Python.
inline NewVector to_python(Buffer<Fr> buffer, std::size_t count) {
    Fr *data = buffer.release();
    nb::capsule owner(data, [](void *memory) noexcept { std::free(memory); });
    return NewVector(reinterpret_cast<std::uint64_t *>(data), {count, 4}, owner);
}

inline Fr scalar(const nb::bytes &bytes) {
    if (bytes.size() != 32) {
        throw std::invalid_argument("a scalar is 32 bytes, not " + std::to_string(bytes.size()));
    }
    Uint256 integer;
    std::memcpy(&integer, bytes.data(), 32);
    if (!Fr::is_canonical(integer)) throw std::invalid_argument("a scalar must be below the field's order");
    return Fr::from_canonical(integer);
}

inline std::vector<Fr> scalars(const std::vector<nb::bytes> &list) {
    std::vector<Fr> result;
    result.reserve(list.size());
    for (const nb::bytes &bytes : list) result.push_back(scalar(bytes));
    return result;
}

inline nb::bytes to_python(const Fr &x) {
    const Uint256 integer = x.canonical();
    return nb::bytes(reinterpret_cast<const char *>(&integer), 32);
}

}  // namespace verinfer
