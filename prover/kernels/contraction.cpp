// out[o, m, i] = the sum over a of x[o, a, i] * weights[m, a], x being small integers or field elements.

#include "contraction.hpp"

#include <nanobind/stl/array.h>

#include <algorithm>
#include <array>
#include <bit>

#include "integer_arrays.hpp"
#include "parallel.hpp"
#include "python_types.hpp"
#include "registration.hpp"
#include "vectors.hpp"

namespace verinfer {

namespace {

using namespace nb::literals;

struct Shape {
    std::size_t outer, axis, inner, rows;  // rows of weights

    std::size_t outputs() const { return outer * rows * inner; }
};

std::size_t ceiling(std::size_t a, std::size_t b) { return (a + b - 1) / b; }

// Up to kPanelColumns outputs of one row of weights, and the integers that they are sums of.
struct Panel {
    std::size_t input, output;  // where column 0 starts
    int columns;
};

// With one column for each o the panels run over o, otherwise over i.
class Panels {
   public:
    explicit Panels(const Shape &shape) : shape_(shape), across_(shape.inner == 1 ? shape.outer : shape.inner) {}

    std::size_t each() const { return ceiling(across_, kPanelColumns); }
    std::size_t count() const { return shape_.inner == 1 ? each() : shape_.outer * each(); }
    Panel operator[](std::size_t index) const {
        const std::size_t o = index / each(), begin = index % each() * kPanelColumns;
        const int columns = static_cast<int>(std::min<std::size_t>(kPanelColumns, across_ - begin));
        return {o * shape_.axis * shape_.inner + begin * column_stride(),
                o * shape_.rows * shape_.inner + begin * output_stride(), columns};
    }
    std::size_t column_stride() const { return shape_.inner == 1 ? shape_.axis : 1; }
    std::size_t output_stride() const { return shape_.inner == 1 ? shape_.rows : 1; }

   private:
    Shape shape_;
    std::size_t across_;
};

// The bytes of all weights, by blocks of summands, and the sums of each digit over a block.
class WeightDigits {
   public:
    WeightDigits(const Fr *weights, const Shape &shape)
        : blocks_(ceiling(shape.axis, kBlockRows)),
          digits_(allocate<std::uint32_t>(shape.rows * blocks_ * kBlockWords)),
          sums_(allocate<Sums>(shape.rows * blocks_)) {
        parallel_for(shape.rows * blocks_, 8, [&](std::size_t begin, std::size_t end) {
            for (std::size_t i = begin; i < end; ++i) {
                const std::size_t row = i / blocks_, first = i % blocks_ * kBlockRows;
                fill(weights + row * shape.axis + first, std::min<std::size_t>(kBlockRows, shape.axis - first), i);
            }
        });
    }

    const WeightBlock &block(std::size_t row, std::size_t block) const {
        return *reinterpret_cast<const WeightBlock *>(digits_.get() + (row * blocks_ + block) * kBlockWords);
    }
    std::int64_t sum(std::size_t row, std::size_t block, int digit) const {
        return sums_[row * blocks_ + block].digit[digit];
    }

   private:
    static constexpr std::size_t kBlockWords = sizeof(WeightBlock) / sizeof(std::uint32_t);

    struct Sums {
        std::int64_t digit[kWeightDigits];
    };

    void fill(const Fr *weights, std::size_t count, std::size_t index) {
        std::uint32_t *words = digits_.get() + index * kBlockWords;
        std::array<std::uint32_t, kWeightDigits> sums{};
        for (std::size_t quad = 0; quad < kBlockQuads; ++quad) {
            std::array<std::array<std::uint8_t, kWeightDigits>, 4> bytes{};
            const std::size_t first = std::min(count, 4 * quad), present = std::min<std::size_t>(4, count - first);
            std::memcpy(&bytes, weights + first, present * sizeof bytes[0]);
            for (std::size_t d = 0; d < kWeightDigits; ++d) {
                words[(d / kDigitGroup * kBlockQuads + quad) * kDigitGroup + d % kDigitGroup] =
                    std::uint32_t{bytes[0][d]} | std::uint32_t{bytes[1][d]} << 8 | std::uint32_t{bytes[2][d]} << 16 |
                    std::uint32_t{bytes[3][d]} << 24;
                sums[d] += std::uint32_t{bytes[0][d]} + bytes[1][d] + bytes[2][d] + bytes[3][d];
            }
        }
        std::copy(sums.begin(), sums.end(), sums_[index].digit);
    }

