#include "msm.hpp"

#include <algorithm>
#include <bit>
#include <functional>
#include <vector>

#include "bucket_sums.hpp"
#include "parallel.hpp"

namespace verinfer {

namespace {

// Below that, a window's buckets are weighted directly, without rows and columns.
constexpr std::uint32_t kFewBuckets = 32;
// Points of windows that are worked on together: more of them waste fewer inversions, but leave the cache.
constexpr std::size_t kLeastPoints = 1 << 13, kMostPoints = 1 << 17;
// A window of more points than this is cut.
constexpr std::size_t kMostPointsOfOne = 1 << 21;

// A window of one of the sums, or a part of it.
struct Part {
    std::size_t sum;
    int window;
    std::size_t begin, end;
    std::uint32_t largest;  // of the digits' magnitudes

    std::size_t size() const { return end - begin; }
    // The k of the rows and columns; 0 where there are none.
    int column_bits() const {
        return largest <= kFewBuckets ? 0 : static_cast<int>(std::bit_width(largest)) / 2;
    }
    // Of the dependent sums.
    std::size_t chains() const { return column_bits() == 0 ? 1 : 2; }
    std::size_t chain_length() const {
        const int bits = column_bits();
        return bits == 0 ? largest : std::max<std::size_t>(largest >> bits, (std::size_t{1} << bits) - 1);
    }
};

// References to points, sorted by bucket in the time it takes to count.
class Sorter {
   public:
    void start(std::size_t buckets) { positions_.assign(buckets, 0); }
    void count(std::size_t bucket) { ++positions_[bucket]; }
    // After all have been counted.
    void lay_out() {
        runs.clear();
        std::uint32_t position = 0;
        for (std::size_t bucket = 0; bucket < positions_.size(); ++bucket) {
            const std::uint32_t length = positions_[bucket];
            positions_[bucket] = position;
            if (length > 0) runs.push_back({static_cast<std::uint32_t>(bucket), length});
            position += length;
        }
        references.resize(position);
    }
    void place(std::size_t bucket, PointReference reference) { references[positions_[bucket]++] = reference; }

    std::vector<Run> runs;
    std::vector<PointReference> references;

   private:
    std::vector<std::uint32_t> positions_;
};

// Keeps its memory from one call to the next. Not to be shared between threads.
class PartSums {
   public:
    // The sums of all parts, worked on together.
    void add_up(const AffinePoint *points, std::span<const Scalars *const> sums, std::span<const Part> parts,
                ProjectivePoint<Fq> *results);
    // Gives memory back that only large parts need.
    void forget_large() {
        if (digits_.size() > kMostPoints) *this = PartSums();
    }

   private:
    void fill_buckets(const AffinePoint *points, std::span<const Scalars *const> sums, std::span<const Part> parts);
    void fill_chains(std::span<const Part> parts);

