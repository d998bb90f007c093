// A tree that adds up fractions: the circuit of the lookup argument (Papini, Haboeck 2023, "Improving logarithmic
// derivative lookups using GKR").
//
// Level 0 are the leaves. Leaf i has the denominator denominators[rows[i]], and the numerator 1 but in the given
// ranges. Node i of level j + 1 is the sum of the nodes 2i and 2i + 1 of level j,
//
//     (n, d) = (n0 * d1 + n1 * d0, d0 * d1)
//
// Of m leaves level j has ceil(m / 2^j) nodes. All else is *dead*, 0/1: it adds nothing, is never stored, and the work
// follows m. From level ceil(log2 m) up there is one node, the root.
//
// Memory: levels 0 and 1, three quarters of the whole, are made anew from the rows where they are needed, which costs
// one product for each node of level 1. The levels above the one whose sumcheck has begun are dropped, since the
// argument goes from the root down; whoever asks for them again waits for them. Levels 2 and up take 32 bytes a leaf.

#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <vector>

#include "field.hpp"
#include "fraction_kernels.hpp"
#include "memory.hpp"

namespace verinfer {

// The numerators of the leaves begin to end - 1.
struct NumeratorRange {
    std::size_t begin, end;
    const Fr *numerators;
};

// Consecutive nodes. No numerators: all are 1.
struct FractionNodes {
    const Fr *n, *d;
};

// Arrays to make nodes in, each as large as the largest request so far.
class FractionScratch {
   public:
    static constexpr std::size_t kArrays = 8;

    Fr *array(std::size_t index, std::size_t size) {
        if (sizes_[index] < size) {
            arrays_[index] = allocate<Fr>(size);
            sizes_[index] = size;
        }
        return arrays_[index].get();
    }

   private:
    Buffer<Fr> arrays_[kArrays];
    std::size_t sizes_[kArrays] = {};
};

// Where a layer's sumcheck keeps its factors: those before a variable is bound in one half, those after in the other.
struct FractionWorkspace {
    Buffer<Fr> halves[2];
    std::size_t sizes[2] = {};
};

class FractionTree;

// A level to read from. Keeps its nodes, but not the tree, alive.
class FractionLevel {
   public:
    std::size_t nodes() const { return nodes_; }

    // Whether the nodes begin to end - 1 are leaves with numerator 1, none of them dead.
    bool are_units(std::size_t begin, std::size_t end) const;

    // The nodes begin to end - 1, where `end` may go beyond the last node to the next multiple of 4. They lie in the
    // arrays 0 to 3 of `scratch`, or in the tree. Numerators are left out if are_units.
    FractionNodes read(std::size_t begin, std::size_t end, FractionScratch &scratch) const;

   private:
    friend class FractionTree;

    struct Stored {
        Buffer<Fr> n, d;
    };

    const FractionTree *tree_ = nullptr;
    std::size_t level_ = 0, nodes_ = 0;
    std::shared_ptr<const Stored> stored_;  // of level 2 and up
};

class FractionTree {
   public:
    // What the arguments point to is read as long as the tree lives. Throws std::invalid_argument on no leaves, on
    // rows that are not below `denominator_count`, and on ranges beyond the leaves or overlapping.
    FractionTree(const std::uint32_t *rows, std::size_t leaves, const Fr *denominators,
                 std::size_t denominator_count, std::vector<NumeratorRange> ranges);

    std::size_t leaves() const { return leaves_; }
    FractionLevel level(std::size_t level);
    void drop_above(std::size_t level);

    // The same one each time unless it is in use: its pages, once touched, serve all layers. Large enough for all
    // where few leaves have numerators of their own; pages not yet touched take no memory.
    std::shared_ptr<FractionWorkspace> workspace();

   private:
    friend class FractionLevel;

    static constexpr std::size_t kFirstStored = 2;

    const std::uint32_t *rows_;
    std::size_t leaves_;
    const Fr *denominators_;
    std::vector<NumeratorRange> ranges_;  // in order
    std::size_t top_ = kFirstStored;      // the lowest stored level with one node

    std::mutex mutex_;
    std::vector<FractionLevel> levels_;  // [j] is level j, the ones that are not stored included
    std::shared_ptr<FractionWorkspace> workspace_;

    void check_rows(std::size_t denominator_count) const;
    void check_ranges();
    FractionLevel sums_of(const FractionLevel &below) const;
    bool leaves_are_units(std::size_t begin, std::size_t end) const;
    FractionNodes read_leaves(std::size_t begin, std::size_t end, FractionScratch &scratch) const;
};

}  // namespace verinfer
