// What a header needs to be read by any C++ compiler and by CUDA's: integers of a known size, functions that are always
// inlined, loops that are unrolled, and tables.

#pragma once

#if defined(__CUDACC_RTC__)  // has no standard library
namespace std {
using uint32_t = unsigned int;
using uint64_t = unsigned long;
using int64_t = long;
}  // namespace std
#else
#include <cstdint>
#endif

#if defined(VERINFER_INLINE)  // given by who compiles it
#define VERINFER_UNROLL
#elif defined(__CUDACC__)
#define VERINFER_INLINE __host__ __device__ __forceinline__
#define VERINFER_INLINE_LAMBDA
#define VERINFER_UNROLL _Pragma("unroll")
#else
#define VERINFER_INLINE inline __attribute__((always_inline))
#define VERINFER_INLINE_LAMBDA __attribute__((always_inline))
#define VERINFER_UNROLL _Pragma("GCC unroll 16")
#endif

#if defined(__CUDACC__)
#define VERINFER_TABLE static __constant__ const
#else
#define VERINFER_TABLE inline constexpr
#endif
