#include "registration.hpp"

namespace verinfer {

void register_univariate(nb::module_ &) {}

}  // namespace verinfer
