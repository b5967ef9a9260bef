// UTF-8 as Unicode defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
// Thread safety: pure.
#pragma once

#include <string>
#include <string_view>

namespace strata::model {

bool is_utf8(std::string_view bytes);

// The first `max_characters` of `text` in quotes, as Python's repr shows them: for error messages.
std::string quoted(std::string_view text, size_t max_characters = 40);

}  // namespace strata::model
