// Products of 52-bit limbs in eight lanes: the one thing that the vector instruction sets do differently.
//
// Both forms add the lower and the upper 52 bits of a product to two columns of 64 bits. Fma computes them in double
// precision, rounding toward zero (Gueron and Krasnov 2016, after Dekker 1971): with c = 2^104, fma(a, b, c) is
// c + 2^52 * high exactly, and fma(a, b, c + 2^52 - that) is 2^52 + low. The mantissas hold high and low; what the
// constant exponents add to a column on top is its bias, to be subtracted once for many products.

#pragma once

#include <immintrin.h>

#include <cstdint>

#include "field.hpp"

namespace verinfer::VERINFER_PATH {

constexpr std::uint64_t kLimbMask = (std::uint64_t{1} << 52) - 1;

VERINFER_INLINE __m512i all(std::uint64_t x) { return _mm512_set1_epi64(static_cast<long long>(x)); }

#if defined(__AVX512IFMA__)

struct Ifma {
    using Factor = __m512i;  // only its lower 52 bits count
    static constexpr std::uint64_t kLowBias = 0, kHighBias = 0;

    static VERINFER_INLINE Factor factor(__m512i limb) { return limb; }
    static VERINFER_INLINE Factor constant(std::uint64_t limb) { return all(limb); }
    static VERINFER_INLINE void add_high(__m512i &high, Factor a, Factor b) {
        high = _mm512_madd52hi_epu64(high, a, b);
    }
    static VERINFER_INLINE void add_product(__m512i &low, __m512i &high, Factor a, Factor b) {
        low = _mm512_madd52lo_epu64(low, a, b);
        high = _mm512_madd52hi_epu64(high, a, b);
    }
    // a * b mod 2^52 of the lower 52 bits of a.
    static VERINFER_INLINE __m512i low_product(__m512i a, std::uint64_t b) {
        return _mm512_madd52lo_epu64(_mm512_setzero_si512(), a, all(b));
    }
};

#endif

struct Fma {
    using Factor = __m512d;
    static constexpr std::uint64_t kLowBias = std::uint64_t{1023 + 52} << 52;
    static constexpr std::uint64_t kHighBias = std::uint64_t{1023 + 104} << 52;

    static VERINFER_INLINE Factor factor(__m512i limb) { return _mm512_cvtepi64_pd(limb); }
    static VERINFER_INLINE Factor constant(std::uint64_t limb) { return _mm512_set1_pd(static_cast<double>(limb)); }
    static VERINFER_INLINE void add_high(__m512i &high, Factor a, Factor b) {
        const __m512d upper = multiply_add(a, b, _mm512_set1_pd(0x1p104));
        high = _mm512_add_epi64(high, _mm512_castpd_si512(upper));
    }
    static VERINFER_INLINE void add_product(__m512i &low, __m512i &high, Factor a, Factor b) {
        const __m512d upper = multiply_add(a, b, _mm512_set1_pd(0x1p104));
        const __m512d lower = multiply_add(a, b, _mm512_sub_pd(_mm512_set1_pd(0x1p104 + 0x1p52), upper));
        high = _mm512_add_epi64(high, _mm512_castpd_si512(upper));
        low = _mm512_add_epi64(low, _mm512_castpd_si512(lower));
    }
    static VERINFER_INLINE __m512i low_product(__m512i a, std::uint64_t b) {
        return _mm512_and_si512(_mm512_mullo_epi64(a, all(b)), all(kLimbMask));
    }

   private:
    static VERINFER_INLINE __m512d multiply_add(__m512d a, __m512d b, __m512d c) {
        return _mm512_fmadd_round_pd(a, b, c, _MM_FROUND_TO_ZERO | _MM_FROUND_NO_EXC);
    }
};

}  // namespace verinfer::VERINFER_PATH
