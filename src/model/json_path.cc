#include "model/json_path.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "base/check.h"
#include "model/utf8.h"

namespace strata::model {
namespace {

bool is_digit(char c) { return c >= '0' && c <= '9'; }
// Of the shorthand `.name`; whatever is not ASCII may be part of one, too.
bool starts_name(char c) {
  return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || static_cast<uint8_t>(c) >= 0x80;
}
bool continues_name(char c) { return starts_name(c) || is_digit(c); }
bool is_blank(char c) { return c == ' ' || c == '\t' || c == '\n' || c == '\r'; }

int hex_digit(char c) {
  if (is_digit(c)) return c - '0';
  if (c >= 'a' && c <= 'f') return c - 'a' + 10;
  if (c >= 'A' && c <= 'F') return c - 'A' + 10;
  return -1;
}

void append_utf8(uint32_t scalar, std::string* out) {
  const auto tail = [&](unsigned shift) { out->push_back(static_cast<char>(0x80 | (scalar >> shift & 0x3F))); };
  if (scalar < 0x80) {
    out->push_back(static_cast<char>(scalar));
  } else if (scalar < 0x800) {
    out->push_back(static_cast<char>(0xC0 | scalar >> 6));
    tail(0);
  } else if (scalar < 0x10000) {
    out->push_back(static_cast<char>(0xE0 | scalar >> 12));
    tail(6);
    tail(0);
  } else {
    out->push_back(static_cast<char>(0xF0 | scalar >> 18));
    tail(12);
    tail(6);
    tail(0);
  }
}

}  // namespace

// Reads one path front to back. Each member answers false once error_ is set.
class JsonPathParser {
 public:
  JsonPathParser(std::string_view text, JsonPath* path) : text_(text), path_(*path) {}

  Status run() {
    if (text_.size() > kMaxJsonPathBytes) {
      return Status::error(Code::kInvalidPath, "JSONPath " + quoted(text_) + " is longer than 64 KiB",
                           "reach the place in steps: read a part, change it, set it");
    }
    if (!take('$')) {
      (void)fail("it must begin with $");
    } else {
      while (error_ == nullptr && !filter_ && at_ < text_.size()) (void)segment();
    }
    if (error_ == nullptr) return Status::ok();
    return Status::error(Code::kInvalidPath,
                         "JSONPath " + quoted(text_, 80) + ": " + error_ + ", at offset " + std::to_string(at_),
                         "RFC 9535: $.name, $['name'], $[0], $[-1], $.a.b[2]");
  }

 private:
  bool fail(const char* why) {
    error_ = why;
    return false;
  }
  bool at_end() const { return at_ == text_.size(); }
  char next() const { return at_end() ? '\0' : text_[at_]; }
  bool take(char c) {
    if (at_end() || text_[at_] != c) return false;
    ++at_;
    return true;
  }
  void skip_blanks() {
    while (!at_end() && is_blank(text_[at_])) ++at_;
  }

  bool segment() {
    skip_blanks();
    if (take('[')) return brackets();
    if (!take('.')) return fail(at_end() ? "blanks at the end" : "a segment begins with . or [");
    if (take('.')) {
      path_.singular_ = false;
      if (take('[')) return brackets();
    }
    if (take('*')) {
      path_.singular_ = false;
      return true;
    }
    return shorthand();
  }

  bool shorthand() {
    const size_t start = at_;
    if (at_end() || !starts_name(text_[at_])) return fail("a name is missing");
    while (!at_end() && continues_name(text_[at_])) ++at_;
    path_.add({JsonStep::Kind::kName, text_.substr(start, at_ - start), 0});
    return true;
  }

  bool brackets() {
    for (bool first = true;; first = false) {
      skip_blanks();
      if (!selector()) return false;
      if (filter_) return true;
      skip_blanks();
      if (!first) path_.singular_ = false;
      if (take(']')) return true;
      if (!take(',')) return fail(at_end() ? "] is missing" : "a selector is followed by , or ]");
    }
  }

