// BN254's scalar field Fr and base field Fq, one element at a time.
//
// An element x is held as the 256-bit integer x * R mod p, fully reduced, in four little-endian words of 64 bits:
// Montgomery's form. On the CPU R = 2^260, a whole number of 52-bit limbs, so that the vector code (lanes.hpp) works on
// the same bytes after shifts alone; here it costs one reduction step of four bits. On a GPU, whose limbs have 32 bits
// (VERINFER_LIMBS_32), R = 2^256.
//
// Free of the standard library, of exceptions and of intrinsics: a CUDA compiler reads this file as well.

#pragma once

#include "../../circuits/kernels/compilers.hpp"

#if defined(VERINFER_LIMBS_32)
#include "limbs32.hpp"
#define VERINFER_ELEMENT alignas(16)  // GPUs load 16 bytes at once
#else
#define VERINFER_ELEMENT
#endif

namespace verinfer {

#if defined(__CUDACC_RTC__)
using Uint128 = unsigned __int128;
#else
__extension__ typedef unsigned __int128 Uint128;
#endif

// A 256-bit integer, little-endian words.
struct VERINFER_ELEMENT Uint256 {
    std::uint64_t word[4];

    friend VERINFER_INLINE constexpr bool operator==(const Uint256 &a, const Uint256 &b) {
        return ((a.word[0] ^ b.word[0]) | (a.word[1] ^ b.word[1]) | (a.word[2] ^ b.word[2]) |
                (a.word[3] ^ b.word[3])) == 0;
    }
};

// a += b; returns the carry.
VERINFER_INLINE constexpr std::uint64_t add_to(Uint256 &a, const Uint256 &b) {
#if defined(__CUDA_ARCH__)
    if (!__builtin_is_constant_evaluated()) {
        std::uint64_t out;
        asm("add.cc.u64 %0, %0, %5; addc.cc.u64 %1, %1, %6; addc.cc.u64 %2, %2, %7; addc.cc.u64 %3, %3, %8;"
            "addc.u64 %4, 0, 0;"
            : "+l"(a.word[0]), "+l"(a.word[1]), "+l"(a.word[2]), "+l"(a.word[3]), "=l"(out)
            : "l"(b.word[0]), "l"(b.word[1]), "l"(b.word[2]), "l"(b.word[3]));
        return out;
    }
#endif
    std::uint64_t carry = 0;
    VERINFER_UNROLL
    for (int i = 0; i < 4; ++i) {
        const Uint128 sum = static_cast<Uint128>(a.word[i]) + b.word[i] + carry;
        a.word[i] = static_cast<std::uint64_t>(sum);
        carry = static_cast<std::uint64_t>(sum >> 64);
    }
    return carry;
}

// a -= b; returns the borrow.
VERINFER_INLINE constexpr std::uint64_t subtract_from(Uint256 &a, const Uint256 &b) {
#if defined(__CUDA_ARCH__)
    if (!__builtin_is_constant_evaluated()) {
        std::uint64_t out;
        asm("sub.cc.u64 %0, %0, %5; subc.cc.u64 %1, %1, %6; subc.cc.u64 %2, %2, %7; subc.cc.u64 %3, %3, %8;"
            "subc.u64 %4, 0, 0;"
            : "+l"(a.word[0]), "+l"(a.word[1]), "+l"(a.word[2]), "+l"(a.word[3]), "=l"(out)
            : "l"(b.word[0]), "l"(b.word[1]), "l"(b.word[2]), "l"(b.word[3]));
        return out & 1;
    }
#endif
    std::uint64_t borrow = 0;
    VERINFER_UNROLL
    for (int i = 0; i < 4; ++i) {
        const Uint128 difference = static_cast<Uint128>(a.word[i]) - b.word[i] - borrow;
        a.word[i] = static_cast<std::uint64_t>(difference);
        borrow = static_cast<std::uint64_t>(difference >> 64) & 1;
    }
    return borrow;
}

// The integer (high * 2^256 + a) / 2^bits, for 0 < bits < 64, where it fits into 256 bits.
VERINFER_INLINE constexpr Uint256 shifted_right(const Uint256 &a, int bits, std::uint64_t high = 0) {
    return {{a.word[0] >> bits | a.word[1] << (64 - bits), a.word[1] >> bits | a.word[2] << (64 - bits),
             a.word[2] >> bits | a.word[3] << (64 - bits), a.word[3] >> bits | high << (64 - bits)}};
}

struct ScalarModulus {
    static VERINFER_INLINE constexpr Uint256 value() {
        return {{0x43e1f593f0000001, 0x2833e84879b97091, 0xb85045b68181585d, 0x30644e72e131a029}};
    }
};

struct BaseModulus {
    static VERINFER_INLINE constexpr Uint256 value() {
        return {{0x3c208c16d87cfd47, 0x97816a916871ca8d, 0xb85045b68181585d, 0x30644e72e131a029}};
    }
};

template <class Modulus>
struct Field {
#if defined(VERINFER_LIMBS_32)
    static constexpr int kMontgomeryBits = 256;
#else
    static constexpr int kMontgomeryBits = 260;
#endif

