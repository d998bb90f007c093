// Products of bytes by the instruction VPDPBUSD, which adds four of them, unsigned by signed, to each 32-bit lane.

#include "contraction.hpp"

#if defined(__x86_64__)

#include <immintrin.h>

namespace verinfer {

namespace {

// A plane is packed as [quad of rows][column][row of the quad], so that a column's four bytes are one lane.
constexpr int kVectorColumns = 16;
constexpr int kPanelVectors = kPanelColumns / kVectorColumns;

VERINFER_INLINE std::uint64_t first(int count) {
    return count >= 64 ? ~std::uint64_t{0} : (std::uint64_t{1} << count) - 1;
}

VERINFER_INLINE int vectors_of(int columns) { return (columns + kVectorColumns - 1) / kVectorColumns; }

// Rows of up to 64 columns lie one behind the other, `stride` bytes apart.
bool pack_columns(const std::int8_t *x, std::size_t stride, int rows, int columns, std::int8_t *plane) {
    // Undoes that the unpacking below stays within 128-bit parts: vector j shall hold columns 16 j to 16 j + 15.
    const __m512i spread = _mm512_setr_epi32(0, 4, 8, 12, 1, 5, 9, 13, 2, 6, 10, 14, 3, 7, 11, 15);
    const __mmask64 present = first(columns);
    __m512i any = _mm512_setzero_si512();
    __m512i *to = reinterpret_cast<__m512i *>(plane);
    for (int row = 0; row < rows; row += 4, to += kPanelVectors) {
        __m512i r[4];
        for (int k = 0; k < 4; ++k) {
            const __mmask64 mask = row + k < rows ? present : 0;
            r[k] = _mm512_maskz_loadu_epi8(mask, x + static_cast<std::size_t>(row + k) * stride);
            any = _mm512_or_si512(any, r[k]);
            r[k] = _mm512_permutexvar_epi32(spread, r[k]);
        }
        const __m512i a = _mm512_unpacklo_epi8(r[0], r[1]), b = _mm512_unpackhi_epi8(r[0], r[1]);
        const __m512i c = _mm512_unpacklo_epi8(r[2], r[3]), d = _mm512_unpackhi_epi8(r[2], r[3]);
        _mm512_store_si512(to, _mm512_unpacklo_epi16(a, c));
        _mm512_store_si512(to + 1, _mm512_unpackhi_epi16(a, c));
        _mm512_store_si512(to + 2, _mm512_unpacklo_epi16(b, d));
        _mm512_store_si512(to + 3, _mm512_unpackhi_epi16(b, d));
    }
    return _mm512_test_epi8_mask(any, any) != 0;
}

// 16 rows of 16 lanes each become 16 columns.
VERINFER_INLINE void transpose(__m512i (&r)[16]) {
    __m512i t[16];
    for (int i = 0; i < 16; i += 2) {
        t[i] = _mm512_unpacklo_epi32(r[i], r[i + 1]);
        t[i + 1] = _mm512_unpackhi_epi32(r[i], r[i + 1]);
    }
    for (int i = 0; i < 16; i += 4) {  // now r[i + k] holds lanes k, 4 + k, 8 + k, 12 + k of rows i to i + 3
        r[i] = _mm512_unpacklo_epi64(t[i], t[i + 2]);
        r[i + 1] = _mm512_unpackhi_epi64(t[i], t[i + 2]);
        r[i + 2] = _mm512_unpacklo_epi64(t[i + 1], t[i + 3]);
        r[i + 3] = _mm512_unpackhi_epi64(t[i + 1], t[i + 3]);
    }
    for (int k = 0; k < 4; ++k) {
        const __m512i a = _mm512_shuffle_i32x4(r[k], r[4 + k], 0x88), b = _mm512_shuffle_i32x4(r[k], r[4 + k], 0xdd);
        const __m512i c = _mm512_shuffle_i32x4(r[8 + k], r[12 + k], 0x88);
        const __m512i d = _mm512_shuffle_i32x4(r[8 + k], r[12 + k], 0xdd);
        t[k] = _mm512_shuffle_i32x4(a, c, 0x88);
        t[4 + k] = _mm512_shuffle_i32x4(b, d, 0x88);
        t[8 + k] = _mm512_shuffle_i32x4(a, c, 0xdd);
        t[12 + k] = _mm512_shuffle_i32x4(b, d, 0xdd);
    }
    for (int i = 0; i < 16; ++i) r[i] = t[i];
}

// Columns of up to 256 rows lie one behind the other, `stride` bytes apart.
bool pack_rows(const std::int8_t *x, std::size_t stride, int rows, int columns, std::int8_t *plane) {
    __m512i any = _mm512_setzero_si512();
    for (int group = 0; group < columns; group += kVectorColumns) {
        for (int row = 0; row < rows; row += 64) {
            const __mmask64 present = first(rows - row);
            __m512i r[16];
            for (int k = 0; k < 16; ++k) {
                const __mmask64 mask = group + k < columns ? present : 0;
                r[k] = _mm512_maskz_loadu_epi8(mask, x + static_cast<std::size_t>(group + k) * stride + row);
                any = _mm512_or_si512(any, r[k]);
            }
            transpose(r);
            __m512i *to = reinterpret_cast<__m512i *>(plane) + row / 4 * kPanelVectors + group / kVectorColumns;
            for (int k = 0; k < 16; ++k) _mm512_store_si512(to + k * kPanelVectors, r[k]);
        }
    }
    return _mm512_test_epi8_mask(any, any) != 0;
}

// How many bytes hold integers whose bits, exclusive-or'ed with their signs, are these all together.
VERINFER_INLINE int bytes_for(std::uint64_t bits) { return bits == 0 ? 1 : (64 - __builtin_clzll(bits)) / 8 + 1; }

// Calls body(from, to, n) for the integers and their bytes in stretches of n <= 64, mostly of 64: that, as a constant,
// makes straight vector code of what body does.
template <class Integer, class Body>
VERINFER_INLINE void for_stretches(const Integer *x, std::size_t stride, int lines, int length, const Body &body) {
    for (int line = 0; line < lines; ++line) {
        const Integer *values = x + static_cast<std::size_t>(line) * stride;
        int i = 0;
        for (; i + 64 <= length; i += 64) body(values + i, line * length + i, 64);
        if (i < length) body(values + i, line * length + i, length - i);
    }
}

template <class Integer>
int pack(const void *data, std::size_t row_stride, std::size_t column_stride, int rows, int columns,
         std::int8_t *planes) {
    const Integer *x = static_cast<const Integer *>(data);
    const bool by_columns = column_stride == 1;
    const std::size_t stride = by_columns ? row_stride : column_stride;
    const auto pack_plane = by_columns ? pack_columns : pack_rows;
    if constexpr (sizeof(Integer) == 1) {
        return pack_plane(x, stride, rows, columns, planes) ? 1 : 0;
    } else {
        const int lines = by_columns ? rows : columns, length = by_columns ? columns : rows;
        Integer magnitude[64] = {}, integer[64] = {};
        for_stretches(x, stride, lines, length, [&](const Integer *values, int, int n) VERINFER_INLINE_LAMBDA {
            for (int i = 0; i < n; ++i) {
                magnitude[i] |= static_cast<Integer>(values[i] ^ (values[i] >> (8 * sizeof(Integer) - 1)));
                integer[i] |= values[i];
            }
        });
        Integer magnitudes = 0, any = 0;
        for (int i = 0; i < 64; ++i) {
            magnitudes |= magnitude[i];
            any |= integer[i];
        }
        if (any == 0) return 0;
        const int count = bytes_for(static_cast<std::uint64_t>(magnitudes));
        alignas(64) std::int8_t bytes[kPanelBytes];
        for (int plane = 0; plane < count; ++plane) {
            const Integer bias = plane + 1 < count ? 128 : 0;
            for_stretches(x, stride, lines, length, [&](const Integer *values, int at, int n) VERINFER_INLINE_LAMBDA {
                for (int i = 0; i < n; ++i) {
                    bytes[at + i] = static_cast<std::int8_t>(values[i] >> (8 * plane) ^ bias);
                }
            });
            pack_plane(bytes, static_cast<std::size_t>(length), rows, columns, planes + plane * kPanelBytes);
        }
        return count;
    }
}

// Fetches what is ahead, a few cache lines at a time.
class Fetcher {
   public:
    // In `steps` steps.
    Fetcher(const Ahead &ahead, int steps) : line_(align(ahead.start)), stride_(ahead.stride) {
        const std::byte *end = ahead.start + ahead.bytes;
        each_ = static_cast<int>((end - line_ + kCacheLine - 1) / kCacheLine);
        left_ = ahead.lines * each_;
        at_once_ = (left_ + steps - 1) / steps;
    }

