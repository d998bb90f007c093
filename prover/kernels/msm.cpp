#include "registration.hpp"

namespace verinfer {

void register_msm(nb::module_ &) {}

}  // namespace verinfer
