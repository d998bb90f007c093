// The Python module `circuits._kernels`: NumPy arrays in and out, the interpreter's lock released in between.

#include <nanobind/nanobind.h>
#include <nanobind/ndarray.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <memory>
#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "merkle_hash.hpp"
#include "row_hash.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using verinfer::InstructionSet;

namespace {

template <std::size_t Bytes>
using Messages = nb::ndarray<const std::uint8_t, nb::shape<-1, Bytes>, nb::c_contig, nb::device::cpu>;
using Rows = nb::ndarray<const std::uint8_t, nb::shape<-1, -1>, nb::c_contig, nb::device::cpu>;
using Hashes = nb::ndarray<nb::numpy, std::uint8_t, nb::shape<-1, verinfer::kHashBytes>>;
using HashAll = void (*)(const std::uint8_t *, std::size_t, std::uint8_t *, InstructionSet, unsigned);

constexpr std::pair<const char *, InstructionSet> kFastestFirst[] = {
    {"avx512f", InstructionSet::avx512f},
    {"avx2", InstructionSet::avx2},
    {"portable", InstructionSet::portable},
};

std::vector<std::string> instruction_sets() {
    std::vector<std::string> names;
    for (const auto &[name, set] : kFastestFirst) {
        if (verinfer::supports(set)) names.emplace_back(name);
    }
    return names;
}

InstructionSet choose(const std::optional<std::string> &wanted) {
    for (const auto &[name, set] : kFastestFirst) {
        if (verinfer::supports(set) && (!wanted || *wanted == name)) return set;
    }
    throw std::invalid_argument("instruction set '" + *wanted + "' is not one of instruction_sets()");
}

// `count` hashes as an array, which `write` fills without the interpreter's lock.
template <class Write>
Hashes hashes_of(std::size_t count, const Write &write) {
    auto hashes = std::make_unique<std::uint8_t[]>(count * verinfer::kHashBytes);
    {
        nb::gil_scoped_release release;
        write(hashes.get());
    }
    std::uint8_t *data = hashes.release();
    nb::capsule owner(data, [](void *p) noexcept { delete[] static_cast<std::uint8_t *>(p); });
    return Hashes(data, {count, verinfer::kHashBytes}, owner);
}

template <std::size_t Bytes, HashAll hash_all>
Hashes hash(const Messages<Bytes> &messages, unsigned threads,
            const std::optional<std::string> &instruction_set) {
    const InstructionSet set = choose(instruction_set);
    const std::size_t count = messages.shape(0);
    return hashes_of(count, [&](std::uint8_t *hashes) {
        hash_all(messages.data(), count, hashes, set, threads);
    });
}

Hashes hash_rows(const Rows &rows) {
    return hashes_of(rows.shape(0), [&](std::uint8_t *hashes) {
        verinfer::hash_rows(rows.data(), rows.shape(0), rows.shape(1), hashes);
    });
}

}  // namespace

NB_MODULE(_kernels, module) {
    module.doc() = "Native kernels of the circuits room: batched Keccak-256.";
    module.def("instruction_sets", &instruction_sets,
               "The instruction sets of this processor that the kernels are compiled for, fastest first.");
    module.def("hash_leaves", &hash<verinfer::kLeafBytes, verinfer::hash_leaves>, "leaves"_a, nb::kw_only(),
               "threads"_a = 1, "instruction_set"_a = nb::none(),
               "keccak256(0x00 || row) of every row of a contiguous uint8 [n, 128], as uint8 [n, 32].");
    module.def("hash_pairs", &hash<verinfer::kPairBytes, verinfer::hash_pairs>, "pairs"_a, nb::kw_only(),
               "threads"_a = 1, "instruction_set"_a = nb::none(),
               "keccak256(0x01 || row) of every row of a contiguous uint8 [n, 64], as uint8 [n, 32].");
    module.def("hash_rows", &hash_rows, "rows"_a,
               "keccak256(row) of every row of a contiguous uint8 [n, bytes], as uint8 [n, 32].");
}
