#include <algorithm>
#include <array>
#include <charconv>
#include <cstdio>

#include "model/json_path_lexer.h"
#include "model/json_query.h"

namespace strata::model {
namespace {

using Filter = JsonFilter;
using Operand = JsonOperand;
using Selector = JsonSelector;

bool is_lower(char c) { return c >= 'a' && c <= 'z'; }

// Recursive descent along the grammar of the RFC. Each function answers false once the lexer has failed.
class QueryParser {
 public:
  QueryParser(std::string_view text, std::string* unescaped) : lexer_(text, unescaped) {}

  Status whole_query(JsonQuery* query) {
    if (!lexer_.take('$')) {
      (void)lexer_.fail("it must begin with $");
    } else if (segments(query)) {
      if (!lexer_.at_end()) (void)lexer_.fail("a segment begins with . or [");
    }
    return lexer_.failed() ? lexer_.error() : Status::ok();
  }

  Status whole_filter(Filter* filter) {
    lexer_.skip_blanks();
    if (disjunction(filter)) {
      lexer_.skip_blanks();
      if (!lexer_.at_end()) (void)lexer_.fail("something follows the filter");
    }
    return lexer_.failed() ? lexer_.error() : Status::ok();
  }

 private:
  // Counts how deep filters, parentheses and functions lie in each other.
  class Nested {
   public:
    explicit Nested(QueryParser* parser) : parser_(*parser) { ++parser_.nesting_; }
    ~Nested() { --parser_.nesting_; }
    Nested(const Nested&) = delete;
    Nested& operator=(const Nested&) = delete;
    bool fits() { return parser_.nesting_ <= kMaxJsonQueryNesting || parser_.lexer_.fail("it is nested too deep"); }

   private:
    QueryParser& parser_;
  };

  // ---- segments and selectors ----

  // As many as there are; blanks that no segment follows are left.
  bool segments(JsonQuery* query) {
    while (true) {
      const size_t before = lexer_.at();
      lexer_.skip_blanks();
      if (lexer_.next() != '[' && lexer_.next() != '.') {
        const bool blanks_end_it = lexer_.at_end() && lexer_.at() > before && nesting_ == 0;
        if (blanks_end_it) return lexer_.fail("blanks at the end");
        lexer_.go_to(before);
        return true;
      }
      if (!segment(&query->segments.emplace_back())) return false;
    }
  }

  bool segment(JsonSegment* segment) {
    if (lexer_.take('[')) return brackets(segment);
    (void)lexer_.take('.');
    if (lexer_.take('.')) {
      segment->descendant = true;
      if (lexer_.take('[')) return brackets(segment);
    }
    Selector& selector = segment->selectors.emplace_back();
    if (lexer_.take('*')) {
      selector.kind = Selector::Kind::kWildcard;
      return true;
    }
    return lexer_.shorthand(&selector.name);
  }

  bool brackets(JsonSegment* segment) {
    while (true) {
      lexer_.skip_blanks();
      if (!selector(&segment->selectors.emplace_back())) return false;
      lexer_.skip_blanks();
      if (lexer_.take(']')) return true;
      if (!lexer_.take(',')) {
        return lexer_.fail(lexer_.at_end() ? "] is missing" : "a selector is followed by , or ]");
      }
    }
  }

  bool selector(Selector* selector) {
    const char c = lexer_.next();
    if (c == '\'' || c == '"') return lexer_.quoted(&selector->name);
    if (lexer_.take('*')) {
      selector->kind = Selector::Kind::kWildcard;
      return true;
    }
    if (lexer_.take('?')) {
      selector->kind = Selector::Kind::kFilter;
      selector->filter = std::make_unique<Filter>();
      lexer_.skip_blanks();
      return disjunction(selector->filter.get());
    }
    if (c == ':' || c == '-' || is_digit(c)) return index_or_slice(selector);
    return lexer_.fail("a selector is a name in quotes, an index, a slice, * or a filter");
  }

