// Sums of products of five-limb numbers, as ten columns, and Montgomery's reduction of them by 2^260.

#pragma once

#include "limb_products.hpp"

namespace verinfer::VERINFER_PATH {

constexpr int kLimbs = 5;

struct LimbConstants {
    std::uint64_t limb[kLimbs];
};

// The limbs of multiple * x, a number below 2^260.
constexpr LimbConstants limbs_of(const Uint256 &x, unsigned multiple = 1) {
    const LimbConstants once = {{x.word[0] & kLimbMask, (x.word[0] >> 52 | x.word[1] << 12) & kLimbMask,
                                 (x.word[1] >> 40 | x.word[2] << 24) & kLimbMask,
                                 (x.word[2] >> 28 | x.word[3] << 36) & kLimbMask, x.word[3] >> 16}};
    LimbConstants result = {};
    std::uint64_t carry = 0;
    for (int i = 0; i < kLimbs; ++i) {
        carry += multiple * once.limb[i];
        result.limb[i] = carry & kLimbMask;
        carry >>= 52;
    }
    return result;
}

// Five limbs below 2^52 in eight lanes.
struct Limbs {
    __m512i limb[kLimbs];
};

// Lets limbs that are too large, or negative, carry into the next. The number itself must fit and not be negative.
VERINFER_INLINE void carry_signed(Limbs &x) {
    VERINFER_UNROLL
    for (int i = 0; i + 1 < kLimbs; ++i) {
        x.limb[i + 1] = _mm512_add_epi64(x.limb[i + 1], _mm512_srai_epi64(x.limb[i], 52));
        x.limb[i] = _mm512_and_si512(x.limb[i], all(kLimbMask));
    }
}

template <class Primitive>
struct Factors {
    typename Primitive::Factor limb[kLimbs];

    explicit VERINFER_INLINE Factors(const Limbs &x) {
        VERINFER_UNROLL
        for (int i = 0; i < kLimbs; ++i) limb[i] = Primitive::factor(x.limb[i]);
    }
};

// (k * p + 1) / 2^52, where k < 2^52 makes it a whole number below p.
template <class F>
constexpr LimbConstants clearing_factor() {
    const LimbConstants p = limbs_of(F::modulus());
    const std::uint64_t k = F::negative_inverse() & kLimbMask;
    LimbConstants result = {};
    Uint128 carry = (static_cast<Uint128>(k) * p.limb[0] + 1) >> 52;
    for (int i = 0; i + 1 < kLimbs; ++i) {
        carry += static_cast<Uint128>(k) * p.limb[i + 1];
        result.limb[i] = static_cast<std::uint64_t>(carry) & kLimbMask;
        carry >>= 52;
    }
    result.limb[kLimbs - 1] = static_cast<std::uint64_t>(carry);
    return result;
}

// Products come by diagonals, the pairs of limbs whose lower half is in one column. The reduction of a column needs
// only the diagonals up to its own, so that a single product can feed them in while earlier columns, each a long chain
// of dependent steps, are under way.
template <class F, class Primitive>
class Columns {
   public:
    static constexpr int kDiagonals = 2 * kLimbs - 1;

    // How many products a column of 64 bits can hold: each adds up to ten halves of 52 bits, and so does the reduction.
    static constexpr int kMaxProducts = 200;

    // Columns for a sum of exactly `products` products.
    explicit VERINFER_INLINE Columns(int products) {
        VERINFER_UNROLL
        for (int k = 0; k < 2 * kLimbs; ++k) {
            column_[k] = all(0 - static_cast<std::uint64_t>(products) * product_bias(k) - reduction_bias(k));
        }
    }

    VERINFER_INLINE void add(int diagonal, const Factors<Primitive> &a, const Factors<Primitive> &b) {
        VERINFER_UNROLL
        for (int i = 0; i < kLimbs; ++i) {
            const int j = diagonal - i;
            if (j < 0 || j >= kLimbs) continue;
            Primitive::add_product(column_[diagonal], column_[diagonal + 1], a.limb[i], b.limb[j]);
        }
    }

    // Adds columns that hold the products of different limbs once, which a square has twice, and the squares of limbs.
    VERINFER_INLINE void add_square(int diagonal, const Factors<Primitive> &a, __m512i (&half)[2 * kLimbs]) {
        VERINFER_UNROLL
        for (int i = 0; i < kLimbs; ++i) {
            const int j = diagonal - i;
            if (j <= i || j >= kLimbs) continue;
            Primitive::add_product(half[diagonal], half[diagonal + 1], a.limb[i], a.limb[j]);
        }
        column_[diagonal] = _mm512_add_epi64(column_[diagonal], _mm512_add_epi64(half[diagonal], half[diagonal]));
        if (diagonal % 2 == 0) {
            const auto &limb = a.limb[diagonal / 2];
            Primitive::add_product(column_[diagonal], column_[diagonal + 1], limb, limb);
        }
    }

