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

template <class F, class Primitive>
class Columns {
   public:
    // How many products a column of 64 bits can hold: each adds up to ten halves of 52 bits, and so does reduced().
    static constexpr int kMaxProducts = 200;

    // Columns for a sum of exactly `products` products.
    explicit VERINFER_INLINE Columns(int products) {
        VERINFER_UNROLL
        for (int k = 0; k < 2 * kLimbs; ++k) column_[k] = all(0 - bias(k, products));
    }

    VERINFER_INLINE void add(const Factors<Primitive> &a, const Factors<Primitive> &b) {
        VERINFER_UNROLL
        for (int i = 0; i < kLimbs; ++i) {
            VERINFER_UNROLL
            for (int j = 0; j < kLimbs; ++j) {
                Primitive::add_product(column_[i + j], column_[i + j + 1], a.limb[i], b.limb[j]);
            }
        }
    }

    // Adds a * a, to columns that hold no other product: doubles what the pairs of different limbs give.
    VERINFER_INLINE void add_square(const Factors<Primitive> &a) {
        __m512i half[2 * kLimbs];
        VERINFER_UNROLL
        for (int k = 0; k < 2 * kLimbs; ++k) half[k] = _mm512_setzero_si512();
        VERINFER_UNROLL
        for (int i = 0; i < kLimbs; ++i) {
            VERINFER_UNROLL
            for (int j = i + 1; j < kLimbs; ++j) {
                Primitive::add_product(half[i + j], half[i + j + 1], a.limb[i], a.limb[j]);
            }
        }
        VERINFER_UNROLL
        for (int k = 0; k < 2 * kLimbs; ++k) {
            column_[k] = _mm512_add_epi64(column_[k], _mm512_add_epi64(half[k], half[k]));
        }
        VERINFER_UNROLL
        for (int i = 0; i < kLimbs; ++i) {
            Primitive::add_product(column_[2 * i], column_[2 * i + 1], a.limb[i], a.limb[i]);
        }
    }

    // The sum / 2^260 mod p, below sum / 2^260 + p.
    VERINFER_INLINE Limbs reduced() const {
        constexpr LimbConstants p = limbs_of(F::modulus());
        constexpr std::uint64_t negative_inverse = F::negative_inverse() & kLimbMask;
        __m512i t[2 * kLimbs];
        VERINFER_UNROLL
        for (int k = 0; k < 2 * kLimbs; ++k) t[k] = column_[k];
        VERINFER_UNROLL
        for (int i = 0; i < kLimbs; ++i) {
            const auto m = Primitive::factor(Primitive::low_product(t[i], negative_inverse));
            // The lower half of m * p[0] clears the column's lower 52 bits, so what carries is the column rounded up.
            const __m512i carry = _mm512_srli_epi64(_mm512_add_epi64(t[i], all(kLimbMask)), 52);
            t[i + 1] = _mm512_add_epi64(t[i + 1], carry);
            Primitive::add_high(t[i + 1], m, Primitive::constant(p.limb[0]));
            VERINFER_UNROLL
            for (int j = 1; j < kLimbs; ++j) {
                Primitive::add_product(t[i + j], t[i + j + 1], m, Primitive::constant(p.limb[j]));
            }
        }
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
            const std::uint64_t each = product_bias(k);
            column_[k] = _mm512_add_epi64(column_[k], all(each * static_cast<std::uint64_t>(products)));
        }
    }

   private:
    // How many pairs of limbs have their lower half in column k.
    static constexpr std::uint64_t pairs(int k) {
        return static_cast<std::uint64_t>(k < 0 ? 0 : k < kLimbs ? k + 1 : 2 * kLimbs - 1 - k);
    }
    static constexpr std::uint64_t product_bias(int k) {
        return pairs(k) * Primitive::kLowBias + pairs(k - 1) * Primitive::kHighBias;
    }
    // In the reduction, the lower halves with p[0] are never added.
    static VERINFER_INLINE constexpr std::uint64_t bias(int k, int products) {
        return static_cast<std::uint64_t>(products) * product_bias(k) + product_bias(k) -
               (k < kLimbs ? Primitive::kLowBias : 0);
    }

    __m512i column_[2 * kLimbs];
};

}  // namespace verinfer::VERINFER_PATH