  bool index_or_slice(Selector* selector) {
    selector->kind = Selector::Kind::kIndex;
    if (lexer_.next() != ':') {
      if (!lexer_.integer(&selector->index)) return false;
      const size_t end = lexer_.at();
      lexer_.skip_blanks();
      if (lexer_.next() != ':') {
        lexer_.go_to(end);
        return true;
      }
      selector->start = selector->index;
    }
    selector->kind = Selector::Kind::kSlice;
    selector->index = 1;
    (void)lexer_.take(':');
    std::optional<int64_t> step;
    if (!bound(&selector->end)) return false;
    const size_t end = lexer_.at();
    lexer_.skip_blanks();
    if (!lexer_.take(':')) {
      lexer_.go_to(end);
      return true;
    }
    if (!bound(&step)) return false;
    if (step) selector->index = *step;
    return true;
  }

  bool bound(std::optional<int64_t>* number) {
    const size_t before = lexer_.at();
    lexer_.skip_blanks();
    if (lexer_.next() == '-' || is_digit(lexer_.next())) return lexer_.integer(&number->emplace());
    lexer_.go_to(before);
    return true;
  }

  // ---- filters ----

  bool disjunction(Filter* filter) {
    Nested nested(this);
    return nested.fits() && chain(filter, Filter::Kind::kOr, "||");
  }

  // One or more parts with `word` between them; a single one is the filter itself.
  bool chain(Filter* filter, Filter::Kind kind, std::string_view word) {
    const auto part = [&](Filter* into) {
      return kind == Filter::Kind::kOr ? chain(into, Filter::Kind::kAnd, "&&") : basic(into);
    };
    filter->kind = kind;
    while (true) {
      if (!part(&filter->parts.emplace_back())) return false;
      const size_t before = lexer_.at();
      lexer_.skip_blanks();
      if (!lexer_.take(word)) {
        lexer_.go_to(before);
        break;
      }
      lexer_.skip_blanks();
    }
    if (filter->parts.size() == 1) {
      Filter only = std::move(filter->parts[0]);
      *filter = std::move(only);
    }
    return true;
  }

  bool basic(Filter* filter) {
    if (lexer_.next() == '!' && !lexer_.rest().starts_with("!=")) {
      (void)lexer_.take('!');
      lexer_.skip_blanks();
      filter->kind = Filter::Kind::kNot;
      Filter& part = filter->parts.emplace_back();
      return lexer_.next() == '(' ? parentheses(&part) : test_or_comparison(&part, false);
    }
    return lexer_.next() == '(' ? parentheses(filter) : test_or_comparison(filter, true);
  }

  bool parentheses(Filter* filter) {
    (void)lexer_.take('(');
    lexer_.skip_blanks();
    if (!disjunction(filter)) return false;
    lexer_.skip_blanks();
    return lexer_.take(')') || lexer_.fail(") is missing");
  }

  bool test_or_comparison(Filter* filter, bool may_compare) {
    const size_t start = lexer_.at();
    const char c = lexer_.next();
    if (is_lower(c)) {
      const std::string_view name = function_name();
      if (name == "match" || name == "search") return pattern_test(filter, name == "match");
      lexer_.go_to(start);
    }
    Operand left;
    if (c == '@' || c == '$') {
      left.kind = Operand::Kind::kQuery;
      if (!query(&left.query)) return false;
    } else if (!operand(&left)) {
      return false;
    }
    const size_t end = lexer_.at();
    lexer_.skip_blanks();
    const std::optional<JsonComparison> comparison = may_compare ? comparison_sign() : std::nullopt;
    if (!comparison) {
      lexer_.go_to(end);
      if (left.kind != Operand::Kind::kQuery) {
        return lexer_.fail_at(start, may_compare ? "a value alone is no condition" : "! stands before a condition");
      }
      filter->kind = Filter::Kind::kExists;
      filter->query = std::move(left.query);
      return true;
    }
    if (!check_singular(left, start)) return false;
    lexer_.skip_blanks();
    filter->kind = Filter::Kind::kCompare;
    filter->comparison = *comparison;
    filter->operands.push_back(std::move(left));
    return value(&filter->operands.emplace_back());
  }

