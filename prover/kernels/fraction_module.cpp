// The trees of fractions and their layers' sumchecks as Python classes.

#include <nanobind/stl/pair.h>
#include <nanobind/stl/vector.h>

#include <algorithm>
#include <memory>
#include <utility>
#include <vector>

#include "fraction_layer.hpp"
#include "fraction_tree.hpp"
#include "parallel.hpp"
#include "python_types.hpp"
#include "registration.hpp"

namespace verinfer {

namespace {

using namespace nb::literals;

using Rows = nb::ndarray<const std::uint32_t, nb::ndim<1>, nb::c_contig, nb::device::cpu>;

// A tree with the arrays that it reads.
struct TreeOfArrays {
    Rows rows;
    Vector denominators;
    std::vector<std::pair<std::size_t, Vector>> numerators;
    std::unique_ptr<FractionTree> tree;

    TreeOfArrays(Rows rows, Vector denominators, std::vector<std::pair<std::size_t, Vector>> numerators)
        : rows(std::move(rows)), denominators(std::move(denominators)), numerators(std::move(numerators)) {
        std::vector<NumeratorRange> ranges;
        for (const auto &[offset, vector] : this->numerators) {
            if (offset > this->rows.shape(0)) throw std::invalid_argument("numerators beyond the last leaf");
            ranges.push_back({offset, offset + vector.shape(0), elements(vector)});
        }
        nb::gil_scoped_release release;
        tree = std::make_unique<FractionTree>(this->rows.data(), this->rows.shape(0), elements(this->denominators),
                                              this->denominators.shape(0), std::move(ranges));
    }
};

nb::tuple level(TreeOfArrays &self, std::size_t number) {
    Buffer<Fr> n, d;
    std::size_t nodes;
    {
        nb::gil_scoped_release release;
        const FractionLevel level = self.tree->level(number);
        nodes = level.nodes();
        n = allocate<Fr>(nodes);
        d = allocate<Fr>(nodes);
        constexpr std::size_t block = 256;
        parallel_for(nodes, 4 * block, [&](std::size_t first, std::size_t last) {
            FractionScratch scratch;
            for (std::size_t begin = first; begin < last; begin += block) {
                const std::size_t end = std::min(last, begin + block);
                const FractionNodes here = level.read(begin, end, scratch);
                std::copy(here.d, here.d + (end - begin), d.get() + begin);
                if (here.n != nullptr) {
                    std::copy(here.n, here.n + (end - begin), n.get() + begin);
                } else {
                    std::fill(n.get() + begin, n.get() + end, Fr::one());
                }
            }
        });
    }
    return nb::make_tuple(to_python(std::move(n), nodes), to_python(std::move(d), nodes));
}

FractionLayer layer(TreeOfArrays &self, std::size_t level, const std::vector<nb::bytes> &point,
                    const nb::bytes &lambda) {
    std::vector<Fr> z = scalars(point);
    const Fr weight = scalar(lambda);
    nb::gil_scoped_release release;
    return FractionLayer(*self.tree, level, std::move(z), weight);
}

nb::tuple to_python(const FractionLayer::Round &round) {
    return nb::make_tuple(to_python(round[0]), to_python(round[1]));
}

nb::tuple round(FractionLayer &self) {
    FractionLayer::Round sums;
    {
        nb::gil_scoped_release release;
        sums = self.round();
    }
    return to_python(sums);
}

void bind(FractionLayer &self, const nb::bytes &r) {
    const Fr challenge = scalar(r);
    nb::gil_scoped_release release;
    self.bind(challenge);
}

nb::tuple bind_round(FractionLayer &self, const nb::bytes &r) {
    bind(self, r);
    return round(self);
}

nb::tuple finish(FractionLayer &self) {
    std::array<Fr, 4> values;
    {
        nb::gil_scoped_release release;
        values = self.finish();
    }
    return nb::make_tuple(to_python(values[0]), to_python(values[1]), to_python(values[2]), to_python(values[3]));
}

}  // namespace

void register_fraction_tree(nb::module_ &module) {
    nb::class_<FractionLayer>(module, "FractionLayer",
                              "The sumcheck that reduces a claim on a level of a FractionTree to the level below.")
        .def("round", &round,
             "t(0) and the coefficient of X^2 of t(X) = sum over x of eq(z_rest, x) * G(x, X), X being the least "
             "significant variable not yet bound, z_rest the point without its coordinate and those bound before.")
        .def("bind", &bind, "r"_a, "Bind that variable to r. The work is done by the next call.")
        .def("bind_round", &bind_round, "r"_a, "bind, then round.")
        .def("finish", &finish, "N0, N1, D0, D1 at the point that all variables are bound to.");
    nb::class_<TreeOfArrays>(module, "FractionTree", "A tree of fractions over leaves n / denominators[rows[i]].")
        .def(nb::init<Rows, Vector, std::vector<std::pair<std::size_t, Vector>>>(), "rows"_a.noconvert(),
             "denominators"_a.noconvert(), "numerators"_a.noconvert(),
             "The numerator of leaf i is 1, or for each (offset, vector) of `numerators` vector[i - offset]. The tree "
             "keeps these arrays; they must not change while it is in use.")
        .def("level", &level, "level"_a, "The numerators and the denominators of the ceil(leaves / 2^level) nodes.")
        .def("layer", &layer, "level"_a, "z"_a, "lam"_a, nb::keep_alive<0, 1>(),
             "Begin the sumcheck of sum over x of eq(z, x) * G(x), G = N0 * D1 + N1 * D0 + lam * D0 * D1, Nc(x) = "
             "N(2x + c) and Dc alike at `level`; z[0] belongs to the most significant bit of x. Layers are meant to "
             "be taken from the root down: the levels above this one are dropped, and made again on demand.");
}

}  // namespace verinfer