  bool selector() {
    const char c = next();
    if (c == '\'' || c == '"') return quoted_name();
    if (c == '*') {
      ++at_;
      path_.singular_ = false;
      return true;
    }
    if (c == '?') {  // what a filter says belongs to whoever evaluates it
      path_.singular_ = false;
      filter_ = true;
      return true;
    }
    if (c == ':' || c == '-' || is_digit(c)) return index_or_slice();
    return fail("a selector is a name in quotes, an index, a slice, * or a filter");
  }

  bool index_or_slice() {
    int64_t number = 0;
    if (next() != ':') {
      if (!integer(&number)) return false;
      const size_t end = at_;
      skip_blanks();
      if (next() != ':') {
        at_ = end;
        path_.add({JsonStep::Kind::kIndex, {}, number});
        return true;
      }
    }
    path_.singular_ = false;
    for (int part = 0; part < 2 && take(':'); ++part) {
      skip_blanks();
      if ((next() == '-' || is_digit(next())) && !integer(&number)) return false;
      if (part == 0) skip_blanks();
    }
    return true;
  }

  bool integer(int64_t* number) {
    const size_t start = at_;
    const bool negative = take('-');
    const size_t digits = at_;
    while (!at_end() && is_digit(text_[at_])) ++at_;
    const std::string_view written = text_.substr(digits, at_ - digits);
    const bool zero_first = written.size() > 1 || negative ? written.substr(0, 1) == "0" : false;
    if (written.empty() || zero_first) {
      at_ = start;
      return fail(written.empty() ? "an integer is missing" : "an integer has a zero in front");
    }
    const auto parsed = std::from_chars(text_.data() + start, text_.data() + at_, *number);
    if (parsed.ec != std::errc() || *number > kMaxJsonPathInteger || *number < -kMaxJsonPathInteger) {
      at_ = start;
      return fail("an integer lies outside of 2^53 - 1");
    }
    return true;
  }

  bool quoted_name() {
    const char quote = text_[at_++];
    const size_t start = at_;
    while (!at_end() && text_[at_] != quote && text_[at_] != '\\') {
      if (static_cast<uint8_t>(text_[at_]) < 0x20) return fail("a control character must be escaped");
      ++at_;
    }
    std::string_view name = text_.substr(start, at_ - start);
    if (next() == '\\') {
      std::string& owned = path_.unescaped(text_.size());
      const size_t from = owned.size();
      owned.append(name);
      while (!at_end() && text_[at_] != quote) {
        if (static_cast<uint8_t>(text_[at_]) < 0x20) return fail("a control character must be escaped");
        if (text_[at_] != '\\') {
          owned.push_back(text_[at_++]);
        } else if (!escape(quote, &owned)) {
          return false;
        }
      }
      name = std::string_view(owned).substr(from);
    }
    if (!take(quote)) return fail("a closing quote is missing");
    path_.add({JsonStep::Kind::kName, name, 0});
    return true;
  }

  bool escape(char quote, std::string* out) {
    constexpr std::string_view kLetters = "bfnrt/\\";
    constexpr std::string_view kMeanings = "\b\f\n\r\t/\\";
    const size_t start = at_++;
    const char c = next();
    if (at_end()) return fail("a closing quote is missing");
    if (c == 'u') {
      const std::optional<uint32_t> scalar = unicode_escape();
      if (scalar) append_utf8(*scalar, out);
      if (!scalar) at_ = start;
      return scalar ? true : fail("\\u needs four hexadecimal digits, and surrogates a pair of them");
    }
    const size_t letter = kLetters.find(c);
    if (letter == std::string_view::npos && c != quote) {
      at_ = start;
      return fail("there is no such escape");
    }
    out->push_back(letter == std::string_view::npos ? quote : kMeanings[letter]);
    ++at_;
    return true;
  }

