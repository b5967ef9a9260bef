// What an embedder is given of a document, and the name that such a text goes by.
//
// The text is every string of the document's value, a line each, behind "name: " where it is a member's, cut after
// kMostEmbeddedBytes. Equal texts have one vector, whatever documents say them.
// Thread safety: pure functions. Ownership: values.
#pragma once

#include <array>
#include <compare>
#include <cstring>
#include <string>
#include <string_view>

#include "derived/text_documents.h"
#include "strata/status.h"

namespace strata::derived {

// More than any model of today looks at.
constexpr size_t kMostEmbeddedBytes = size_t{32} << 10;

// Empty: there is nothing in it but spaces. Errors: kCorruption.
Result<std::string> embedded_text(DocumentKind kind, std::string_view row_value);

// Shortened to kMostEmbeddedBytes, not inside a character of UTF-8.
std::string shortened(std::string text);
bool is_blank(std::string_view text);

// The first half of its SHA-256, so that nobody makes a text to go by the name of another.
struct TextName {
  std::array<char, 16> bytes{};
  auto operator<=>(const TextName&) const = default;

  struct Hash {
    size_t operator()(const TextName& name) const {
      size_t number = 0;
      std::memcpy(&number, name.bytes.data(), sizeof(number));
      return number;
    }
  };
};
TextName name_text(std::string_view text);

}  // namespace strata::derived
