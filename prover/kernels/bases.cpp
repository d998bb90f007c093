// Commitments: points of a structured reference string, kept for the multi-scalar multiplications over them.

#include <nanobind/nanobind.h>
#include <nanobind/stl/vector.h>

#include <atomic>
#include <memory>
#include <span>
#include <stdexcept>
#include <string>
#include <vector>

#include "msm.hpp"
#include "parallel.hpp"
#include "python_types.hpp"
#include "registration.hpp"

namespace verinfer {

namespace {

using namespace nb::literals;

constexpr std::size_t kPointBytes = 64;
constexpr std::size_t kGrain = 1 << 12;

template <class Integer>
using Integers = nb::ndarray<const Integer, nb::ndim<2>, nb::c_contig, nb::device::cpu>;

// x * 2^256 in little-endian words, as x.
Fq from_raw(const std::uint8_t *bytes, bool &valid) {
    Fq x;
    std::memcpy(&x.value, bytes, sizeof x);
    valid = valid && Fq::is_canonical(x.value);
    for (int bit = 256; bit < Fq::kMontgomeryBits; ++bit) x = x.doubled();
    return x;
}

void to_evm(const Fq &x, char *bytes) {
    const Uint256 integer = x.canonical();
    char little_endian[32];
    std::memcpy(little_endian, &integer, 32);
    for (int i = 0; i < 32; ++i) bytes[i] = little_endian[31 - i];
}

nb::bytes to_evm(const std::vector<AffinePoint> &points) {
    std::string bytes(points.size() * kPointBytes, '\0');
    for (std::size_t i = 0; i < points.size(); ++i) {
        to_evm(points[i].x, &bytes[i * kPointBytes]);
        to_evm(points[i].y, &bytes[i * kPointBytes + 32]);
    }
    return nb::bytes(bytes.data(), bytes.size());
}

class Bases {
   public:
    explicit Bases(const nb::bytes &raw) : size_(raw.size() / kPointBytes) {
        if (raw.size() % kPointBytes != 0) {
            throw std::invalid_argument("points have 64 bytes each, which " + std::to_string(raw.size()) +
                                        " bytes are not a multiple of");
        }
        const std::uint8_t *bytes = reinterpret_cast<const std::uint8_t *>(raw.c_str());
        std::atomic<std::size_t> invalid = size_;
        {
            nb::gil_scoped_release release;
            points_ = allocate<AffinePoint>(size_);
            parallel_for(size_, kGrain, [&](std::size_t begin, std::size_t end) {
                for (std::size_t i = begin; i < end; ++i) {
                    bool valid = true;
                    const Fq x = from_raw(bytes + i * kPointBytes, valid);
                    points_[i] = {x, from_raw(bytes + i * kPointBytes + 32, valid)};
                    if (valid && points_[i].is_on_curve()) continue;
                    std::size_t first = invalid;
                    while (i < first && !invalid.compare_exchange_weak(first, i)) {
                    }
                }
            });
        }
        if (invalid < size_) throw std::invalid_argument("point " + std::to_string(invalid) + " is not on the curve");
    }

    std::size_t size() const { return size_; }

    nb::bytes commit(const Vector &scalars) const { return commit_all({scalars}); }

    nb::bytes commit_all(const std::vector<Vector> &vectors) const {
        for (const Vector &vector : vectors) check_length(vector.shape(0));
        std::vector<AffinePoint> sums(vectors.size());
        {
            nb::gil_scoped_release release;
            std::vector<std::unique_ptr<FieldScalars>> scalars;
            for (const Vector &vector : vectors) {
                scalars.push_back(std::make_unique<FieldScalars>(elements(vector), vector.shape(0)));
            }
            multiply(scalars, sums);
        }
        return to_evm(sums);
    }

    template <class Integer>
    nb::bytes commit_ints(const Integers<Integer> &chunks) const {
        const std::size_t count = chunks.shape(0), length = chunks.shape(1);
        check_length(length);
        std::vector<AffinePoint> sums(count);
        {
            nb::gil_scoped_release release;
            std::vector<std::unique_ptr<IntegerScalars<Integer>>> scalars(count);
            parallel_for(count, 1, [&](std::size_t begin, std::size_t end) {
                for (std::size_t i = begin; i < end; ++i) {
                    scalars[i] = std::make_unique<IntegerScalars<Integer>>(chunks.data() + i * length, length);
                }
            });
            multiply(scalars, sums);
        }
        return to_evm(sums);
    }

   private:
    void check_length(std::size_t length) const {
        if (length > size_) {
            throw std::invalid_argument("there are " + std::to_string(length) + " scalars, and bases for only " +
                                        std::to_string(size_));
        }
    }

    template <class ScalarsOfSums>
    void multiply(const ScalarsOfSums &scalars, std::vector<AffinePoint> &sums) const {
        std::vector<const Scalars *> pointers;
        for (const auto &each : scalars) pointers.push_back(each.get());
        multi_scalar_multiply(points_.get(), pointers, sums.data());
    }

    std::size_t size_;
    Buffer<AffinePoint> points_;
};

}  // namespace

void register_msm(nb::module_ &module) {
    nb::class_<Bases>(module, "Bases", "Points of G1 to commit with, as many as the longest vector has scalars.")
        .def(nb::init<const nb::bytes &>(), "raw"_a,
             "From points of 64 bytes: x * 2^256 mod q and y * 2^256 mod q, little-endian, as halo2's and snarkjs' "
             "files have them.\n\nRaises ValueError for a point at infinity or off the curve, or that is not canonical.")
        .def("__len__", &Bases::size)
        .def("commit", &Bases::commit, "scalars"_a.noconvert(),
             "sum_i scalars[i] * point[i], over a prefix of the points if the vector is shorter: 64 bytes, x and y "
             "big-endian and canonical as in the EVM; zeros for the point at infinity.")
        .def("commit_all", &Bases::commit_all, "vectors"_a.noconvert(),
             "The commitments to all vectors, back to back, in less time than one after the other.")
        .def("commit_ints", &Bases::commit_ints<std::int8_t>, "chunks"_a.noconvert(),
             "The commitments to all rows of an array of signed integers [chunks, n], back to back.")
        .def("commit_ints", &Bases::commit_ints<std::int16_t>, "chunks"_a.noconvert())
        .def("commit_ints", &Bases::commit_ints<std::int32_t>, "chunks"_a.noconvert())
        .def("commit_ints", &Bases::commit_ints<std::int64_t>, "chunks"_a.noconvert());
}

}  // namespace verinfer