    Uint256 value;  // x * 2^kMontgomeryBits mod p

    static VERINFER_INLINE constexpr Uint256 modulus() { return Modulus::value(); }
    static VERINFER_INLINE constexpr Field zero() { return {{{0, 0, 0, 0}}}; }
    static VERINFER_INLINE constexpr Field one() {
        constexpr Uint256 r = power_of_two(kMontgomeryBits);
        return {r};
    }

    static VERINFER_INLINE constexpr bool is_canonical(const Uint256 &x) {
        Uint256 copy = x;
        return subtract_from(copy, modulus()) == 1;
    }

    // Of a canonical integer.
    static VERINFER_INLINE Field from_canonical(const Uint256 &x) {
        constexpr Uint256 r_squared = power_of_two(2 * kMontgomeryBits);
        return Field{x} * Field{r_squared};
    }
    VERINFER_INLINE Uint256 canonical() const { return (*this * Field{{{1, 0, 0, 0}}}).value; }

    static VERINFER_INLINE Field from_integer(std::int64_t x) {
        const bool negative = x < 0;
        const std::uint64_t bits = static_cast<std::uint64_t>(x);
        const Field magnitude = from_canonical({{negative ? 0 - bits : bits, 0, 0, 0}});
        return negative ? -magnitude : magnitude;
    }

    VERINFER_INLINE bool is_zero() const { return *this == zero(); }
    friend VERINFER_INLINE bool operator==(const Field &a, const Field &b) { return a.value == b.value; }

    friend VERINFER_INLINE constexpr Field operator+(const Field &a, const Field &b) {
        Uint256 sum = a.value;
        add_to(sum, b.value);  // < 2p < 2^256
        return {reduced_once(sum)};
    }

    friend VERINFER_INLINE constexpr Field operator-(const Field &a, const Field &b) {
        Uint256 difference = a.value;
        const std::uint64_t below_zero = 0 - subtract_from(difference, b.value);
        Uint256 correction = modulus();
        VERINFER_UNROLL
        for (int i = 0; i < 4; ++i) correction.word[i] &= below_zero;
        add_to(difference, correction);
        return {difference};
    }

    friend VERINFER_INLINE constexpr Field operator-(const Field &a) { return zero() - a; }

#if defined(VERINFER_LIMBS_32)
    // Montgomery's product a * b / 2^256. b may be any integer below 2^256.
    friend VERINFER_INLINE Field operator*(const Field &a, const Field &b) {
        std::uint32_t x[8], y[8], p[8], product[8];
        VERINFER_UNROLL
        for (int i = 0; i < 8; ++i) {
            x[i] = static_cast<std::uint32_t>(a.value.word[i / 2] >> (32 * (i % 2)));
            y[i] = static_cast<std::uint32_t>(b.value.word[i / 2] >> (32 * (i % 2)));
            p[i] = static_cast<std::uint32_t>(modulus().word[i / 2] >> (32 * (i % 2)));
        }
        limbs32::montgomery_product(product, x, y, p, static_cast<std::uint32_t>(negative_inverse()));
        Uint256 result;
        VERINFER_UNROLL
        for (int i = 0; i < 4; ++i) {
            result.word[i] = product[2 * i] | static_cast<std::uint64_t>(product[2 * i + 1]) << 32;
        }
        return {reduced_once(result)};
    }
#else
    // Montgomery's product a * b / 2^260: four steps of 64 bits (Koc, Acar, Kaliski 1996, "CIOS") and one of 4.
    friend VERINFER_INLINE Field operator*(const Field &a, const Field &b) {
        constexpr Uint256 p = modulus();
        std::uint64_t t[4] = {0, 0, 0, 0};
        VERINFER_UNROLL
        for (int i = 0; i < 4; ++i) {
            Uint128 sum = 0;
            VERINFER_UNROLL
            for (int j = 0; j < 4; ++j) {
                sum = static_cast<Uint128>(a.value.word[j]) * b.value.word[i] + t[j] +
                      static_cast<std::uint64_t>(sum >> 64);
                t[j] = static_cast<std::uint64_t>(sum);
            }
            const std::uint64_t top = static_cast<std::uint64_t>(sum >> 64);
            const std::uint64_t m = t[0] * negative_inverse();
            sum = static_cast<Uint128>(m) * p.word[0] + t[0];
            VERINFER_UNROLL
            for (int j = 1; j < 4; ++j) {
                sum = static_cast<Uint128>(m) * p.word[j] + t[j] + static_cast<std::uint64_t>(sum >> 64);
                t[j - 1] = static_cast<std::uint64_t>(sum);
            }
            t[3] = top + static_cast<std::uint64_t>(sum >> 64);  // p leaves two bits to spare: no carry
        }
        const std::uint64_t m = t[0] * negative_inverse() & 15;
        Uint256 sum;
        Uint128 carry = 0;
        VERINFER_UNROLL
        for (int j = 0; j < 4; ++j) {
            carry += static_cast<Uint128>(m) * p.word[j] + t[j];
            sum.word[j] = static_cast<std::uint64_t>(carry);
            carry >>= 64;
        }
        return {reduced_once(shifted_right(sum, 4, static_cast<std::uint64_t>(carry)))};
    }
#endif

