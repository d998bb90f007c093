// Montgomery's product in 32-bit limbs, as GPUs multiply.
//
// A 256-bit accumulator of products of 32 bits is held as two sums of 64-bit products that do not overlap,
//
//     T = even + 2^32 * odd,    even and odd of eight limbs each,
//
// so that a row of four products goes in by one chain of carries, with no carry to keep between products (Emmart, Zheng,
// Weems 2018, "Faster modular exponentiation using double precision floating point arithmetic", section on integer
// Montgomery multiplication; the interleaving is that of Koc, Acar, Kaliski 1996, "CIOS", R = 2^256).
//
// The three chains are PTX on a GPU and C++ elsewhere; all else is the same text. p has to leave two bits of its top
// limb free, so that T stays below 2^288 and no chain carries out of `odd`.

#pragma once

namespace verinfer::limbs32 {

constexpr int kLimbs = 8;

#if defined(__CUDA_ARCH__)

// accumulator[2k], accumulator[2k + 1] += a[2k] * b; returns the carry.
VERINFER_INLINE std::uint32_t multiply_add(std::uint32_t (&x)[kLimbs], const std::uint32_t *a, std::uint32_t b) {
    std::uint32_t carry;
    asm("mad.lo.cc.u32 %0, %9, %13, %0; madc.hi.cc.u32 %1, %9, %13, %1;"
        "madc.lo.cc.u32 %2, %10, %13, %2; madc.hi.cc.u32 %3, %10, %13, %3;"
        "madc.lo.cc.u32 %4, %11, %13, %4; madc.hi.cc.u32 %5, %11, %13, %5;"
        "madc.lo.cc.u32 %6, %12, %13, %6; madc.hi.cc.u32 %7, %12, %13, %7;"
        "addc.u32 %8, 0, 0;"
        : "+r"(x[0]), "+r"(x[1]), "+r"(x[2]), "+r"(x[3]), "+r"(x[4]), "+r"(x[5]), "+r"(x[6]), "+r"(x[7]), "=r"(carry)
        : "r"(a[0]), "r"(a[2]), "r"(a[4]), "r"(a[6]), "r"(b));
    return carry;
}

// With even[0] = 0, T / 2^32 = odd + even[1] + 2^32 * (even / 2^64): adds even[1] to odd, and a[2k] * b to the rest of
// even, which comes to stand where odd stood.
VERINFER_INLINE void shift_multiply_add(std::uint32_t (&even)[kLimbs], std::uint32_t &odd0, const std::uint32_t *a,
                                        std::uint32_t b) {
    asm("add.cc.u32 %8, %8, %1;"
        "madc.lo.cc.u32 %0, %9, %13, %2; madc.hi.cc.u32 %1, %9, %13, %3;"
        "madc.lo.cc.u32 %2, %10, %13, %4; madc.hi.cc.u32 %3, %10, %13, %5;"
        "madc.lo.cc.u32 %4, %11, %13, %6; madc.hi.cc.u32 %5, %11, %13, %7;"
        "madc.lo.cc.u32 %6, %12, %13, 0; madc.hi.u32 %7, %12, %13, 0;"
        : "+r"(even[0]), "+r"(even[1]), "+r"(even[2]), "+r"(even[3]), "+r"(even[4]), "+r"(even[5]), "+r"(even[6]),
          "+r"(even[7]), "+r"(odd0)
        : "r"(a[0]), "r"(a[2]), "r"(a[4]), "r"(a[6]), "r"(b));
}

// x += y / 2^32; the sum has eight limbs.
VERINFER_INLINE void add_shifted(std::uint32_t (&x)[kLimbs], const std::uint32_t (&y)[kLimbs]) {
    asm("add.cc.u32 %0, %0, %8; addc.cc.u32 %1, %1, %9; addc.cc.u32 %2, %2, %10; addc.cc.u32 %3, %3, %11;"
        "addc.cc.u32 %4, %4, %12; addc.cc.u32 %5, %5, %13; addc.cc.u32 %6, %6, %14; addc.u32 %7, %7, 0;"
        : "+r"(x[0]), "+r"(x[1]), "+r"(x[2]), "+r"(x[3]), "+r"(x[4]), "+r"(x[5]), "+r"(x[6]), "+r"(x[7])
        : "r"(y[1]), "r"(y[2]), "r"(y[3]), "r"(y[4]), "r"(y[5]), "r"(y[6]), "r"(y[7]));
}

#else

VERINFER_INLINE std::uint32_t multiply_add(std::uint32_t (&x)[kLimbs], const std::uint32_t *a, std::uint32_t b) {
    std::uint64_t carry = 0;
    VERINFER_UNROLL
    for (int i = 0; i < kLimbs; i += 2) {
        const std::uint64_t product = static_cast<std::uint64_t>(a[i]) * b;
        carry += static_cast<std::uint64_t>(x[i]) + static_cast<std::uint32_t>(product);
        x[i] = static_cast<std::uint32_t>(carry);
        carry = (carry >> 32) + x[i + 1] + (product >> 32);
        x[i + 1] = static_cast<std::uint32_t>(carry);
        carry >>= 32;
    }
    return static_cast<std::uint32_t>(carry);
}

VERINFER_INLINE void shift_multiply_add(std::uint32_t (&even)[kLimbs], std::uint32_t &odd0, const std::uint32_t *a,
                                        std::uint32_t b) {
    std::uint64_t carry = static_cast<std::uint64_t>(odd0) + even[1];
    odd0 = static_cast<std::uint32_t>(carry);
    carry >>= 32;
    VERINFER_UNROLL
    for (int i = 0; i < kLimbs; i += 2) {
        const std::uint64_t product = static_cast<std::uint64_t>(a[i]) * b;
        carry += static_cast<std::uint32_t>(product) + static_cast<std::uint64_t>(i < 6 ? even[i + 2] : 0);
        even[i] = static_cast<std::uint32_t>(carry);
        carry = (carry >> 32) + (product >> 32) + (i < 6 ? even[i + 3] : 0);
        even[i + 1] = static_cast<std::uint32_t>(carry);
        carry >>= 32;
    }
}

VERINFER_INLINE void add_shifted(std::uint32_t (&x)[kLimbs], const std::uint32_t (&y)[kLimbs]) {
    std::uint64_t carry = 0;
    VERINFER_UNROLL
    for (int i = 0; i < kLimbs; ++i) {
        carry += static_cast<std::uint64_t>(x[i]) + (i < 7 ? y[i + 1] : 0);
        x[i] = static_cast<std::uint32_t>(carry);
        carry >>= 32;
    }
}

#endif

// Takes a step of 32 bits off T: adds the multiple of p that makes even[0] zero.
VERINFER_INLINE void reduce_step(std::uint32_t (&even)[kLimbs], std::uint32_t (&odd)[kLimbs],
                                 const std::uint32_t (&p)[kLimbs], std::uint32_t negative_inverse) {
    const std::uint32_t m = even[0] * negative_inverse;
    multiply_add(odd, p + 1, m);
    odd[7] += multiply_add(even, p, m);
}

// a * b / 2^256 mod p, below 2p, for a < p and any b.
VERINFER_INLINE void montgomery_product(std::uint32_t (&result)[kLimbs], const std::uint32_t (&a)[kLimbs],
                                        const std::uint32_t (&b)[kLimbs], const std::uint32_t (&p)[kLimbs],
                                        std::uint32_t negative_inverse) {
    std::uint32_t x[kLimbs], y[kLimbs];  // in turn even and odd
    VERINFER_UNROLL
    for (int i = 0; i < kLimbs; i += 2) {
        const std::uint64_t low = static_cast<std::uint64_t>(a[i]) * b[0];
        const std::uint64_t high = static_cast<std::uint64_t>(a[i + 1]) * b[0];
        x[i] = static_cast<std::uint32_t>(low);
        x[i + 1] = static_cast<std::uint32_t>(low >> 32);
        y[i] = static_cast<std::uint32_t>(high);
        y[i + 1] = static_cast<std::uint32_t>(high >> 32);
    }
    reduce_step(x, y, p, negative_inverse);
    VERINFER_UNROLL
    for (int i = 1; i < kLimbs; i += 2) {
        shift_multiply_add(x, y[0], a + 1, b[i]);
        x[7] += multiply_add(y, a, b[i]);
        reduce_step(y, x, p, negative_inverse);
        if (i + 1 == kLimbs) break;
        shift_multiply_add(y, x[0], a + 1, b[i + 1]);
        y[7] += multiply_add(x, a, b[i + 1]);
        reduce_step(x, y, p, negative_inverse);
    }
    add_shifted(x, y);
    VERINFER_UNROLL
    for (int i = 0; i < kLimbs; ++i) result[i] = x[i];
}

}  // namespace verinfer::limbs32
