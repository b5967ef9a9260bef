#include "model/json_path.h"

#include <algorithm>

#include "base/check.h"
#include "model/json_path_lexer.h"
#include "model/json_query.h"
#include "model/utf8.h"

namespace strata::model {

// Reads a path front to back as long as it is singular.
class JsonPath::Parser {
 public:
  Parser(std::string_view text, JsonPath* path) : lexer_(text, &path->unescaped_), path_(*path) {}

  // False: it may select many nodes, or failed.
  bool run() {
    if (!lexer_.take('$')) return lexer_.fail("it must begin with $");
    while (!lexer_.at_end()) {
      if (!segment()) return false;
    }
    return true;
  }
  const JsonPathLexer& lexer() const { return lexer_; }

 private:
  bool segment() {
    lexer_.skip_blanks();
    if (lexer_.take('[')) return brackets();
    if (!lexer_.take('.')) return lexer_.fail(lexer_.at_end() ? "blanks at the end" : "a segment begins with . or [");
    JsonStep step;
    if (lexer_.next() == '.' || lexer_.next() == '*' || !lexer_.shorthand(&step.text)) return false;
    path_.add(step);
    return true;
  }

  bool brackets() {
    lexer_.skip_blanks();
    JsonStep step;
    const char c = lexer_.next();
    if (c == '\'' || c == '"') {
      if (!lexer_.quoted(&step.text)) return false;
    } else if (c == '-' || is_digit(c)) {
      step.kind = JsonStep::Kind::kIndex;
      if (!lexer_.integer(&step.index)) return false;
    } else {
      return false;
    }
    path_.add(step);
    lexer_.skip_blanks();
    return lexer_.take(']');
  }

  JsonPathLexer lexer_;
  JsonPath& path_;
};

JsonPath::JsonPath() = default;
JsonPath::~JsonPath() = default;

void JsonPath::add(const JsonStep& step) {
  if (count_ < kFew) {
    few_[count_] = step;
  } else {
    if (count_ == kFew) more_.assign(few_.begin(), few_.end());
    more_.push_back(step);
  }
  ++count_;
}

Status JsonPath::parse(std::string_view text) {
  STRATA_ASSERT(count_ == 0 && singular());
  if (text.size() > kMaxJsonPathBytes) {
    return Status::error(Code::kInvalidPath, "JSONPath " + quoted(text) + " is longer than 64 KiB",
                         "reach the place in steps: read a part, change it, set it");
  }
  Parser parser(text, this);
  if (parser.run()) return Status::ok();
  if (parser.lexer().failed()) return parser.lexer().error();
  unescaped_.clear();
  auto query = std::make_unique<JsonQuery>();
  STRATA_TRY(parse_query(text, &unescaped_, query.get()));
  query_ = std::move(query);
  return Status::ok();
}

Status JsonPath::parse_pointer(std::string_view text) {
  STRATA_ASSERT(count_ == 0 && singular());
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
      std::string& owned = unescaped_;
      if (owned.capacity() < text.size()) owned.reserve(text.size());
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
