// The inner loops of arithmetic on whole vectors (vectors.cpp), each over `count` elements.

#pragma once

#include <cstddef>
#include <cstdint>

#include "field.hpp"
#include "instruction_set.hpp"

namespace verinfer {

struct VectorKernels {
    void (*from_integers)(const std::int64_t *x, std::size_t count, Fr *out);
    void (*from_canonical)(const Uint256 *x, std::size_t count, Fr *out);
    void (*to_canonical)(const Fr *x, std::size_t count, Uint256 *out);

    // out may be a or b.
    void (*add)(const Fr *a, const Fr *b, std::size_t count, Fr *out);
    void (*subtract)(const Fr *a, const Fr *b, std::size_t count, Fr *out);
    void (*multiply)(const Fr *a, const Fr *b, std::size_t count, Fr *out);
    void (*scale)(const Fr *a, const Fr &factor, std::size_t count, Fr *out);
    void (*add_scaled)(const Fr &factor, const Fr *x, std::size_t count, Fr *y);  // y += factor * x
    Fr (*dot)(const Fr *a, const Fr *b, std::size_t count);

    // high = factor * low; low -= high.
    void (*split)(const Fr &factor, std::size_t count, Fr *low, Fr *high);

    // out[i] = a[(begin + i) / size] * b[(begin + i) % size], for small sizes of b.
    void (*outer)(const Fr *a, const Fr *b, std::size_t size, std::size_t begin, std::size_t count, Fr *out);

    // False if an element is zero; out, which is not x, is garbage then.
    bool (*invert)(const Fr *x, std::size_t count, Fr *out);
};

VERINFER_PATHS(VectorKernels, vector_kernels)

}  // namespace verinfer