    // The sum / 2^260 mod p, below sum / 2^260 + p + p / 2^52. Calls feed(0), ..., feed(8) for the diagonals yet to be
    // added.
    //
    // Step i makes column i divisible by 2^52 and carries it over. The last two steps add m * p, with m = -column / p
    // mod 2^52. The others add m * k * p for m = column mod 2^52 and k = -1 / p mod 2^52, which takes no product to
    // find m: m * k * p = m * 2^52 * clearing_factor - m. Their larger multiples shrink in the last two.
    template <class Feed>
    VERINFER_INLINE Limbs reduced(const Feed &feed) {
        constexpr LimbConstants p = limbs_of(F::modulus()), clearing = clearing_factor<F>();
        constexpr std::uint64_t negative_inverse = F::negative_inverse() & kLimbMask;
        __m512i(&t)[2 * kLimbs] = column_;
        VERINFER_UNROLL
        for (int i = 0; i < kLimbs; ++i) {
            feed(i);
            if (i < kClearingSteps) {
                const auto m = Primitive::factor(_mm512_and_si512(t[i], all(kLimbMask)));
                t[i + 1] = _mm512_add_epi64(t[i + 1], _mm512_srli_epi64(t[i], 52));
                VERINFER_UNROLL
                for (int j = 0; j < kLimbs; ++j) {
                    Primitive::add_product(t[i + j + 1], t[i + j + 2], m, Primitive::constant(clearing.limb[j]));
                }
            } else {
                const auto m = Primitive::factor(Primitive::low_product(t[i], negative_inverse));
                // The lower half of m * p[0] clears the lower 52 bits, so what carries is the column rounded up.
                const __m512i carry = _mm512_srli_epi64(_mm512_add_epi64(t[i], all(kLimbMask)), 52);
                t[i + 1] = _mm512_add_epi64(t[i + 1], carry);
                Primitive::add_high(t[i + 1], m, Primitive::constant(p.limb[0]));
                VERINFER_UNROLL
                for (int j = 1; j < kLimbs; ++j) {
                    Primitive::add_product(t[i + j], t[i + j + 1], m, Primitive::constant(p.limb[j]));
                }
            }
        }
        VERINFER_UNROLL
        for (int diagonal = kLimbs; diagonal < kDiagonals; ++diagonal) feed(diagonal);
        Limbs result;
        VERINFER_UNROLL
        for (int i = 0; i < kLimbs; ++i) result.limb[i] = t[kLimbs + i];
        carry_signed(result);
        return result;
    }

    // Takes the biases of `products` products back, for a sum that turned out shorter.
    VERINFER_INLINE void expect_fewer(int products) {
        VERINFER_UNROLL
        for (int k = 0; k < 2 * kLimbs; ++k) {
            column_[k] = _mm512_add_epi64(column_[k], all(static_cast<std::uint64_t>(products) * product_bias(k)));
        }
    }

   private:
    static constexpr int kClearingSteps = kLimbs - 2;

    // What the biases of one product, and of the reduction, add up to in column k.
    static constexpr std::uint64_t product_bias(int k) {
        std::uint64_t bias = 0;
        for (int i = 0; i < kLimbs; ++i) {
            for (int j = 0; j < kLimbs; ++j) bias += product_bias(k, i + j);
        }
        return bias;
    }
    static constexpr std::uint64_t reduction_bias(int k) {
        std::uint64_t bias = 0;
        for (int i = 0; i < kLimbs; ++i) {
            for (int j = 0; j < kLimbs; ++j) {
                if (i < kClearingSteps) {
                    bias += product_bias(k, i + j + 1);
                } else {
                    bias += j > 0 ? product_bias(k, i + j) : k == i + 1 ? Primitive::kHighBias : 0;
                }
            }
        }
        return bias;
    }
    static constexpr std::uint64_t product_bias(int k, int diagonal) {
        return k == diagonal ? Primitive::kLowBias : k == diagonal + 1 ? Primitive::kHighBias : 0;
    }

    __m512i column_[2 * kLimbs];
};

}  // namespace verinfer::VERINFER_PATH
