#include "lanes.hpp"

namespace verinfer::VERINFER_PATH {}  // namespace verinfer::VERINFER_PATH
