// The sum of each of many buckets of points.
//
// The points come as references, sorted by bucket. Neighbours in a bucket are added in pairs, which halves every
// bucket, until one point is left in each: within a round no addition depends on another, so that all share one
// inversion. Rounds run on blocks of references whose points stay in the cache.

#pragma once

#include <vector>

#include "memory.hpp"
#include "point_sums.hpp"

namespace verinfer {

// References, or points, in a row that belong to the same bucket.
struct Run {
    std::uint32_t bucket;
    std::uint32_t length;
};

// Keeps its memory from one call to the next. Not to be shared between threads.
class BucketSums {
   public:
    BucketSums();

    // Takes as many references into `points` as the runs say, of which none is empty and no two have the same bucket.
    // Leaves runs of length 1: sums()[i] is the sum of the bucket of the i-th. If a point may be at infinity,
    // `infinities` has to be set.
    void add_up(const AffinePoint *points, const PointReference *references, std::vector<Run> &runs,
                bool infinities);
    const std::vector<AffinePoint> &sums() const { return sums_; }
    // Whether a sum may be at infinity.
    bool infinities() const { return infinities_; }

   private:
    std::size_t take_block(const std::vector<Run> &runs, std::size_t length);
    void add_up_block(const AffinePoint *points, const PointReference *references, bool is_only);
    void pair_up(const PointReference *references, std::size_t pairs, const AffinePoint *points);
    void add_pairs(const AffinePoint *points, std::size_t pairs, AffinePoint *sums);

    bool infinities_ = false;
    std::vector<AffinePoint> sums_, previous_;
    std::vector<Run> sum_runs_;
    std::size_t run_ = 0, taken_ = 0;  // the next block begins behind `taken_` references of runs[run_]
    // The block's
    std::vector<Run> block_runs_;
    std::size_t pool_size_ = 0;
    Buffer<AffinePoint> pool_;  // sums, and copies of the points that have no partner in the first round
    Buffer<PointReference> references_, left_, right_;
    Buffer<std::byte> scratch_;
};

}  // namespace verinfer
