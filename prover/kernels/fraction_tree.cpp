#include "fraction_tree.hpp"

#include <algorithm>
#include <atomic>
#include <stdexcept>
#include <string>
#include <utility>

#include "parallel.hpp"

namespace verinfer {

namespace {

constexpr std::size_t kDeadNodes = 3;  // stored behind a level's last node, so that groups of four are whole
constexpr std::size_t kBlock = 256;    // nodes made at a time
constexpr std::size_t kGrain = 4 * kBlock;

}  // namespace

bool FractionLevel::are_units(std::size_t begin, std::size_t end) const {
    return level_ == 0 && tree_->leaves_are_units(begin, end);
}

FractionNodes FractionLevel::read(std::size_t begin, std::size_t end, FractionScratch &scratch) const {
    if (stored_) return {stored_->n.get() + begin, stored_->d.get() + begin};
    if (level_ == 0) return tree_->read_leaves(begin, end, scratch);
    const FractionNodes leaves = tree_->read_leaves(2 * begin, 2 * end, scratch);
    Fr *n = scratch.array(2, end - begin), *d = scratch.array(3, end - begin);
    if (leaves.n == nullptr) {
        fraction_kernels().add_units(leaves.d, n, d, end - begin);
    } else {
        fraction_kernels().add(leaves.n, leaves.d, n, d, end - begin);
    }
    return {n, d};
}

FractionTree::FractionTree(const std::uint32_t *rows, std::size_t leaves, const Fr *denominators,
                           std::size_t denominator_count, std::vector<NumeratorRange> ranges)
    : rows_(rows), leaves_(leaves), denominators_(denominators), ranges_(std::move(ranges)) {
    if (leaves == 0) throw std::invalid_argument("a tree needs at least one leaf");
    while ((leaves - 1) >> top_ != 0) ++top_;
    check_rows(denominator_count);
    check_ranges();
    level(top_);
}

void FractionTree::check_rows(std::size_t denominator_count) const {
    std::atomic<std::uint32_t> largest = 0;
    parallel_for(leaves_, std::size_t{1} << 16, [&](std::size_t begin, std::size_t end) {
        const std::uint32_t here = *std::max_element(rows_ + begin, rows_ + end);
        std::uint32_t before = largest.load();
        while (before < here && !largest.compare_exchange_weak(before, here)) {
        }
    });
    if (largest >= denominator_count) {
        throw std::invalid_argument("row " + std::to_string(largest) + " of " + std::to_string(denominator_count) +
                                    " denominators");
    }
}

void FractionTree::check_ranges() {
    std::erase_if(ranges_, [](const NumeratorRange &range) { return range.begin == range.end; });
    std::ranges::sort(ranges_, {}, &NumeratorRange::begin);
    std::size_t free_from = 0;
    for (const NumeratorRange &range : ranges_) {
        if (range.begin < free_from) throw std::invalid_argument("ranges of numerators overlap");
        if (range.end > leaves_) {
            throw std::invalid_argument("numerators for leaf " + std::to_string(range.end - 1) + " of " +
                                        std::to_string(leaves_));
        }
        free_from = range.end;
    }
}

bool FractionTree::leaves_are_units(std::size_t begin, std::size_t end) const {
    if (end > leaves_) return false;
    const auto next = std::ranges::upper_bound(ranges_, begin, {}, &NumeratorRange::end);
    return next == ranges_.end() || next->begin >= end;
}

FractionNodes FractionTree::read_leaves(std::size_t begin, std::size_t end, FractionScratch &scratch) const {
    Fr *d = scratch.array(1, end - begin);
    const std::size_t live = std::clamp(leaves_, begin, end) - begin;
    fraction_kernels().gather(denominators_, rows_ + begin, d, live);
    std::fill(d + live, d + (end - begin), Fr::one());
    if (leaves_are_units(begin, end)) return {nullptr, d};

    Fr *n = scratch.array(0, end - begin);
    std::fill(n, n + live, Fr::one());
    std::fill(n + live, n + (end - begin), Fr::zero());
    auto range = std::ranges::upper_bound(ranges_, begin, {}, &NumeratorRange::end);
    for (; range != ranges_.end() && range->begin < end; ++range) {
        const std::size_t from = std::max(begin, range->begin), to = std::min(end, range->end);
        std::copy(range->numerators + (from - range->begin), range->numerators + (to - range->begin),
                  n + (from - begin));
    }
    return {n, d};
}

FractionLevel FractionTree::level(std::size_t level) {
    level = std::min(level, top_);
    const std::scoped_lock lock(mutex_);
    while (levels_.size() <= level) {
        const std::size_t next = levels_.size();
        if (next >= kFirstStored) {
            levels_.push_back(sums_of(levels_.back()));
        } else {
            FractionLevel made;
            made.tree_ = this;
            made.level_ = next;
            made.nodes_ = next == 0 ? leaves_ : (leaves_ + 1) / 2;
            levels_.push_back(std::move(made));
        }
    }
    return levels_[level];
}

void FractionTree::drop_above(std::size_t level) {
    const std::scoped_lock lock(mutex_);
    if (levels_.size() > level + 1) levels_.resize(level + 1);
}

std::shared_ptr<FractionWorkspace> FractionTree::workspace() {
    const std::scoped_lock lock(mutex_);
    if (workspace_ && workspace_.use_count() == 1) return workspace_;
    auto made = std::make_shared<FractionWorkspace>();
    for (std::size_t half = 0; half < 2; ++half) {
        made->sizes[half] = (leaves_ >> (half + 1)) + leaves_ / 16 + 1024;
        made->halves[half] = allocate<Fr>(made->sizes[half]);
    }
    if (!workspace_) workspace_ = made;
    return made;
}

FractionLevel FractionTree::sums_of(const FractionLevel &below) const {
    FractionLevel::Stored stored;
    const std::size_t nodes = (below.nodes() + 1) / 2;
    stored.n = allocate<Fr>(nodes + kDeadNodes);
    stored.d = allocate<Fr>(nodes + kDeadNodes);
    std::fill_n(stored.n.get() + nodes, kDeadNodes, Fr::zero());
    std::fill_n(stored.d.get() + nodes, kDeadNodes, Fr::one());
    parallel_for(nodes, kGrain, [&](std::size_t first, std::size_t last) {
        FractionScratch scratch;
        for (std::size_t begin = first; begin < last; begin += kBlock) {
            const std::size_t end = std::min(last, begin + kBlock);
            const FractionNodes children = below.read(2 * begin, 2 * end, scratch);
            fraction_kernels().add(children.n, children.d, stored.n.get() + begin, stored.d.get() + begin,
                                   end - begin);
        }
    });
    FractionLevel level;
    level.tree_ = this;
    level.level_ = below.level_ + 1;
    level.nodes_ = nodes;
    level.stored_ = std::make_shared<const FractionLevel::Stored>(std::move(stored));
    return level;
}

}  // namespace verinfer
