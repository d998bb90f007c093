#include "registration.hpp"

namespace verinfer {

void register_product_sumcheck(nb::module_ &) {}

}  // namespace verinfer