    VERINFER_INLINE void step() {
        for (int i = 0; i < at_once_ && left_ > 0; ++i, --left_) {
            _mm_prefetch(reinterpret_cast<const char *>(line_ + static_cast<std::ptrdiff_t>(done_) * kCacheLine),
                         _MM_HINT_T1);
            if (++done_ == each_) {
                done_ = 0;
                line_ += stride_;
            }
        }
    }

   private:
    static constexpr int kCacheLine = 64;

    static const std::byte *align(const std::byte *address) {
        return address - reinterpret_cast<std::uintptr_t>(address) % kCacheLine;
    }

    const std::byte *line_;
    std::size_t stride_;
    int each_, left_, at_once_, done_ = 0;
};

// Sums of `Groups` groups of digits for `Vectors` vectors of columns, in as many registers.
template <int Vectors, int Groups>
VERINFER_INLINE void multiply_groups(const __m512i *plane, int quads,
                                     const std::uint32_t (*weights)[kBlockQuads][kDigitGroup],
                                     std::int32_t (*sums)[kPanelColumns], Fetcher &fetcher) {
    constexpr int digits = Groups * kDigitGroup;
    __m512i sum[digits][Vectors];
    VERINFER_UNROLL
    for (int d = 0; d < digits; ++d) {
        VERINFER_UNROLL
        for (int v = 0; v < Vectors; ++v) sum[d][v] = _mm512_loadu_si512(sums[d] + v * kVectorColumns);
    }
    for (int q = 0; q < quads; ++q) {
        fetcher.step();
        __m512i bytes[Vectors];
        VERINFER_UNROLL
        for (int v = 0; v < Vectors; ++v) bytes[v] = _mm512_load_si512(plane + q * kPanelVectors + v);
        VERINFER_UNROLL
        for (int d = 0; d < digits; ++d) {
            const std::uint32_t quad = weights[d / kDigitGroup][q][d % kDigitGroup];
            const __m512i weight = _mm512_set1_epi32(static_cast<int>(quad));
            VERINFER_UNROLL
            for (int v = 0; v < Vectors; ++v) sum[d][v] = _mm512_dpbusd_epi32(sum[d][v], weight, bytes[v]);
        }
    }
    VERINFER_UNROLL
    for (int d = 0; d < digits; ++d) {
        VERINFER_UNROLL
        for (int v = 0; v < Vectors; ++v) _mm512_storeu_si512(sums[d] + v * kVectorColumns, sum[d][v]);
    }
}

template <int Vectors, int Groups>
void multiply_vectors(const std::int8_t *plane, int rows, const WeightBlock &weights, PanelSums &sums,
                      const Ahead &ahead) {
    constexpr int groups = kWeightDigits / kDigitGroup;
    const int quads = (rows + 3) / 4;
    Fetcher fetcher(ahead, groups / Groups * quads);
    for (int group = 0; group < groups; group += Groups) {
        multiply_groups<Vectors, Groups>(reinterpret_cast<const __m512i *>(plane), quads, weights + group,
                                         sums + group * kDigitGroup, fetcher);
    }
}

void multiply(const std::int8_t *plane, int rows, int columns, const WeightBlock &weights, PanelSums &sums,
              const Ahead &ahead) {
    switch (vectors_of(columns)) {
        case 1:
            return multiply_vectors<1, 2>(plane, rows, weights, sums, ahead);
        case 2:
            return multiply_vectors<2, 2>(plane, rows, weights, sums, ahead);
        case 3:
            return multiply_vectors<3, 1>(plane, rows, weights, sums, ahead);
        default:
            return multiply_vectors<4, 1>(plane, rows, weights, sums, ahead);
    }
}

}  // namespace

const ByteKernels byte_kernels = {
    .pack = {pack<std::int8_t>, pack<std::int16_t>, pack<std::int32_t>, pack<std::int64_t>},
    .multiply = multiply,
};

}  // namespace verinfer

#else

namespace verinfer {

const ByteKernels byte_kernels = {};

}  // namespace verinfer

#endif
