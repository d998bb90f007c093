// Sums of many affine points: the loops of a multi-scalar multiplication that do its work.

#pragma once

#include <cstddef>
#include <cstdint>

#include "curve.hpp"
#include "lanes.hpp"

namespace verinfer {

// 2i stands for the i-th point of a list, 2i + 1 for its negative. Also the index of its x, and of its y, in the list
// taken as one of coordinates.
using PointReference = std::uint32_t;

// Of Horner's scheme for eight sums side by side: doubles each so many times, then adds a term to each.
struct HornerStep {
    int doublings;
    ProjectivePoint<Fq> terms[kLanes];
};

struct PointSumKernels {
    // Writes sums[i] = left[i] + right[i] for `count` pairs of references into `points`, and returns true; or returns
    // false, without having written, if two points of a pair have the same x, for which its formulas do not hold. No
    // point may be at infinity. `scratch` has pair_scratch(count) bytes, aligned like a cache line.
    bool (*add_pairs)(const AffinePoint *points, const PointReference *left, const PointReference *right,
                      std::size_t count, AffinePoint *sums, std::byte *scratch);
    // These two fill lanes, at any cost: see the functions of the same names.
    void (*weighted_sums)(const AffinePoint *points, std::size_t rows, std::size_t length,
                          ProjectivePoint<Fq> *sums);
    void (*horner)(const HornerStep *steps, std::size_t count, ProjectivePoint<Fq> (&sums)[kLanes]);
};
VERINFER_PATHS(PointSumKernels, point_sum_kernels)

constexpr std::size_t kScratchPerGroup = 5 * 8 * kLanes;  // an element in limbs of 52 bits for each pair
constexpr std::size_t pair_scratch(std::size_t count) {
    return (count + kLanes - 1) / kLanes * kScratchPerGroup;
}

// The same as the kernel for all points: at infinity, equal or opposite. `scratch` is for one element for each pair.
void add_any_pairs(const AffinePoint *points, const PointReference *left, const PointReference *right,
                   std::size_t count, AffinePoint *sums, Fq *scratch);

// For each of `rows` rows of `length` points, some of them perhaps at infinity, writes
// 1 * row[0] + 2 * row[1] + ... + length * row[length - 1].
void weighted_sums(const AffinePoint *points, std::size_t rows, std::size_t length, ProjectivePoint<Fq> *sums);

// Takes the steps, at least one, for the first `lanes` of the sums. The first step's doublings do not matter.
void horner(const HornerStep *steps, std::size_t count, std::size_t lanes, ProjectivePoint<Fq> (&sums)[kLanes]);

// Replaces all elements that are not zero by their inverses. `scratch` is for as many elements.
void invert_all(Fq *elements, std::size_t count, Fq *scratch);

}  // namespace verinfer
