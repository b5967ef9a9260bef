// UTF-8 as Unicode defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
// Thread safety: pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace strata::model {

bool is_utf8(std::string_view bytes);

void append_utf8(uint32_t scalar, std::string* out);
// The scalar at *at, which moves behind it; U+FFFD for a byte that begins none. REQUIRES: *at < text.size().
uint32_t next_scalar(std::string_view text, size_t* at);
// How many scalars. REQUIRES: valid.
size_t count_scalars(std::string_view text);

// The first `max_characters` of `text` in quotes, as Python's repr shows them: for error messages.
std::string quoted(std::string_view text, size_t max_characters = 40);

}  // namespace strata::model