    std::size_t blocks_;
    Buffer<std::uint32_t> digits_;
    Buffer<Sums> sums_;
};

// One thread's work on panels.
class ByteContraction {
   public:
    ByteContraction(const void *x, int integer_bytes, const Shape &shape, const WeightDigits &weights)
        : x_(static_cast<const std::byte *>(x)),
          integer_bytes_(integer_bytes),
          shape_(shape),
          panels_(shape),
          weights_(weights),
          planes_(allocate<std::int8_t>(kPanelBytes * integer_bytes)),
          sums_(allocate<std::int32_t>(kSumsSize * kRowsTogether * integer_bytes)),
          digits_(allocate<std::int64_t>(kDigitsSize * kRowsTogether)) {}

    // The sums over the summands first <= a < last; first is a multiple of kBlockRows. The next panel is computed next.
    void compute(const Panel &panel, std::size_t first, std::size_t last, const Panel &next, Fr *out) {
        for (std::size_t row = 0; row < shape_.rows; row += kRowsTogether) {
            const std::size_t rows = std::min(kRowsTogether, shape_.rows - row);
            std::fill_n(digits_.get(), rows * kDigitsSize, 0);
            for (std::size_t a = first; a < last; a += kMaxSummands) {
                add_summands(panel, row, rows, a, std::min(last, a + kMaxSummands), last, ahead(next, first, last));
            }
            for (std::size_t m = 0; m < rows; ++m) {
                Fr *to = out + panel.output + (row + m) * shape_.inner;
                contraction_kernels().join_digits(digits(m), panel.columns, to, panels_.output_stride());
            }
        }
    }

   private:
    static constexpr std::size_t kRowsTogether = 4;  // share the packing
    static constexpr std::size_t kSumsSize = std::size_t{kWeightDigits} * kPanelColumns;
    static constexpr std::size_t kDigitsSize = std::size_t{kDigits} * kPanelColumns;

    std::int64_t (*digits(std::size_t m))[kPanelColumns] {
        return reinterpret_cast<std::int64_t(*)[kPanelColumns]>(digits_.get() + m * kDigitsSize);
    }
    PanelSums &sums(std::size_t m, int plane) {
        const std::size_t index = m * static_cast<std::size_t>(integer_bytes_) + static_cast<std::size_t>(plane);
        return *reinterpret_cast<PanelSums *>(sums_.get() + index * kSumsSize);
    }

    const std::byte *input(const Panel &panel, std::size_t a) const {
        return x_ + (panel.input + a * shape_.inner) * static_cast<std::size_t>(integer_bytes_);
    }

    // The block of summands from a on.
    Ahead ahead(const Panel &panel, std::size_t a, std::size_t last) const {
        const int rows = static_cast<int>(std::min<std::size_t>(kBlockRows, last - a));
        const bool by_columns = panels_.column_stride() == 1;
        const std::size_t stride = by_columns ? shape_.inner : panels_.column_stride();
        return {input(panel, a), stride * static_cast<std::size_t>(integer_bytes_), by_columns ? rows : panel.columns,
                (by_columns ? panel.columns : rows) * integer_bytes_};
    }

    // Of first <= a < end, which is followed by those up to `last` and then by what is `beyond`.
    void add_summands(const Panel &panel, std::size_t row, std::size_t rows, std::size_t first, std::size_t end,
                      std::size_t last, const Ahead &beyond) {
        const int width = (panel.columns + 15) / 16 * 16;  // what `multiply` computes
        int planes = 0;                                    // so far
        for (std::size_t a = first; a < end; a += kBlockRows) {
            const int count = static_cast<int>(std::min<std::size_t>(kBlockRows, end - a));
            const auto pack = byte_kernels.pack[std::countr_zero(static_cast<unsigned>(integer_bytes_))];
            const int packed = pack(input(panel, a), shape_.inner, panels_.column_stride(), count, panel.columns,
                                    planes_.get());
            Ahead next = a + kBlockRows < last ? ahead(panel, a + kBlockRows, last) : beyond;
            for (; planes < packed; ++planes) {
                for (std::size_t m = 0; m < rows; ++m) {
                    for (auto &line : sums(m, planes)) std::fill_n(line, width, 0);
                }
            }
            for (std::size_t m = 0; m < rows; ++m) {
                const WeightBlock &weights = weights_.block(row + m, a / kBlockRows);
                for (int plane = 0; plane < packed; ++plane) {
                    byte_kernels.multiply(planes_.get() + plane * kPanelBytes, count, panel.columns, weights,
                                          sums(m, plane), next);
                    next.lines = 0;  // once is enough
                    if (plane + 1 < packed) add_bias(m, row + m, a / kBlockRows, plane);
                }
            }
        }
        for (std::size_t m = 0; m < rows; ++m) {
            for (int plane = 0; plane < planes; ++plane) {
                for (int d = 0; d < kWeightDigits; ++d) {
                    for (int c = 0; c < width; ++c) digits(m)[plane + d][c] += sums(m, plane)[d][c];
                }
            }
        }
    }

