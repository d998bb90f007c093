#include "registration.hpp"

namespace verinfer {

void register_contraction(nb::module_ &) {}

}  // namespace verinfer
