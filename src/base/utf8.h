// UTF-8 as Unicode defines it: no overlong forms, no surrogates, nothing above U+10FFFF.
// Thread safety: pure.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
#include <string_view>

namespace strata::base {

constexpr uint32_t kInvalidScalar = UINT32_MAX;

bool is_utf8(std::string_view bytes);

void append_utf8(uint32_t scalar, std::string* out);
// The scalar at `at`, and where it ends; kInvalidScalar, one byte long, for a byte that begins none.
// REQUIRES: at < text.size().
uint32_t decode_utf8(std::string_view text, size_t at, size_t* end);
// How many scalars. REQUIRES: valid.
size_t count_scalars(std::string_view text);

}  // namespace strata::base