  bool check_singular(const Operand& operand, size_t start) {
    if (operand.kind != Operand::Kind::kQuery || operand.query.singular()) return true;
    return lexer_.fail_at(start, "what is compared must be one value: names and indexes only");
  }

  std::optional<JsonComparison> comparison_sign() {
    constexpr std::array<std::pair<std::string_view, JsonComparison>, 6> kSigns = {{
        {"==", JsonComparison::kEqual},
        {"!=", JsonComparison::kNotEqual},
        {"<=", JsonComparison::kLessEqual},
        {">=", JsonComparison::kGreaterEqual},
        {"<", JsonComparison::kLess},
        {">", JsonComparison::kGreater},
    }};
    for (const auto& [sign, comparison] : kSigns) {
      if (lexer_.take(sign)) return comparison;
    }
    return std::nullopt;
  }

  // REQUIRES: at @ or $.
  bool query(JsonQuery* query) {
    query->relative = lexer_.take('@');
    if (!query->relative) (void)lexer_.take('$');
    return segments(query);
  }

  // ---- values ----

  // What may be compared: a literal, a singular query, a function of a value.
  bool value(Operand* made) {
    const size_t start = lexer_.at();
    if (lexer_.next() != '@' && lexer_.next() != '$') return operand(made);
    made->kind = Operand::Kind::kQuery;
    return query(&made->query) && check_singular(*made, start);
  }

  // A literal or a function.
  bool operand(Operand* operand) {
    const char c = lexer_.next();
    if (c == '\'' || c == '"') {
      operand->literal.type = ValueType::kString;
      return lexer_.quoted(&operand->literal.bytes);
    }
    if (c == '-' || is_digit(c)) return number(operand);
    if (!is_lower(c)) return lexer_.fail("a condition or a value is missing");
    const size_t start = lexer_.at();
    const std::string_view name = function_name();
    if (!name.empty()) return function(operand, name, start);
    for (const std::string_view word : {"true", "false", "null"}) {
      if (!lexer_.take(word)) continue;
      operand->literal.type = word == "null" ? ValueType::kNull : ValueType::kBoolean;
      operand->literal.boolean = word == "true";
      if (!continues_name(lexer_.next())) return true;
    }
    return lexer_.fail_at(start, "there is no such word");
  }

  bool number(Operand* operand) {
    const size_t start = lexer_.at();
    const auto digits = [&] {
      const size_t from = lexer_.at();
      while (is_digit(lexer_.next())) (void)lexer_.take(lexer_.next());
      return lexer_.at() - from;
    };
    const bool negative = lexer_.take('-');
    const bool zero = lexer_.next() == '0';
    const size_t whole = digits();
    if (whole == 0 || (zero && whole > 1)) {
      return lexer_.fail_at(start, whole == 0 ? "digits are missing" : "a number has a zero in front");
    }
    bool integer = true;
    if (lexer_.take('.')) {
      integer = false;
      if (digits() == 0) return lexer_.fail("digits are missing");
    }
    if (lexer_.take('e') || lexer_.take('E')) {
      integer = false;
      if (!lexer_.take('-')) (void)lexer_.take('+');
      if (digits() == 0) return lexer_.fail("digits are missing");
    }
    const std::string_view text = lexer_.text().substr(start, lexer_.at() - start);
    ValueToken& literal = operand->literal;
    literal.type = ValueType::kInteger;
    const char* end = text.data() + text.size();
    if (integer && std::from_chars(text.data(), end, literal.integer).ec == std::errc()) return true;
    literal.type = ValueType::kFloat;
    if (std::from_chars(text.data(), end, literal.real).ec != std::errc()) {
      if (!is_small(text)) return lexer_.fail_at(start, "a number is too large");
      literal.real = 0;
    }
    if (integer) operand->beyond = difference(text.substr(negative ? 1 : 0), literal.real, negative);
    return true;
  }

  // Of a number that no float holds: it is next to zero, not large.
  static bool is_small(std::string_view text) {
    const size_t exponent = text.find_first_of("eE");
    if (exponent != std::string_view::npos) return text.substr(exponent + 1).starts_with('-');
    return text.starts_with("0.") || text.starts_with("-0.");
  }

