#include "fraction_layer.hpp"

#include <algorithm>
#include <mutex>
#include <stdexcept>
#include <string>
#include <utility>

#include "parallel.hpp"

namespace verinfer {

namespace {

// Pairs of x that are bound and summed while they are in the first cache. One table of eq serves all blocks, and what
// a block adds up is multiplied by the eq of the block's number.
constexpr std::size_t kBlockVariables = 7;
constexpr std::size_t kBlock = std::size_t{1} << kBlockVariables;
constexpr std::size_t kGrain = 4;  // blocks

constexpr std::size_t kPlanes = 4;  // the first of four arrays of the scratch that reading leaves free

// eq(z, i) for i < count; z[0] belongs to the most significant bit.
Buffer<Fr> eq_table(const Fr *z, std::size_t variables, std::size_t count) {
    Buffer<Fr> table = allocate<Fr>(count);
    table[0] = Fr::one();
    for (std::size_t variable = 0; variable < variables; ++variable) {
        const std::size_t below = variables - 1 - variable;
        const std::size_t size = ((count - 1) >> below) + 1;
        for (std::size_t i = (size + 1) / 2; i-- > 0;) {
            const Fr weight = table[i], at_1 = weight * z[variable];
            table[2 * i] = weight - at_1;
            if (2 * i + 1 < size) table[2 * i + 1] = at_1;
        }
    }
    return table;
}

// The sum of eq(z, i) for i >= first.
Fr eq_from(const Fr *z, std::size_t variables, std::size_t first) {
    if (first >> variables != 0) return Fr::zero();
    Fr sum = Fr::zero(), prefix = Fr::one();
    for (std::size_t variable = 0; variable < variables; ++variable) {
        const Fr at_1 = prefix * z[variable];
        if (first >> (variables - 1 - variable) & 1) {
            prefix = at_1;
        } else {
            sum += at_1;
            prefix -= at_1;
        }
    }
    return sum + prefix;
}

std::size_t blocks_of(std::size_t size) { return (size + 2 * kBlock - 1) / (2 * kBlock); }

void require(bool condition, const char *complaint) {
    if (!condition) throw std::runtime_error(complaint);
}

}  // namespace

FractionLayer::FractionLayer(FractionTree &tree, std::size_t level, std::vector<Fr> point, const Fr &lambda)
    : level_(tree.level(level)),
      point_(std::move(point)),
      lambda_(lambda),
      lambda_inverse_(level == 0 ? lambda.inverse() : Fr::zero()),  // only leaves have numerators that are left out
      size_((level_.nodes() + 1) / 2) {
    if (point_.size() >= 48 || (size_ - 1) >> point_.size() != 0) {
        throw std::invalid_argument("a point of " + std::to_string(point_.size()) + " coordinates for " +
                                    std::to_string(size_) + " pairs of nodes");
    }
    tree.drop_above(level);
    workspace_ = tree.workspace();
}

// Whether the numerators of a block of `size` numbers in all may be left out. G is then
// lambda * (D0 + 1/lambda) * (D1 + 1/lambda) - 1/lambda, whose constant sums to a constant over whole blocks.
bool FractionLayer::units_suffice(std::size_t block, std::size_t size) const {
    return 2 * kBlock * (block + 1) <= size && !lambda_.is_zero();
}

FractionPairs FractionLayer::Factors::pairs(std::size_t begin) const {
    const Fr *d0_here = d0 + begin, *d1_here = d1 + begin;
    const std::uint32_t place = numerator_block[begin / (2 * kBlock)];
    if (place == kUnits) return {nullptr, nullptr, d0_here, d1_here};
    const std::size_t n = 2 * kBlock * place + begin % (2 * kBlock);
    return {n0 + n, n1 + n, d0_here, d1_here};
}

// The factors for x = begin .. end - 1, and for a dead one if that is odd, as they are held.
FractionPairs FractionLayer::read(std::size_t begin, std::size_t end, FractionScratch &scratch) const {
    if (bound_ > 0) return factors_.pairs(begin);
    const std::size_t count = (end - begin + 1) / 2 * 2;
    const FractionNodes nodes = level_.read(2 * begin, 2 * (begin + count), scratch);
    Fr *planes[4];
    for (std::size_t i = 0; i < 4; ++i) planes[i] = scratch.array(kPlanes + i, count);
    fraction_kernels().split(nodes.d, planes[2], planes[3], count);
    if (nodes.n == nullptr) return {nullptr, nullptr, planes[2], planes[3]};
    fraction_kernels().split(nodes.n, planes[0], planes[1], count);
    return {planes[0], planes[1], planes[2], planes[3]};
}

// The same for the numbers of a block, with lambda absorbed in n1.
FractionPairs FractionLayer::read_for_round(std::size_t block, FractionScratch &scratch) const {
    const std::size_t begin = 2 * kBlock * block, end = std::min(size_, begin + 2 * kBlock);
    FractionPairs pairs = read(begin, end, scratch);
    if (bound_ > 0 || (pairs.n0 == nullptr && units_suffice(block, size_))) return pairs;
    const std::size_t count = (end - begin + 1) / 2 * 2;
    Fr *n0 = scratch.array(kPlanes, count), *n1 = scratch.array(kPlanes + 1, count);
    if (pairs.n0 == nullptr) {
        std::fill_n(n0, count, Fr::one());
        std::fill_n(n1, count, Fr::one());
    }
    fraction_kernels().absorb(pairs.d1, n1, count, lambda_);
    return {n0, n1, pairs.d0, pairs.d1};
}

// The round over `size` numbers whose pairs have `variables` variables.
template <class PairsOfBlock>
FractionLayer::Round FractionLayer::sum_blocks(std::size_t variables, std::size_t size,
                                               const PairsOfBlock &pairs_of_block) const {
    const std::size_t within = std::min(variables, kBlockVariables), pairs = (size + 1) / 2;
    const Buffer<Fr> eq_in_block = eq_table(point_.data() + (variables - within), within, std::size_t{1} << within);
    const Buffer<Fr> eq_of_block = eq_table(point_.data(), variables - within, blocks_of(size));
    Round total = {lambda_ * eq_from(point_.data(), variables, pairs), Fr::zero()};
    std::mutex mutex;
    parallel_for(blocks_of(size), kGrain, [&](std::size_t first, std::size_t last) {
        FractionScratch scratch;
        Round sums = {Fr::zero(), Fr::zero()};
        for (std::size_t block = first; block < last; ++block) {
            const FractionPairs values = pairs_of_block(block, scratch);
            const std::size_t count = std::min(kBlock, pairs - block * kBlock);
            Fr here[2];
            if (values.n0 == nullptr) {
                fraction_kernels().round_of_units(values, lambda_inverse_, eq_in_block.get(), count, here);
                here[0] = lambda_ * here[0] - lambda_inverse_;
                here[1] *= lambda_;
            } else {
                fraction_kernels().round(values, eq_in_block.get(), count, here);
            }
            for (int i = 0; i < 2; ++i) sums[i] += here[i] * eq_of_block[block];
        }
        const std::scoped_lock lock(mutex);
        for (int i = 0; i < 2; ++i) total[i] += sums[i];
    });
    return total;
}

FractionLayer::Factors FractionLayer::place_bound() const {
    Factors to{};
    to.size = (size_ + 1) / 2;
    const std::size_t blocks = blocks_of(to.size);
    std::uint32_t places = 0;
    for (std::size_t block = 0; block < blocks; ++block) {
        const bool are_units =
            units_suffice(block, to.size) &&
            (bound_ > 0 ? factors_.numerator_block[2 * block] == kUnits &&
                             factors_.numerator_block[2 * block + 1] == kUnits
                       : level_.are_units(8 * kBlock * block, 8 * kBlock * (block + 1)));
        to.numerator_block.push_back(are_units ? kUnits : places++);
    }
    const std::size_t denominators = (to.size + 2) / 2 * 2, numerators = 2 * kBlock * places;  // whole cache lines
    const std::size_t half = bound_ % 2, size = 2 * (denominators + numerators);
    if (workspace_->sizes[half] < size) {
        workspace_->halves[half] = allocate<Fr>(size);
        workspace_->sizes[half] = size;
    }
    to.d0 = workspace_->halves[half].get();
    to.d1 = to.d0 + denominators;
    to.n0 = to.d1 + denominators;
    to.n1 = to.n0 + numerators;
    return to;
}

void FractionLayer::bind_block(std::size_t block, const Fr &r, Factors &to, FractionScratch &scratch) const {
    const FractionKernels &kernels = fraction_kernels();
    const std::uint32_t place = to.numerator_block[block];
    const std::size_t block_end = std::min(to.size, 2 * kBlock * (block + 1));
    for (std::size_t begin = 2 * kBlock * block; begin < block_end; begin += kBlock) {
        const std::size_t count = std::min(kBlock, block_end - begin);
        const FractionPairs from = read(2 * begin, std::min(size_, 2 * (begin + count)), scratch);
        Fr *d1 = to.d1 + begin;
        kernels.fold(from.d0, to.d0 + begin, count, r);
        kernels.fold(from.d1, d1, count, r);
        if (place == kUnits) continue;
        const std::size_t n = 2 * kBlock * place + begin % (2 * kBlock);
        Fr *n0 = to.n0 + n, *n1 = to.n1 + n;
        if (from.n0 != nullptr) {
            kernels.fold(from.n0, n0, count, r);
            kernels.fold(from.n1, n1, count, r);
        } else {
            std::fill_n(n0, count, Fr::one());
            std::fill_n(n1, count, Fr::one());
        }
        if (bound_ == 0 || from.n0 == nullptr) kernels.absorb(d1, n1, count, lambda_);
    }
    if (block_end == to.size && to.size % 2 == 1) {
        const std::size_t n = 2 * kBlock * place + to.size % (2 * kBlock);
        to.n0[n] = Fr::zero();
        to.n1[n] = lambda_;
        to.d0[to.size] = to.d1[to.size] = Fr::one();
    }
}

void FractionLayer::replace(Factors factors) {
    size_ = factors.size;
    factors_ = std::move(factors);
    ++bound_;
    point_.pop_back();
    pending_.reset();
}

void FractionLayer::bind_pending() {
    if (!pending_) return;
    Factors to = place_bound();
    parallel_for(blocks_of(to.size), kGrain, [&](std::size_t first, std::size_t last) {
        FractionScratch scratch;
        for (std::size_t block = first; block < last; ++block) bind_block(block, *pending_, to, scratch);
    });
    replace(std::move(to));
}

FractionLayer::Round FractionLayer::bind_pending_and_sum() {
    Factors to = place_bound();
    const Round sums =
        sum_blocks(point_.size() - 2, to.size, [&](std::size_t block, FractionScratch &scratch) {
            bind_block(block, *pending_, to, scratch);
            return to.pairs(2 * kBlock * block);
        });
    replace(std::move(to));
    return sums;
}

FractionLayer::Round FractionLayer::round() {
    require(variables_left() >= 1, "no variable is left for a round");
    if (pending_) return bind_pending_and_sum();
    return sum_blocks(point_.size() - 1, size_, [this](std::size_t block, FractionScratch &scratch) {
        return read_for_round(block, scratch);
    });
}

void FractionLayer::bind(const Fr &r) {
    require(variables_left() >= 1, "no variable is left to bind");
    bind_pending();
    pending_ = r;
}

std::array<Fr, 4> FractionLayer::finish() {
    require(variables_left() == 0, "variables are left to bind");
    bind_pending();
    FractionScratch scratch;
    const FractionPairs x = read(0, 1, scratch);
    const Fr n0 = x.n0 == nullptr ? Fr::one() : x.n0[0], n1 = x.n1 == nullptr ? Fr::one() : x.n1[0];
    return {n0, bound_ > 0 ? n1 - lambda_ * x.d1[0] : n1, x.d0[0], x.d1[0]};
}

}  // namespace verinfer
