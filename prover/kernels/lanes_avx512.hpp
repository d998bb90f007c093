// The interface of lanes.hpp on AVX-512: five limbs of 52 bits, reduced as late as the bounds allow.

#pragma once

#include "limb_columns.hpp"

namespace verinfer::VERINFER_PATH {

using Primitive = VERINFER_PRIMITIVE;

template <class F, int Bound = 1>
struct Lanes {
    static_assert(Bound >= 1 && Bound <= kMaxBound);
    Limbs value;

    Lanes() = default;
    explicit VERINFER_INLINE Lanes(const Limbs &limbs) : value(limbs) {}

    template <int Smaller>
    VERINFER_INLINE Lanes(const Lanes<F, Smaller> &other) : value(other.value) {
        static_assert(Smaller <= Bound);
    }
};

// Elements as they lie in memory, eight of them in four vectors; and the same by words, one vector for each.
struct Words {
    __m512i word[4];
};

VERINFER_INLINE Words transposed(const Words &rows) {
    const __m512i lower = _mm512_setr_epi64(0, 4, 8, 12, 1, 5, 9, 13);
    const __m512i upper = _mm512_setr_epi64(2, 6, 10, 14, 3, 7, 11, 15);
    // Words 0 and 1, then 2 and 3, of elements 0 to 3; and of 4 to 7.
    const __m512i a = _mm512_permutex2var_epi64(rows.word[0], lower, rows.word[1]);
    const __m512i b = _mm512_permutex2var_epi64(rows.word[0], upper, rows.word[1]);
    const __m512i c = _mm512_permutex2var_epi64(rows.word[2], lower, rows.word[3]);
    const __m512i d = _mm512_permutex2var_epi64(rows.word[2], upper, rows.word[3]);
    return {{_mm512_shuffle_i64x2(a, c, 0x44), _mm512_shuffle_i64x2(a, c, 0xee),
             _mm512_shuffle_i64x2(b, d, 0x44), _mm512_shuffle_i64x2(b, d, 0xee)}};
}

VERINFER_INLINE Words transposed_back(const Words &words) {
    const __m512i lower = _mm512_setr_epi64(0, 4, 8, 12, 1, 5, 9, 13);
    const __m512i upper = _mm512_setr_epi64(2, 6, 10, 14, 3, 7, 11, 15);
    const __m512i a = _mm512_shuffle_i64x2(words.word[0], words.word[1], 0x44);
    const __m512i b = _mm512_shuffle_i64x2(words.word[2], words.word[3], 0x44);
    const __m512i c = _mm512_shuffle_i64x2(words.word[0], words.word[1], 0xee);
    const __m512i d = _mm512_shuffle_i64x2(words.word[2], words.word[3], 0xee);
    return {{_mm512_permutex2var_epi64(a, lower, b), _mm512_permutex2var_epi64(a, upper, b),
             _mm512_permutex2var_epi64(c, lower, d), _mm512_permutex2var_epi64(c, upper, d)}};
}

VERINFER_INLINE __m512i joined(__m512i lower, int right, __m512i upper, int left) {
    return _mm512_and_si512(_mm512_or_si512(_mm512_srli_epi64(lower, right), _mm512_slli_epi64(upper, left)),
                            all(kLimbMask));
}

VERINFER_INLINE Limbs to_limbs(const Words &w) {
    return {{_mm512_and_si512(w.word[0], all(kLimbMask)), joined(w.word[0], 52, w.word[1], 12),
             joined(w.word[1], 40, w.word[2], 24), joined(w.word[2], 28, w.word[3], 36),
             _mm512_srli_epi64(w.word[3], 16)}};
}

VERINFER_INLINE Words to_words(const Limbs &x) {
    const auto either = [](__m512i lower, int right, __m512i upper, int left) {
        return _mm512_or_si512(_mm512_srli_epi64(lower, right), _mm512_slli_epi64(upper, left));
    };
    return {{either(x.limb[0], 0, x.limb[1], 52), either(x.limb[1], 12, x.limb[2], 40),
             either(x.limb[2], 24, x.limb[3], 28), either(x.limb[3], 36, x.limb[4], 16)}};
}

template <class F>
VERINFER_INLINE Lanes<F> load(const F *from) {
    const __m512i *rows = reinterpret_cast<const __m512i *>(from);
    return Lanes<F>(to_limbs(transposed({{_mm512_loadu_si512(rows), _mm512_loadu_si512(rows + 1),
                                          _mm512_loadu_si512(rows + 2), _mm512_loadu_si512(rows + 3)}})));
}

template <class F>
VERINFER_INLINE Lanes<F, 6> load_integers(const F *from) {
    return Lanes<F, 6>(load(from).value);
}

// One bit for each word of the first `count` elements.
VERINFER_INLINE std::uint32_t words_of(int count) {
    return static_cast<std::uint32_t>((std::uint64_t{1} << (4 * count)) - 1);
}

template <class F>
VERINFER_INLINE Lanes<F> load(const F *from, int count) {
    const std::uint32_t present = words_of(count);
    const long long *words = reinterpret_cast<const long long *>(from);
    Words rows;
    VERINFER_UNROLL
    for (int i = 0; i < 4; ++i) {
        rows.word[i] = _mm512_maskz_loadu_epi64(static_cast<__mmask8>(present >> (8 * i)), words + 8 * i);
    }
    return Lanes<F>(to_limbs(transposed(rows)));
}

template <class F>
VERINFER_INLINE Lanes<F> gather(const F *table, const std::uint32_t *rows) {
    Words both;
    VERINFER_UNROLL
    for (int i = 0; i < 4; ++i) {
        const __m256i even = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(table + rows[2 * i]));
        const __m256i odd = _mm256_loadu_si256(reinterpret_cast<const __m256i *>(table + rows[2 * i + 1]));
        both.word[i] = _mm512_inserti64x4(_mm512_castsi256_si512(even), odd, 1);
    }
    return Lanes<F>(to_limbs(transposed(both)));
}

