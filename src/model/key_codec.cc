#include "model/key_codec.h"

#include "base/check.h"
#include "model/utf8.h"

namespace strata {

Status check_key(std::string_view key, std::string_view what) {
  STRATA_TRY(model::check_text(key, what));
  if (key.empty() || key.size() > model::kMaxUserKeyBytes) {
    return Status::error(Code::kInvalidKey,
                         std::string(what) + " " + model::quoted(key) + " has " + std::to_string(key.size()) +
                             " bytes; 1 to 1,024 are allowed",
                         key.empty() ? "name it" : "put what is long into the value, and a short name or a hash here");
  }
  if (key.find('\0') != std::string_view::npos) {
    return Status::error(Code::kInvalidKey, std::string(what) + " " + model::quoted(key) + " holds a NUL character",
                         "every other character is allowed");
  }
  return Status::ok();
}

}  // namespace strata

namespace strata::model {
namespace {

bool is_small(char c) { return c >= 'a' && c <= 'z'; }
bool is_digit(char c) { return c >= '0' && c <= '9'; }
bool is_branch_start(char c) { return is_small(c) || is_digit(c) || (c >= 'A' && c <= 'Z'); }
bool is_branch_rest(char c) { return is_branch_start(c) || c == '.' || c == '_' || c == '/' || c == '-'; }
bool is_space_rest(char c) { return is_small(c) || is_digit(c) || c == '_' || c == '-'; }

template <typename Start, typename Rest>
bool has_form(std::string_view name, size_t max_bytes, Start start, Rest rest) {
  if (name.empty() || name.size() > max_bytes || !start(name[0])) return false;
  for (const char c : name.substr(1)) {
    if (!rest(c)) return false;
  }
  return true;
}

}  // namespace

void TreeKey::append(std::string_view part) {
  // Parts are checked where they enter the engine; here a longer one would write past the end.
  STRATA_CHECK(part.size() + kTail <= sizeof(bytes_) - size_);
  if (!part.empty()) std::memcpy(bytes_ + size_, part.data(), part.size());
  size_ += part.size();
}

std::optional<SplitKey> split_key(std::string_view tree_key) {
  const size_t nul = tree_key.find('\0');
  if (nul == std::string_view::npos || nul + 1 >= tree_key.size()) return std::nullopt;
  const auto tag = static_cast<uint8_t>(tree_key[nul + 1]);
  if (tag < static_cast<uint8_t>(Tag::kSpace) || tag > static_cast<uint8_t>(Tag::kVector)) return std::nullopt;
  return SplitKey{tree_key.substr(0, nul), static_cast<Tag>(tag), tree_key.substr(nul + 2)};
}

KeySpan space_span(std::string_view space) {
  KeySpan span{std::string(space), std::string(space)};
  span.begin += '\0';
  span.end += '\x01';
  return span;
}

KeySpan prefix_span(std::string_view space, Tag tag, std::string_view prefix) {
  KeySpan span;
  span.begin.reserve(space.size() + 2 + prefix.size());
  span.begin.append(space);
  span.begin += '\0';
  span.begin += static_cast<char>(tag);
  span.begin.append(prefix);
  span.end = prefix_successor(span.begin);
  STRATA_ASSERT(!span.end.empty());
  return span;
}

std::string prefix_successor(std::string_view prefix) {
  std::string next(prefix);
  while (!next.empty() && next.back() == '\xFF') next.pop_back();
  if (!next.empty()) next.back() = static_cast<char>(static_cast<uint8_t>(next.back()) + 1);
  return next;
}

Status check_text(std::string_view text, std::string_view what) {
  if (is_utf8(text)) return Status::ok();
  return Status::error(Code::kInvalidUnicode, std::string(what) + " is not UTF-8: " + quoted(text),
                       "encode it as bytes");
}

Status check_branch_name(std::string_view name) {
  if (has_form(name, kMaxBranchNameBytes, is_branch_start, is_branch_rest)) return Status::ok();
  return Status::error(Code::kInvalidBranchName, "branch name " + quoted(name, 140) + " is not allowed",
                       "a letter or digit, then up to 127 of A-Z a-z 0-9 . _ / -");
}

Status check_space_name(std::string_view name) {
  if (has_form(name, kMaxSpaceNameBytes, is_small, is_space_rest)) return Status::ok();
  return Status::error(Code::kInvalidSpaceName, "space name " + quoted(name, 80) + " is not allowed",
                       "a small letter, then up to 63 of a-z 0-9 _ -");
}

}  // namespace strata::model