  // REQUIRES: at the u.
  std::optional<uint32_t> unicode_escape() {
    const std::optional<uint32_t> first = four_digits();
    if (!first || *first < 0xD800 || *first > 0xDFFF) return first;
    if (*first > 0xDBFF || !take('\\') || next() != 'u') return std::nullopt;
    const std::optional<uint32_t> second = four_digits();
    if (!second || *second < 0xDC00 || *second > 0xDFFF) return std::nullopt;
    return 0x10000 + ((*first - 0xD800) << 10) + (*second - 0xDC00);
  }

  std::optional<uint32_t> four_digits() {
    ++at_;
    uint32_t value = 0;
    for (int i = 0; i < 4; ++i, ++at_) {
      const int digit = at_end() ? -1 : hex_digit(text_[at_]);
      if (digit < 0) return std::nullopt;
      value = value << 4 | static_cast<uint32_t>(digit);
    }
    return value;
  }

  const std::string_view text_;
  JsonPath& path_;
  size_t at_ = 0;
  const char* error_ = nullptr;
  bool filter_ = false;  // met one: the rest is left unread
};

void JsonPath::add(const JsonStep& step) {
  if (!singular_) return;
  if (count_ < kFew) {
    few_[count_] = step;
  } else {
    if (count_ == kFew) more_.assign(few_.begin(), few_.end());
    more_.push_back(step);
  }
  ++count_;
}

std::string& JsonPath::unescaped(size_t most) {
  if (unescaped_.capacity() < most) {
    STRATA_ASSERT(unescaped_.empty());
    unescaped_.reserve(most);
  }
  return unescaped_;
}

Status JsonPath::parse(std::string_view text) {
  STRATA_ASSERT(count_ == 0 && singular_);
  return JsonPathParser(text, this).run();
}

Status JsonPath::parse_pointer(std::string_view text) {
  STRATA_ASSERT(count_ == 0 && singular_);
  const auto refuse = [&](const char* why) {
    return Status::error(Code::kInvalidPatch, "JSON pointer " + quoted(text, 80) + ": " + why,
                         "RFC 6901: /name/0, with ~1 for / and ~0 for ~");
  };
  if (text.empty()) return Status::ok();
  if (text.front() != '/') return refuse("it must be empty or begin with /");
  for (size_t start = 1; start <= text.size();) {
    const size_t end = std::min(text.find('/', start), text.size());
    std::string_view token = text.substr(start, end - start);
    if (token.find('~') != std::string_view::npos) {
      std::string& owned = unescaped(text.size());
      const size_t from = owned.size();
      for (size_t i = 0; i < token.size(); ++i) {
        if (token[i] != '~') {
          owned.push_back(token[i]);
          continue;
        }
        if (++i == token.size() || (token[i] != '0' && token[i] != '1')) return refuse("~ is written ~0");
        owned.push_back(token[i] == '0' ? '~' : '/');
      }
      token = std::string_view(owned).substr(from);
    }
    add({JsonStep::Kind::kToken, token, 0});
    start = end + 1;
  }
  return Status::ok();
}

std::string show_path(std::span<const JsonStep> steps) {
  constexpr size_t kMostBytes = 200;
  if (!steps.empty() && steps[0].kind == JsonStep::Kind::kToken) {
    std::string pointer;
    for (const JsonStep& step : steps.first(std::min(steps.size(), kMostBytes))) pointer.append("/").append(step.text);
    return quoted(pointer, kMostBytes);
  }
  std::string out = "$";
  for (const JsonStep& step : steps) {
    if (out.size() > kMostBytes) return out + "...";
    if (step.kind == JsonStep::Kind::kIndex) {
      out += '[' + std::to_string(step.index) + ']';
      continue;
    }
    bool plain = !step.text.empty() && !is_digit(step.text[0]);
    for (const char c : step.text) plain = plain && continues_name(c) && static_cast<uint8_t>(c) < 0x80;
    if (plain) {
      out.append(".").append(step.text);
    } else {
      out.append("[").append(quoted(step.text)).append("]");
    }
  }
  return out;
}

}  // namespace strata::model