template <class F>
VERINFER_INLINE Lanes<F> gather(const F *table, const std::uint32_t *rows, int count) {
    F elements[kLanes];
    for (int i = 0; i < kLanes; ++i) elements[i] = i < count ? table[rows[i]] : F::zero();
    return load(elements);
}

// Splits two vectors of words that alternate between even and odd elements: see load_pairs.
template <class F>
VERINFER_INLINE void load_pairs(const F *from, Lanes<F> &even, Lanes<F> &odd) {
    const __m512i *rows = reinterpret_cast<const __m512i *>(from);
    const __m512i first = _mm512_setr_epi64(0, 2, 4, 6, 8, 10, 12, 14);
    const __m512i second = _mm512_setr_epi64(1, 3, 5, 7, 9, 11, 13, 15);
    const Words a = transposed({{_mm512_loadu_si512(rows), _mm512_loadu_si512(rows + 1),
                                 _mm512_loadu_si512(rows + 2), _mm512_loadu_si512(rows + 3)}});
    const Words b = transposed({{_mm512_loadu_si512(rows + 4), _mm512_loadu_si512(rows + 5),
                                 _mm512_loadu_si512(rows + 6), _mm512_loadu_si512(rows + 7)}});
    Words evens, odds;
    VERINFER_UNROLL
    for (int i = 0; i < 4; ++i) {
        evens.word[i] = _mm512_permutex2var_epi64(a.word[i], first, b.word[i]);
        odds.word[i] = _mm512_permutex2var_epi64(a.word[i], second, b.word[i]);
    }
    even = Lanes<F>(to_limbs(evens));
    odd = Lanes<F>(to_limbs(odds));
}

template <class F>
VERINFER_INLINE Lanes<F> broadcast(const F &x) {
    Words words;
    VERINFER_UNROLL
    for (int i = 0; i < 4; ++i) words.word[i] = all(x.value.word[i]);
    return Lanes<F>(to_limbs(words));
}

template <class F, int A, int B>
VERINFER_INLINE Lanes<F, A + B> operator+(const Lanes<F, A> &a, const Lanes<F, B> &b) {
    Limbs sum;
    VERINFER_UNROLL
    for (int i = 0; i < kLimbs; ++i) sum.limb[i] = _mm512_add_epi64(a.value.limb[i], b.value.limb[i]);
    carry_signed(sum);
    return Lanes<F, A + B>(sum);
}

template <class F, int A, int B>
VERINFER_INLINE Lanes<F, A + B> operator-(const Lanes<F, A> &a, const Lanes<F, B> &b) {
    constexpr LimbConstants offset = limbs_of(F::modulus(), B);
    Limbs difference;
    VERINFER_UNROLL
    for (int i = 0; i < kLimbs; ++i) {
        difference.limb[i] =
            _mm512_sub_epi64(_mm512_add_epi64(a.value.limb[i], all(offset.limb[i])), b.value.limb[i]);
    }
    carry_signed(difference);
    return Lanes<F, A + B>(difference);
}

