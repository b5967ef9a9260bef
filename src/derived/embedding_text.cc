#include "derived/embedding_text.h"

#include <algorithm>
#include <utility>

#include "base/sha256.h"

namespace strata::derived {

bool is_blank(std::string_view text) { return text.find_first_not_of(" \t\r\n\v\f") == std::string_view::npos; }

std::string shortened(std::string text) {
  size_t size = kMostEmbeddedBytes;
  if (text.size() <= size) return text;
  while (size > 0 && (static_cast<unsigned char>(text[size]) & 0xC0) == 0x80) --size;
  text.resize(size);
  return text;
}

Result<std::string> embedded_text(DocumentKind kind, std::string_view row_value) {
  STRATA_ASSIGN(const ValueView value, searched_value(kind, row_value));
  std::string text;
  std::string_view name;
  bool any = false;
  const auto add = [&](index::WordTable table, std::string_view piece) {
    if (table == index::WordTable::kNames) {
      name = piece;
      return true;
    }
    if (is_blank(piece)) return true;
    any = true;
    if (!text.empty()) text += '\n';
    if (!name.empty()) text.append(name).append(": ");
    text.append(piece.substr(0, kMostEmbeddedBytes + 4));  // a character more, to be cut where one begins
    return text.size() < kMostEmbeddedBytes;
  };
  STRATA_TRY(visit_strings(value, add));
  if (!any) return std::string();
  return shortened(std::move(text));
}

TextName name_text(std::string_view text) {
  base::Sha256 sum;
  sum.add(text);
  const base::Sha256::Digest digest = sum.finish();
  TextName name;
  std::copy_n(digest.begin(), name.bytes.size(), name.bytes.begin());
  return name;
}

}  // namespace strata::derived