    VERINFER_INLINE Field squared() const { return *this * *this; }
    VERINFER_INLINE constexpr Field doubled() const { return *this + *this; }

    VERINFER_INLINE Field &operator+=(const Field &other) { return *this = *this + other; }
    VERINFER_INLINE Field &operator-=(const Field &other) { return *this = *this - other; }
    VERINFER_INLINE Field &operator*=(const Field &other) { return *this = *this * other; }

    // The inverse of an element that is not zero; of zero, zero. Binary Euclid: its time depends on the element.
    VERINFER_INLINE Field inverse() const {
        if (is_zero()) return zero();
        constexpr Uint256 p = modulus();
        constexpr Uint256 one{{1, 0, 0, 0}};
        // u = x * s and v = x * t (mod p) throughout, x the integer held.
        Uint256 u = value, v = p;
        Field s{one}, t = zero();
        while (!(u == one) && !(v == one)) {
            while ((u.word[0] & 1) == 0) {
                u = shifted_right(u, 1);
                s = s.halved();
            }
            while ((v.word[0] & 1) == 0) {
                v = shifted_right(v, 1);
                t = t.halved();
            }
            Uint256 difference = u;
            if (subtract_from(difference, v)) {
                subtract_from(v, u);
                t = t - s;
            } else {
                u = difference;
                s = s - t;
            }
        }
        constexpr Uint256 r_cubed = power_of_two(3 * kMontgomeryBits);
        return (u == one ? s : t) * Field{r_cubed};
    }

    VERINFER_INLINE constexpr Field halved() const {
        Uint256 even = value;
        const std::uint64_t odd = 0 - (value.word[0] & 1);
        Uint256 correction = modulus();
        VERINFER_UNROLL
        for (int i = 0; i < 4; ++i) correction.word[i] &= odd;
        return {shifted_right(even, 1, add_to(even, correction))};
    }

    // 2^exponent mod p, as a plain integer.
    static VERINFER_INLINE constexpr Uint256 power_of_two(int exponent) {
        Field x{{{1, 0, 0, 0}}};
        for (int i = 0; i < exponent; ++i) x = x.doubled();
        return x.value;
    }

    // -1/p mod 2^64, by Newton's iteration.
    static VERINFER_INLINE constexpr std::uint64_t negative_inverse() {
        const std::uint64_t p = modulus().word[0];
        std::uint64_t inverse = p;  // right to 3 bits, then 6, 12, 24, 48, 96
        for (int i = 0; i < 5; ++i) inverse *= 2 - p * inverse;
        return 0 - inverse;
    }

    static VERINFER_INLINE constexpr Uint256 reduced_once(const Uint256 &x) {
        Uint256 less = x;
        const std::uint64_t below_zero = 0 - subtract_from(less, modulus());
        VERINFER_UNROLL
        for (int i = 0; i < 4; ++i) less.word[i] ^= (less.word[i] ^ x.word[i]) & below_zero;
        return less;
    }
};

using Fr = Field<ScalarModulus>;
using Fq = Field<BaseModulus>;

static_assert(sizeof(Fr) == 32 && sizeof(Fq) == 32);

}  // namespace verinfer