template <class F, int A>
VERINFER_INLINE Lanes<F, 2 * A> doubled(const Lanes<F, A> &a) {
    return a + a;
}

template <class F, int A, int B>
VERINFER_INLINE Lanes<F, 2> operator*(const Lanes<F, A> &a, const Lanes<F, B> &b) {
    static_assert(A * B <= kMaxBound);
    const Factors<Primitive> x(a.value), y(b.value);
    Columns<F, Primitive> columns(1);
    return Lanes<F, 2>(columns.reduced([&](int diagonal) VERINFER_INLINE_LAMBDA { columns.add(diagonal, x, y); }));
}

template <class F, int A>
VERINFER_INLINE Lanes<F, 2> squared(const Lanes<F, A> &a) {
    static_assert(A * A <= kMaxBound);
    const Factors<Primitive> x(a.value);
    __m512i half[2 * kLimbs];
    VERINFER_UNROLL
    for (int k = 0; k < 2 * kLimbs; ++k) half[k] = _mm512_setzero_si512();
    Columns<F, Primitive> columns(1);
    return Lanes<F, 2>(
        columns.reduced([&](int diagonal) VERINFER_INLINE_LAMBDA { columns.add_square(diagonal, x, half); }));
}

template <class F, int A, int B, int C, int D>
VERINFER_INLINE Lanes<F, 2> dot(const Lanes<F, A> &a, const Lanes<F, B> &b, const Lanes<F, C> &c,
                                const Lanes<F, D> &d) {
    static_assert(A * B + C * D <= kMaxBound);
    const Factors<Primitive> w(a.value), x(b.value), y(c.value), z(d.value);
    Columns<F, Primitive> columns(2);
    return Lanes<F, 2>(columns.reduced([&](int diagonal) VERINFER_INLINE_LAMBDA {
        columns.add(diagonal, w, x);
        columns.add(diagonal, y, z);
    }));
}

// Of a number below 2p.
template <class F>
VERINFER_INLINE Limbs subtract_modulus_once(const Limbs &x) {
    constexpr LimbConstants p = limbs_of(F::modulus());
    Limbs less;
    VERINFER_UNROLL
    for (int i = 0; i < kLimbs; ++i) less.limb[i] = _mm512_sub_epi64(x.limb[i], all(p.limb[i]));
    carry_signed(less);
    const __mmask8 below_zero = _mm512_movepi64_mask(less.limb[kLimbs - 1]);
    VERINFER_UNROLL
    for (int i = 0; i < kLimbs; ++i) less.limb[i] = _mm512_mask_mov_epi64(less.limb[i], below_zero, x.limb[i]);
    return less;
}

template <class F, int A>
VERINFER_INLINE Lanes<F> reduced(const Lanes<F, A> &a) {
    if constexpr (A == 1) return a;
    if constexpr (A == 2) return Lanes<F>(subtract_modulus_once<F>(a.value));
    // Subtracts floor(top / (top of p + 1)) times p: the quotient or one less, since the tops have over 40 bits. The
    // factor is rounded down, and the quotient of what is below A <= 84 cannot be rounded past a whole number.
    constexpr LimbConstants p = limbs_of(F::modulus());
    constexpr double inverse = (1 - 0x1p-50) / static_cast<double>(p.limb[kLimbs - 1] + 1);
    const __m512d top = _mm512_cvtepi64_pd(a.value.limb[kLimbs - 1]);
    const __m512i quotient = _mm512_cvttpd_epi64(_mm512_mul_pd(top, _mm512_set1_pd(inverse)));
    Limbs rest;
    VERINFER_UNROLL
    for (int i = 0; i < kLimbs; ++i) {
        rest.limb[i] = _mm512_sub_epi64(a.value.limb[i], _mm512_mullo_epi64(quotient, all(p.limb[i])));
    }
    carry_signed(rest);
    return Lanes<F>(subtract_modulus_once<F>(rest));
}

template <class F, int A>
VERINFER_INLINE void store(F *to, const Lanes<F, A> &x) {
    const Words rows = transposed_back(to_words(reduced(x).value));
    VERINFER_UNROLL
    for (int i = 0; i < 4; ++i) _mm512_storeu_si512(reinterpret_cast<__m512i *>(to) + i, rows.word[i]);
}

