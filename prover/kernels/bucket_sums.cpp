#include "bucket_sums.hpp"

#include <algorithm>

namespace verinfer {

namespace {

constexpr std::size_t kBlock = 1 << 14;  // references
// With more blocks to come, a round of fewer pairs is left to the next pass, where more pairs share its inversion.
constexpr std::size_t kPairsWorthAnInversion = kBlock / 32;
constexpr std::size_t kScratch = std::max(pair_scratch(kBlock / 2), kBlock / 2 * sizeof(Fq));

}  // namespace

BucketSums::BucketSums()
    : pool_(allocate<AffinePoint>(2 * kBlock)),
      references_(allocate<PointReference>(kBlock)),
      left_(allocate<PointReference>(kBlock / 2)),
      right_(allocate<PointReference>(kBlock / 2)),
      scratch_(allocate<std::byte>(kScratch)) {}

void BucketSums::add_up(const AffinePoint *points, const PointReference *references, std::vector<Run> &runs,
                        bool infinities) {
    infinities_ = infinities;
    sums_.clear();
    std::size_t total = 0;
    for (const Run &run : runs) total += run.length;
    for (bool first = true; first || total > runs.size(); first = false) {
        previous_.swap(sums_);
        sums_.clear();
        sum_runs_.clear();
        run_ = taken_ = 0;
        for (std::size_t begin = 0, length; begin < total; begin += length) {
            length = take_block(runs, std::min(kBlock, total - begin));
            if (first) {
                add_up_block(points, references + begin, total <= kBlock);
            } else {
                for (std::size_t i = 0; i < length; ++i) {
                    references_[i] = static_cast<PointReference>(2 * (begin + i));
                }
                add_up_block(previous_.data(), references_.get(), total <= kBlock);
            }
        }
        runs.swap(sum_runs_);
        total = sums_.size();
    }
}

// Cuts the next block off the list of all references: `length` of them, or one less, so that no pair is cut in two.
std::size_t BucketSums::take_block(const std::vector<Run> &runs, std::size_t length) {
    block_runs_.clear();
    std::size_t left = length;
    while (left > 0) {
        const std::size_t rest = runs[run_].length - taken_;
        const std::size_t part = rest <= left ? rest : left / 2 * 2;
        if (part == 0) break;
        block_runs_.push_back({runs[run_].bucket, static_cast<std::uint32_t>(part)});
        left -= part;
        taken_ += part;
        if (part < rest) break;
        ++run_;
        taken_ = 0;
    }
    return length - left;
}

void BucketSums::add_up_block(const AffinePoint *points, const PointReference *references, bool is_only) {
    pool_size_ = 0;
    for (bool first = true;; first = false) {
        std::size_t pairs = 0;
        for (const Run &run : block_runs_) pairs += run.length / 2;
        if (!first && (pairs == 0 || (!is_only && pairs < kPairsWorthAnInversion))) break;
        const AffinePoint *source = first ? points : pool_.get();
        AffinePoint *sums = pool_.get() + pool_size_;
        pair_up(first ? references : references_.get(), pairs, first ? points : nullptr);
        add_pairs(source, pairs, sums);
    }
    const PointReference *reference = references_.get();
    for (const Run &run : block_runs_) {
        if (!sum_runs_.empty() && sum_runs_.back().bucket == run.bucket) {
            sum_runs_.back().length += run.length;
        } else {
            sum_runs_.push_back(run);
        }
        for (std::uint32_t i = 0; i < run.length; ++i) sums_.push_back(pool_[*reference++ / 2]);
    }
}

// Makes pairs of a round's references, and the references of the next round: to the sums, which will follow what the
// pool has, and to what has no partner, which in the first round is copied behind the sums.
void BucketSums::pair_up(const PointReference *references, std::size_t pairs, const AffinePoint *points) {
    std::size_t pair = 0, copies = pool_size_ + pairs, next = 0;
    for (Run &run : block_runs_) {
        const std::uint32_t half = run.length / 2;
        for (std::uint32_t i = 0; i < half; ++i) {
            left_[pair] = references[0];
            right_[pair] = references[1];
            references += 2;
            references_[next++] = static_cast<PointReference>(2 * (pool_size_ + pair++));
        }
        if (run.length % 2 == 1) {
            const PointReference alone = *references++;
            if (points != nullptr) {
                pool_[copies] = alone & 1 ? -points[alone / 2] : points[alone / 2];
                references_[next++] = static_cast<PointReference>(2 * copies++);
            } else {
                references_[next++] = alone;
            }
        }
        run.length = half + run.length % 2;
    }
    pool_size_ = copies;
}

void BucketSums::add_pairs(const AffinePoint *points, std::size_t pairs, AffinePoint *sums) {
    if (pairs == 0) return;
    if (!infinities_ &&
        point_sum_kernels().add_pairs(points, left_.get(), right_.get(), pairs, sums, scratch_.get())) {
        return;
    }
    add_any_pairs(points, left_.get(), right_.get(), pairs, sums, reinterpret_cast<Fq *>(scratch_.get()));
    infinities_ = infinities_ || std::any_of(sums, sums + pairs, [](const AffinePoint &p) { return p.is_infinity(); });
}

}  // namespace verinfer
