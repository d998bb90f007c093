#include "lanes.hpp"
#include "univariate.hpp"

namespace verinfer::VERINFER_PATH {

namespace {

VERINFER_INLINE int lanes_left(std::size_t from, std::size_t to) {
    return to - from < kLanes ? static_cast<int>(to - from) : kLanes;
}

void fold_pairs(const Fr *from, std::size_t count, const Fr &x, Fr *to) {
    const Lanes<Fr> factor = broadcast(x);
    for (std::size_t j = 0; j < count; j += kLanes) {
        const int lanes = lanes_left(j, count);
        Lanes<Fr> even, odd;
        if (lanes == kLanes) {
            load_pairs(from + 2 * j, even, odd);
        } else {
            Fr pairs[2 * kLanes];
            for (int i = 0; i < 2 * kLanes; ++i) pairs[i] = i < 2 * lanes ? from[2 * j + i] : Fr::zero();
            load_pairs(pairs, even, odd);
        }
        store(to + j, lanes, even + factor * (odd - even));
    }
}

Fr evaluate(const Fr *f, std::size_t count, const Fr (&powers)[kPowers], const Fr &next) {
    const Lanes<Fr> factor = broadcast(next);
    Lanes<Fr> value = broadcast(Fr::zero());
    for (std::size_t end = count; end > 0;) {
        const std::size_t begin = (end - 1) / kPowers * kPowers;
        Products<Fr> block;
        block.add(value, factor);
        for (std::size_t i = begin; i < end; i += kLanes) {
            block.add(load(f + i, lanes_left(i, end)), load(powers + (i - begin)));
        }
        value = block.lanes();
        end = begin;
    }
    return sum(value);
}

void horner(const Fr *f, std::size_t length, const Fr &x, const Fr (&carries)[kLanes], Fr *to) {
    const Lanes<Fr> factor = broadcast(x);
    Lanes<Fr> value = load(carries);
    for (std::size_t i = length; i-- > 0;) {
        std::uint32_t rows[kLanes];
        for (int lane = 0; lane < kLanes; ++lane) rows[lane] = static_cast<std::uint32_t>(lane * length + i);
        value = reduced(gather(f, rows) + factor * value);
        Fr values[kLanes];
        store(values, value);
        for (int lane = 0; lane < kLanes; ++lane) to[rows[lane]] = values[lane];
    }
}

void combine(const Fr *const *vectors, const std::size_t *lengths, const Fr *scalars, std::size_t count,
             std::size_t begin, std::size_t end, Fr *to) {
    for (std::size_t i = begin; i < end; i += kLanes) {
        const int lanes = lanes_left(i, end);
        Products<Fr> products;
        for (std::size_t k = 0; k < count; ++k) {
            if (i >= lengths[k]) continue;
            const int present = lanes_left(i, lengths[k]);
            products.add(load(vectors[k] + i, present < lanes ? present : lanes), broadcast(scalars[k]));
        }
        store(to + i, lanes, products.lanes());
    }
}

}  // namespace

extern const UnivariateKernels univariate_kernels = {fold_pairs, evaluate, horner, combine};

}  // namespace verinfer::VERINFER_PATH
