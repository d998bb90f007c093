#include "registration.hpp"

namespace verinfer {

void register_fraction_tree(nb::module_ &) {}

}  // namespace verinfer
