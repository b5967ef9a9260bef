// The cursor of a page: opaque text that names the last key given, so that it survives writes between pages.
// Thread safety: pure functions.
#pragma once

#include <string>
#include <string_view>

#include "strata/status.h"

namespace strata::primitives {

std::string encode_cursor(std::string_view last_key);
// kInvalidCursor.
Result<std::string> decode_cursor(std::string_view cursor);

}  // namespace strata::primitives