    Sorter sorter_;
    std::vector<std::int32_t> digits_;
    std::vector<Run> bucket_runs_;
    BucketSums buckets_, lines_;
    std::vector<AffinePoint> chains_;
    std::vector<ProjectivePoint<Fq>> chain_sums_;
};

void PartSums::fill_buckets(const AffinePoint *points, std::span<const Scalars *const> sums,
                            std::span<const Part> parts) {
    std::size_t size = 0, buckets = 0;
    for (const Part &part : parts) {
        size += part.size();
        buckets += part.largest;
    }
    digits_.resize(size);
    sorter_.start(buckets);
    std::size_t first_bucket = 0;
    std::int32_t *digits = digits_.data();
    const auto bucket_of = [&](std::int32_t digit) {
        return first_bucket + static_cast<std::uint32_t>(digit < 0 ? -digit : digit) - 1;
    };
    for (const Part &part : parts) {
        sums[part.sum]->digits(part.window, part.begin, part.end, digits);
        for (std::size_t i = 0; i < part.size(); ++i) {
            if (digits[i] != 0) sorter_.count(bucket_of(digits[i]));
        }
        digits += part.size();
        first_bucket += part.largest;
    }
    sorter_.lay_out();
    first_bucket = 0;
    digits = digits_.data();
    for (const Part &part : parts) {
        for (std::size_t i = 0; i < part.size(); ++i) {
            if (digits[i] == 0) continue;
            sorter_.place(bucket_of(digits[i]), static_cast<PointReference>(2 * (part.begin + i) + (digits[i] < 0)));
        }
        digits += part.size();
        first_bucket += part.largest;
    }
    buckets_.add_up(points, sorter_.references.data(), sorter_.runs, false);
}

// The rows and columns of every part, as cells of the chains that weight them.
void PartSums::fill_chains(std::span<const Part> parts) {
    std::size_t cells = 0;
    for (const Part &part : parts) cells += part.chains() * part.chain_length();
    const auto for_each_cell = [&](auto &&use) {
        const Part *part = parts.data();
        std::size_t first_bucket = 0, first_cell = 0;
        for (std::size_t i = 0; i < bucket_runs_.size(); ++i) {
            while (bucket_runs_[i].bucket >= first_bucket + part->largest) {
                first_bucket += part->largest;
                first_cell += part->chains() * part->chain_length();
                ++part;
            }
            const std::size_t value = bucket_runs_[i].bucket - first_bucket + 1;
            const int bits = part->column_bits();
            const std::size_t row = value >> bits, column = value - (row << bits);
            if (row > 0) use(first_cell + row - 1, 2 * i);
            if (column > 0) use(first_cell + part->chain_length() + column - 1, 2 * i);
        }
    };
    sorter_.start(cells);
    for_each_cell([&](std::size_t cell, std::size_t) { sorter_.count(cell); });
    sorter_.lay_out();
    for_each_cell([&](std::size_t cell, std::size_t reference) {
        sorter_.place(cell, static_cast<PointReference>(reference));
    });
    lines_.add_up(buckets_.sums().data(), sorter_.references.data(), sorter_.runs, buckets_.infinities());
    chains_.assign(cells, AffinePoint::infinity());
    for (std::size_t i = 0; i < sorter_.runs.size(); ++i) chains_[sorter_.runs[i].bucket] = lines_.sums()[i];
}

void PartSums::add_up(const AffinePoint *points, std::span<const Scalars *const> sums, std::span<const Part> parts,
                      ProjectivePoint<Fq> *results) {
    fill_buckets(points, sums, parts);
    sorter_.runs.swap(bucket_runs_);
    fill_chains(parts);
    const AffinePoint *chains = chains_.data();
    for (std::size_t first = 0, last; first < parts.size(); first = last) {
        const std::size_t rows = parts[first].chains(), length = parts[first].chain_length();
        for (last = first; last < parts.size(); ++last) {
            if (parts[last].chains() != rows || parts[last].chain_length() != length) break;
        }
        chain_sums_.resize((last - first) * rows);
        weighted_sums(chains, chain_sums_.size(), length, chain_sums_.data());
        chains += chain_sums_.size() * length;
        for (std::size_t i = first; i < last; ++i) {
            const ProjectivePoint<Fq> *sum = &chain_sums_[(i - first) * rows];
            results[i] = sum[0];
            if (rows == 1) continue;
            for (int bit = 0; bit < parts[i].column_bits(); ++bit) results[i] = doubled(results[i]);
            results[i] = results[i] + sum[1];
        }
    }
}

std::vector<Part> cut(std::span<const Scalars *const> sums) {
    std::vector<Part> parts;
    std::size_t work = 0;
    for (const Scalars *scalars : sums) work += scalars->size() * static_cast<std::size_t>(scalars->windows().count);
    for (std::size_t sum = 0; sum < sums.size(); ++sum) {
        const Windows &windows = sums[sum]->windows();
        // A cut costs another reduction of the buckets.
        const std::size_t wanted = std::max({work / (3 * threads()), kMostPoints, 16 * std::size_t{windows.largest}});
        const std::size_t most = threads() == 1 ? kMostPointsOfOne : std::min(wanted, kMostPointsOfOne);
        const std::size_t size = sums[sum]->size(), pieces = (size + most - 1) / most;
        for (int window = 0; window < windows.count; ++window) {
            for (std::size_t piece = 0; piece < pieces; ++piece) {
                parts.push_back({sum, window, size * piece / pieces, size * (piece + 1) / pieces, windows.largest});
            }
        }
    }
    return parts;
}

// Where consecutive parts that are worked on together begin, and the end.
std::vector<std::size_t> tasks(std::span<const Part> parts) {
    std::size_t work = 0;
    for (const Part &part : parts) work += part.size();
    const std::size_t wanted =
        threads() == 1 ? kMostPoints : std::clamp(work / (3 * threads()), kLeastPoints, kMostPoints);
    std::vector<std::size_t> starts = {0};
    std::size_t size = 0;
    for (std::size_t i = 0; i < parts.size(); ++i) {
        if (size > 0 && size + parts[i].size() > wanted) {
            starts.push_back(i);
            size = 0;
        }
        size += parts[i].size();
    }
    starts.push_back(parts.size());
    return starts;
}

// Combines the windows of up to kLanes sums, from `first` on.
void combine(std::span<const Scalars *const> sums, std::span<const Part> parts,
             std::span<const ProjectivePoint<Fq>> part_sums, std::size_t first, ProjectivePoint<Fq> *totals) {
    const std::size_t lanes = std::min<std::size_t>(kLanes, sums.size() - first);
    const auto begin = std::ranges::lower_bound(parts, first, {}, &Part::sum);
    const auto end = std::ranges::lower_bound(parts, first + lanes, {}, &Part::sum);
    const auto bit_of = [&](const Part &part) { return part.window * sums[part.sum]->windows().bits; };
    std::vector<int> bits = {0};
    for (auto part = begin; part != end; ++part) bits.push_back(bit_of(*part));
    std::ranges::sort(bits, std::greater());
    bits.erase(std::unique(bits.begin(), bits.end()), bits.end());
    std::vector<HornerStep> steps(bits.size());
    for (std::size_t i = 0; i < bits.size(); ++i) {
        steps[i].doublings = i == 0 ? 0 : bits[i - 1] - bits[i];
        std::ranges::fill(steps[i].terms, projective(AffinePoint::infinity()));
    }
    for (auto part = begin; part != end; ++part) {
        const auto step = std::ranges::lower_bound(bits, bit_of(*part), std::greater()) - bits.begin();
        ProjectivePoint<Fq> &term = steps[static_cast<std::size_t>(step)].terms[part->sum - first];
        const ProjectivePoint<Fq> &sum = part_sums[static_cast<std::size_t>(part - parts.begin())];
        term = term.z.is_zero() ? sum : term + sum;
    }
    ProjectivePoint<Fq> results[kLanes];
    horner(steps.data(), steps.size(), lanes, results);
    std::copy(results, results + lanes, totals);
}

}  // namespace

void multi_scalar_multiply(const AffinePoint *points, std::span<const Scalars *const> sums, AffinePoint *results) {
    const std::vector<Part> parts = cut(sums);
    const std::vector<std::size_t> starts = tasks(parts);
    std::vector<ProjectivePoint<Fq>> part_sums(parts.size());
    parallel_for(starts.size() - 1, 1, [&](std::size_t begin, std::size_t end) {
        static thread_local PartSums workspace;
        for (std::size_t task = begin; task < end; ++task) {
            const std::span<const Part> together(&parts[starts[task]], starts[task + 1] - starts[task]);
            workspace.add_up(points, sums, together, &part_sums[starts[task]]);
        }
        workspace.forget_large();
    });
    std::vector<ProjectivePoint<Fq>> totals(sums.size());
    parallel_for((sums.size() + kLanes - 1) / kLanes, 1, [&](std::size_t begin, std::size_t end) {
        for (std::size_t group = begin; group < end; ++group) {
            combine(sums, parts, part_sums, group * kLanes, &totals[group * kLanes]);
        }
    });
    std::vector<Fq> inverses(sums.size()), scratch(sums.size());
    for (std::size_t sum = 0; sum < sums.size(); ++sum) inverses[sum] = totals[sum].z;
    invert_all(inverses.data(), inverses.size(), scratch.data());
    for (std::size_t sum = 0; sum < sums.size(); ++sum) results[sum] = affine(totals[sum], inverses[sum]);
}

}  // namespace verinfer
