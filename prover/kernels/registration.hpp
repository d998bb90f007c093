// Every file of kernels adds its functions and classes to the Python module `prover._kernels`.

#pragma once

#include <nanobind/nanobind.h>

namespace verinfer {

namespace nb = nanobind;

void register_vectors(nb::module_ &module);
void register_contraction(nb::module_ &module);
void register_product_sumcheck(nb::module_ &module);
void register_fraction_tree(nb::module_ &module);
void register_msm(nb::module_ &module);
void register_univariate(nb::module_ &module);

}  // namespace verinfer
