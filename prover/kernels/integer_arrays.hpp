// NumPy arrays of signed integers of 8, 16, 32 or 64 bits.

#pragma once

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>

#include <cstdint>

namespace verinfer {

namespace nb = nanobind;

using IntegerArray = nb::ndarray<nb::ro, nb::c_contig, nb::device::cpu>;

// body(pointer to the first integer), of the array's own type.
template <class Body>
auto visit(const IntegerArray &array, const Body &body) {
    if (array.dtype() == nb::dtype<std::int8_t>()) return body(static_cast<const std::int8_t *>(array.data()));
    if (array.dtype() == nb::dtype<std::int16_t>()) return body(static_cast<const std::int16_t *>(array.data()));
    if (array.dtype() == nb::dtype<std::int32_t>()) return body(static_cast<const std::int32_t *>(array.data()));
    if (array.dtype() == nb::dtype<std::int64_t>()) return body(static_cast<const std::int64_t *>(array.data()));
    throw nb::type_error("an array of int8, int16, int32 or int64 is needed");
}

}  // namespace verinfer
