#include "registration.hpp"

namespace verinfer {

void register_vectors(nb::module_ &) {}

}  // namespace verinfer