    // What is missing since the plane's bytes were taken 128 too low.
    void add_bias(std::size_t m, std::size_t row, std::size_t block, int plane) {
        for (int d = 0; d < kWeightDigits; ++d) {
            const std::int64_t bias = 128 * weights_.sum(row, block, d);
            for (int c = 0; c < kPanelColumns; ++c) digits(m)[plane + d][c] += bias;
        }
    }

    const std::byte *x_;
    int integer_bytes_;
    Shape shape_;
    Panels panels_;
    const WeightDigits &weights_;
    Buffer<std::int8_t> planes_;
    Buffer<std::int32_t> sums_;
    Buffer<std::int64_t> digits_;
};

void contract_bytes(const void *x, int integer_bytes, const Fr *weights, const Shape &shape, Fr *out) {
    const WeightDigits digits(weights, shape);
    const Panels layout(shape);
    const std::size_t panels = layout.count(), blocks = ceiling(shape.axis, kBlockRows);
    // Where there are fewer panels than could keep all threads busy, the summands are divided as well.
    const std::size_t wanted = ceiling(4 * threads(), panels);
    const std::size_t segment = threads() == 1 ? blocks : ceiling(blocks, std::min(wanted, ceiling(blocks, 8)));
    const std::size_t segments = ceiling(blocks, segment);
    const Buffer<Fr> parts = allocate<Fr>((segments - 1) * shape.outputs());
    parallel_for(panels * segments, 1, [&](std::size_t begin, std::size_t end) {
        ByteContraction contraction(x, integer_bytes, shape, digits);
        for (std::size_t i = begin; i < end; ++i) {
            const std::size_t part = i / panels, first = part * segment * kBlockRows;
            contraction.compute(layout[i % panels], first, std::min(shape.axis, first + segment * kBlockRows),
                                layout[(i + 1) % panels],
                                part == 0 ? out : parts.get() + (part - 1) * shape.outputs());
        }
    });
    for (std::size_t part = 1; part < segments; ++part) {
        vector_kernels().add(out, parts.get() + (part - 1) * shape.outputs(), shape.outputs(), out);
    }
}

// The same without multiplying bytes: a weight is five limbs of 52 bits, and 4,096 products of an integer by a limb fit
// into 128 bits.
struct WeightLimbs {
    std::int64_t limb[5];
};

WeightLimbs limbs(const Fr &weight) {
    constexpr std::uint64_t mask = (std::uint64_t{1} << 52) - 1;
    const std::uint64_t *word = weight.value.word;
    const auto limb = [&](std::uint64_t bits) { return static_cast<std::int64_t>(bits & mask); };
    return {{limb(word[0]), limb(word[0] >> 52 | word[1] << 12), limb(word[1] >> 40 | word[2] << 24),
             limb(word[2] >> 28 | word[3] << 36), limb(word[3] >> 16)}};
}

__extension__ typedef __int128 Int128;

Fr join_limbs(const std::array<Int128, 5> &sums) {
    constexpr std::array<Fr, 5> scales = {Fr{Fr::power_of_two(260)}, Fr{Fr::power_of_two(312)},
                                          Fr{Fr::power_of_two(364)}, Fr{Fr::power_of_two(416)},
                                          Fr{Fr::power_of_two(468)}};
    Fr total = Fr::zero();
    for (std::size_t j = 0; j < sums.size(); ++j) {
        const bool negative = sums[j] < 0;
        const Uint128 magnitude = negative ? 0 - static_cast<Uint128>(sums[j]) : static_cast<Uint128>(sums[j]);
        const std::uint64_t low = static_cast<std::uint64_t>(magnitude);
        const Fr part = Fr{{{low, static_cast<std::uint64_t>(magnitude >> 64), 0, 0}}} * scales[j];
        total = negative ? total - part : total + part;
    }
    return total;
}

template <class Integer>
void contract_limbs(const Integer *x, const Fr *weights, const Shape &shape, Fr *out) {
    constexpr std::size_t batch = 4096;
    const Panels panels(shape);
    const Buffer<WeightLimbs> limbs_of = allocate<WeightLimbs>(shape.rows * shape.axis);
    std::transform(weights, weights + shape.rows * shape.axis, limbs_of.get(), limbs);
    parallel_for(panels.count() * shape.rows, 1, [&](std::size_t begin, std::size_t end) {
        for (std::size_t index = begin; index < end; ++index) {
            const Panel panel = panels[index / shape.rows];
            const std::size_t row = index % shape.rows;
            Fr *to = out + panel.output + row * shape.inner;
            for (int c = 0; c < panel.columns; ++c) to[c * panels.output_stride()] = Fr::zero();
            for (std::size_t first = 0; first < shape.axis; first += batch) {
                std::array<Int128, 5> sums[kPanelColumns] = {};
                for (std::size_t a = first; a < std::min(shape.axis, first + batch); ++a) {
                    const WeightLimbs &weight = limbs_of[row * shape.axis + a];
                    const Integer *values = x + panel.input + a * shape.inner;
                    for (int c = 0; c < panel.columns; ++c) {
                        const Int128 value = values[c * panels.column_stride()];
                        for (std::size_t j = 0; j < 5; ++j) sums[c][j] += value * weight.limb[j];
                    }
                }
                for (int c = 0; c < panel.columns; ++c) to[c * panels.output_stride()] += join_limbs(sums[c]);
            }
        }
    });
}

std::size_t rows_of(const Vector &weights, std::size_t axis) {
    if (axis == 0 || weights.shape(0) % axis != 0) {
        throw std::invalid_argument(std::to_string(weights.shape(0)) + " weights do not fit an axis of " +
                                    std::to_string(axis));
    }
    return weights.shape(0) / axis;
}

NewVector contract(const IntegerArray &x, const Vector &weights) {
    if (x.ndim() != 3) throw std::invalid_argument("the integers are an array [outer, axis, inner]");
    const Shape shape{x.shape(0), x.shape(1), x.shape(2), rows_of(weights, x.shape(1))};
    Buffer<Fr> out = allocate<Fr>(shape.outputs());
    visit(x, [&](const auto *integers) {
        nb::gil_scoped_release release;
        if (shape.outputs() == 0) return;
        if (multiplies_bytes()) {
            contract_bytes(integers, sizeof(*integers), elements(weights), shape, out.get());
        } else {
            contract_limbs(integers, elements(weights), shape, out.get());
        }
    });
    return to_python(std::move(out), shape.outputs());
}

NewVector contract_vector(const Vector &x, const std::array<std::size_t, 3> &lengths, const Vector &weights) {
    const auto [outer, axis, inner] = lengths;
    const Shape shape{outer, axis, inner, rows_of(weights, axis)};
    std::size_t cells;
    if (__builtin_mul_overflow(outer, axis, &cells) || __builtin_mul_overflow(cells, inner, &cells) ||
        x.shape(0) != cells) {
        throw std::invalid_argument(std::to_string(x.shape(0)) + " elements are no array [" + std::to_string(outer) +
                                    ", " + std::to_string(axis) + ", " + std::to_string(inner) + "]");
    }
    Buffer<Fr> out = allocate<Fr>(shape.outputs());
    {
        nb::gil_scoped_release release;
        constexpr std::size_t columns = 512;  // of inner, for a thread to take
        const std::size_t pieces = ceiling(inner, columns);
        parallel_for(outer * shape.rows * pieces, 1, [&](std::size_t begin, std::size_t end) {
            for (std::size_t index = begin; index < end; ++index) {
                const std::size_t i = index % pieces * columns, row = index / pieces % shape.rows;
                const std::size_t o = index / pieces / shape.rows;
                const Fr *from = elements(x) + o * axis * inner + i, *row_weights = elements(weights) + row * axis;
                Fr *to = out.get() + (o * shape.rows + row) * inner + i;
                if (inner == 1) {
                    *to = vector_kernels().dot(from, row_weights, axis);
                } else {
                    const std::size_t count = std::min(columns, inner - i);
                    contraction_kernels().combine(from, inner, row_weights, axis, count, to);
                }
            }
        });
    }
    return to_python(std::move(out), shape.outputs());
}

}  // namespace

void register_contraction(nb::module_ &module) {
    module.def("contract", &contract, "x"_a.noconvert(), "weights"_a.noconvert(),
               "The sum over a of x[o, a, i] * weights[m, a] at [o, m, i], for integers x of any width.");
    module.def("contract_vector", &contract_vector, "x"_a.noconvert(), "shape"_a, "weights"_a.noconvert(),
               "The same for a vector x of the shape [outer, axis, inner].");
}

}  // namespace verinfer