template <class F, int A>
VERINFER_INLINE void store(F *to, int count, const Lanes<F, A> &x) {
    const Words rows = transposed_back(to_words(reduced(x).value));
    const std::uint32_t present = words_of(count);
    VERINFER_UNROLL
    for (int i = 0; i < 4; ++i) {
        _mm512_mask_storeu_epi64(reinterpret_cast<long long *>(to) + 8 * i,
                                 static_cast<__mmask8>(present >> (8 * i)), rows.word[i]);
    }
}

template <class F, int A, int B>
VERINFER_INLINE void store_pairs(F *to, const Lanes<F, A> &even, const Lanes<F, B> &odd) {
    const __m512i lower = _mm512_setr_epi64(0, 8, 1, 9, 2, 10, 3, 11);
    const __m512i upper = _mm512_setr_epi64(4, 12, 5, 13, 6, 14, 7, 15);
    const Words evens = to_words(reduced(even).value), odds = to_words(reduced(odd).value);
    Words a, b;
    VERINFER_UNROLL
    for (int i = 0; i < 4; ++i) {
        a.word[i] = _mm512_permutex2var_epi64(evens.word[i], lower, odds.word[i]);
        b.word[i] = _mm512_permutex2var_epi64(evens.word[i], upper, odds.word[i]);
    }
    a = transposed_back(a);
    b = transposed_back(b);
    __m512i *rows = reinterpret_cast<__m512i *>(to);
    VERINFER_UNROLL
    for (int i = 0; i < 4; ++i) {
        _mm512_storeu_si512(rows + i, a.word[i]);
        _mm512_storeu_si512(rows + 4 + i, b.word[i]);
    }
}

template <class F, int A>
VERINFER_INLINE unsigned zeros(const Lanes<F, A> &a) {
    const Limbs x = reduced(a).value;
    __m512i any = x.limb[0];
    VERINFER_UNROLL
    for (int i = 1; i < kLimbs; ++i) any = _mm512_or_si512(any, x.limb[i]);
    return _mm512_testn_epi64_mask(any, any);
}

template <class F, int A, int B>
VERINFER_INLINE Lanes<F, (A > B ? A : B)> select(unsigned mask, const Lanes<F, A> &a, const Lanes<F, B> &b) {
    Limbs result;
    VERINFER_UNROLL
    for (int i = 0; i < kLimbs; ++i) {
        result.limb[i] =
            _mm512_mask_mov_epi64(b.value.limb[i], static_cast<__mmask8>(mask), a.value.limb[i]);
    }
    return Lanes<F, (A > B ? A : B)>(result);
}

template <class F, int A>
VERINFER_INLINE F sum(const Lanes<F, A> &a) {
    F lane[kLanes];
    store(lane, a);
    F total = lane[0];
    for (int i = 1; i < kLanes; ++i) total += lane[i];
    return total;
}

template <class F>
class Products {
   public:
    template <int A, int B>
    VERINFER_INLINE void add(const Lanes<F, A> &a, const Lanes<F, B> &b) {
        static_assert(A * B <= kMaxFactorBound);
        const Factors<Primitive> x(a.value), y(b.value);
        VERINFER_UNROLL
        for (int diagonal = 0; diagonal < Sum::kDiagonals; ++diagonal) columns_.add(diagonal, x, y);
        if (++count_ == kBatch) flush();
    }
    VERINFER_INLINE Lanes<F> lanes() const {
        Products copy = *this;
        copy.flush();
        return copy.sum_;
    }
    VERINFER_INLINE F total() const { return sum(lanes()); }

   private:
    using Sum = Columns<F, Primitive>;
    static constexpr int kBatch = 192;
    static_assert(kBatch <= Sum::kMaxProducts);
    // So that a batch is reduced to less than kMaxBound * p.
    static constexpr int kMaxFactorBound = (kMaxBound - 1) * kMaxBound / kBatch;

    VERINFER_INLINE void flush() {
        columns_.expect_fewer(kBatch - count_);
        sum_ = reduced(sum_ + Lanes<F, kMaxBound - 1>(columns_.reduced([](int) {})));
        columns_ = Sum(kBatch);
        count_ = 0;
    }

    Sum columns_{kBatch};
    Lanes<F> sum_ = broadcast(F::zero());
    int count_ = 0;
};

}  // namespace verinfer::VERINFER_PATH
