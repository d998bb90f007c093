// The Python module `prover._kernels`: the native work of the sumcheck prover, with the interpreter's lock released.

#include <nanobind/nanobind.h>
#include <nanobind/stl/optional.h>
#include <nanobind/stl/string.h>
#include <nanobind/stl/vector.h>

#include <optional>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

#include "instruction_set.hpp"
#include "parallel.hpp"
#include "registration.hpp"

namespace nb = nanobind;
using namespace nb::literals;
using verinfer::InstructionSet;

namespace {

constexpr std::pair<const char *, InstructionSet> kFastestFirst[] = {
    {"avx512ifma", InstructionSet::avx512ifma},
    {"avx512f", InstructionSet::avx512f},
    {"portable", InstructionSet::portable},
};

std::vector<std::string> instruction_sets() {
    std::vector<std::string> names;
    for (const auto &[name, set] : kFastestFirst) {
        if (verinfer::supports(set)) names.emplace_back(name);
    }
    return names;
}

void set_instruction_set(const std::optional<std::string> &wanted) {
    if (!wanted) return verinfer::set_instruction_set(verinfer::fastest_instruction_set());
    for (const auto &[name, set] : kFastestFirst) {
        if (*wanted == name && verinfer::supports(set)) return verinfer::set_instruction_set(set);
    }
    throw std::invalid_argument("instruction set '" + *wanted + "' is not one of instruction_sets()");
}

void set_threads(int count) {
    if (count < 1) throw std::invalid_argument("threads must be at least 1, not " + std::to_string(count));
    verinfer::set_threads(static_cast<unsigned>(count));
}

}  // namespace

NB_MODULE(_kernels, module) {
    module.doc() = "Native kernels of the sumcheck prover: vectors over BN254's scalar field, sums and commitments.";
    module.def("instruction_sets", &instruction_sets,
               "The instruction sets of this processor that the kernels are compiled for, fastest first.");
    module.def("set_instruction_set", &set_instruction_set, "name"_a.none(),
               "Let all kernels use one of instruction_sets(); None: the fastest.");
    module.def("threads", &verinfer::threads, "How many threads a kernel uses.");
    module.def("set_threads", &set_threads, "count"_a, "Let every kernel use up to `count` threads.");
    verinfer::register_vectors(module);
    verinfer::register_contraction(module);
    verinfer::register_product_sumcheck(module);
    verinfer::register_fraction_tree(module);
    verinfer::register_msm(module);
    verinfer::register_univariate(module);
}
