// Text as the values and paths of users have it, and as error messages show it.
// Thread safety: pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

#include "base/utf8.h"

namespace strata::model {

using base::append_utf8;
using base::count_scalars;
using base::is_utf8;

// The scalar at *at, which moves behind it; U+FFFD for a byte that begins none. REQUIRES: *at < text.size().
uint32_t next_scalar(std::string_view text, size_t* at);

// The first `max_characters` of `text` in quotes, as Python's repr shows them: for error messages.
std::string quoted(std::string_view text, size_t max_characters = 40);

}  // namespace strata::model