  // On which side of `real`, the float next to it, the whole number lies.
  static int8_t difference(std::string_view digits, double real, bool negative) {
    std::array<char, 400> exact;
    const int size = std::snprintf(exact.data(), exact.size(), "%.0f", negative ? -real : real);
    const std::string_view rounded(exact.data(), static_cast<size_t>(size));
    int order = digits.size() < rounded.size() ? -1 : digits.size() > rounded.size() ? 1 : digits.compare(rounded);
    if (negative) order = -order;
    return static_cast<int8_t>(order < 0 ? -1 : order > 0 ? 1 : 0);
  }

  // ---- functions ----

  // The name before a parenthesis, and moves behind that; empty, and stays, where none stands.
  std::string_view function_name() {
    const std::string_view rest = lexer_.rest();
    size_t end = 0;
    while (end < rest.size() && (is_lower(rest[end]) || (end > 0 && (rest[end] == '_' || is_digit(rest[end]))))) ++end;
    if (end == 0 || end == rest.size() || rest[end] != '(') return {};
    lexer_.go_to(lexer_.at() + end + 1);
    return rest.substr(0, end);
  }

  bool function(Operand* operand, std::string_view name, size_t start) {
    Nested nested(this);
    if (!nested.fits()) return false;
    if (name == "match" || name == "search") return lexer_.fail_at(start, "what it says is no value to compare");
    const bool nodes = name == "count" || name == "value";
    if (!nodes && name != "length") {
      return lexer_.fail_at(start, "the functions are length, count, match, search and value");
    }
    operand->kind = name == "count"   ? Operand::Kind::kCount
                    : name == "value" ? Operand::Kind::kValue
                                      : Operand::Kind::kLength;
    lexer_.skip_blanks();
    if (nodes) {
      if (lexer_.next() != '@' && lexer_.next() != '$') return lexer_.fail("the function takes a query");
      if (!query(&operand->query)) return false;
    } else if (!value(&operand->arguments.emplace_back())) {
      return false;
    }
    return end_of_function("the function takes one argument");
  }

  bool end_of_function(const char* otherwise) {
    lexer_.skip_blanks();
    return lexer_.take(')') || lexer_.fail(otherwise);
  }

  bool pattern_test(Filter* filter, bool whole) {
    Nested nested(this);
    if (!nested.fits()) return false;
    filter->kind = whole ? Filter::Kind::kMatch : Filter::Kind::kSearch;
    filter->operands.resize(2);
    lexer_.skip_blanks();
    if (!value(&filter->operands[0])) return false;
    lexer_.skip_blanks();
    if (!lexer_.take(',')) return lexer_.fail("the function takes two arguments");
    lexer_.skip_blanks();
    if (!value(&filter->operands[1]) || !end_of_function("the function takes two arguments")) return false;
    const Operand& given = filter->operands[1];
    const bool literal = given.kind == Operand::Kind::kLiteral && given.literal.type == ValueType::kString;
    if (literal) filter->pattern = std::make_unique<const IRegexp>(given.literal.bytes);
    const size_t end = lexer_.at();
    lexer_.skip_blanks();
    if (comparison_sign()) return lexer_.fail_at(end, "what match and search say is no value to compare");
    lexer_.go_to(end);
    return true;
  }

  JsonPathLexer lexer_;
  int nesting_ = 0;
};

}  // namespace

bool JsonQuery::singular() const {
  return std::all_of(segments.begin(), segments.end(), [](const JsonSegment& segment) {
    if (segment.descendant || segment.selectors.size() != 1) return false;
    const JsonSelector::Kind kind = segment.selectors[0].kind;
    return kind == JsonSelector::Kind::kName || kind == JsonSelector::Kind::kIndex;
  });
}

Status parse_query(std::string_view text, std::string* unescaped, JsonQuery* query) {
  return QueryParser(text, unescaped).whole_query(query);
}

Status parse_filter(std::string_view text, std::string* unescaped, JsonFilter* filter) {
  return QueryParser(text, unescaped).whole_filter(filter);
}

}  // namespace strata::model
