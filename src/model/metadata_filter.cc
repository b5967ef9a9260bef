#include "model/metadata_filter.h"

#include <array>
#include <cmath>
#include <compare>
#include <optional>

#include "model/utf8.h"

namespace strata::model {
namespace {

struct OpName {
  std::string_view name;
  FilterOp op;
};
constexpr std::array kOps = {
    OpName{"eq", FilterOp::kEq},         OpName{"ne", FilterOp::kNe},
    OpName{"gt", FilterOp::kGt},         OpName{"gte", FilterOp::kGte},
    OpName{"lt", FilterOp::kLt},         OpName{"lte", FilterOp::kLte},
    OpName{"in", FilterOp::kIn},         OpName{"contains", FilterOp::kContains},
    OpName{"exists", FilterOp::kExists},
};

constexpr std::string_view kShape = "each is {\"field\", \"op\", \"value\"}";

Status bad(uint32_t index, const std::string& why) {
  return Status::error(Code::kInvalidFilter, "filters[" + std::to_string(index) + "]: " + why, std::string(kShape));
}

Status wrong_type(uint32_t index, const std::string& what, std::string_view wanted) {
  return Status::error(Code::kInvalidType,
                       "filters[" + std::to_string(index) + "]" + what + " must be " + std::string(wanted));
}

bool is_number(const ValueToken& token) { return token.type == ValueType::kInteger || token.type == ValueType::kFloat; }

// An integer and a float by what they are worth, without rounding either.
std::partial_ordering compare_mixed(int64_t integer, double real) {
  if (std::isnan(real)) return std::partial_ordering::unordered;
  // Beyond what an integer of 64 bits can be.
  if (real >= 0x1p63) return std::partial_ordering::less;
  if (real < -0x1p63) return std::partial_ordering::greater;
  const double whole = std::floor(real);
  const auto floor = static_cast<int64_t>(whole);
  if (integer != floor) return integer < floor ? std::partial_ordering::less : std::partial_ordering::greater;
  return real > whole ? std::partial_ordering::less : std::partial_ordering::equivalent;
}

std::partial_ordering compare_numbers(const ValueToken& a, const ValueToken& b) {
  const bool a_whole = a.type == ValueType::kInteger;
  const bool b_whole = b.type == ValueType::kInteger;
  if (a_whole && b_whole) return a.integer <=> b.integer;
  if (a_whole) return compare_mixed(a.integer, b.real);
  if (b_whole) return 0 <=> compare_mixed(b.integer, a.real);
  return a.real <=> b.real;
}

bool equal(ValueView a, ValueView b) {
  const Result<ValueToken> x = a.read();
  const Result<ValueToken> y = b.read();
  if (!x.is_ok() || !y.is_ok()) return false;
  return is_number(*x) && is_number(*y) ? compare_numbers(*x, *y) == 0 : same(a, b);
}

bool ordered(FilterOp op, ValueView a, ValueView b) {
  const Result<ValueToken> x = a.read();
  const Result<ValueToken> y = b.read();
  if (!x.is_ok() || !y.is_ok()) return false;
  std::partial_ordering order = std::partial_ordering::unordered;
  if (is_number(*x) && is_number(*y)) {
    order = compare_numbers(*x, *y);
  } else if (x->type == ValueType::kString && y->type == ValueType::kString) {
    order = x->bytes <=> y->bytes;  // UTF-8 sorts as its code points do
  }
  switch (op) {
    case FilterOp::kGt:
      return order > 0;
    case FilterOp::kGte:
      return order >= 0;
    case FilterOp::kLt:
      return order < 0;
    default:
      return order <= 0;
  }
}

bool any_equal(ValueView array, ValueView wanted) {
  ValueItems items(array);
  while (items.next()) {
    if (equal(items.value(), wanted)) return true;
  }
  return false;
}

bool contains(ValueView field, ValueView wanted) {
  const Result<ValueToken> token = field.read();
  if (!token.is_ok()) return false;
  if (token->type == ValueType::kArray) return any_equal(field, wanted);
  if (token->type != ValueType::kString) return false;
  const Result<ValueToken> part = wanted.read();
  return part.is_ok() && part->type == ValueType::kString && token->bytes.find(part->bytes) != std::string_view::npos;
}

// The field that the names lead to; nothing if one of them is missing.
std::optional<ValueView> field_of(ValueView metadata, const std::vector<std::string>& path) {
  for (const std::string& name : path) {
    const Result<std::optional<ValueView>> member = metadata.find(name);
    if (!member.is_ok() || !*member) return std::nullopt;
    metadata = **member;
  }
  return metadata;
}

std::vector<std::string> split_field(std::string_view field) {
  std::vector<std::string> names;
  while (true) {
    const size_t dot = field.find('.');
    names.emplace_back(field.substr(0, dot));
    if (dot == std::string_view::npos) return names;
    field.remove_prefix(dot + 1);
  }
}

// The members of one condition as they were given.
struct Given {
  std::optional<ValueView> field;
  std::optional<ValueView> op;
  std::optional<ValueView> value;
};

Status read_members(uint32_t index, ValueView item, Given* given) {
  STRATA_ASSIGN(const ValueToken token, item.read());
  if (token.type != ValueType::kObject) return wrong_type(index, "", "a dict");
  ValueItems members(item);
  while (members.next()) {
    const std::string_view name = members.name();
    if (name == "field") {
      given->field = members.value();
    } else if (name == "op") {
      given->op = members.value();
    } else if (name == "value") {
      given->value = members.value();
    } else {
      return bad(index, "it has a member " + quoted(name));
    }
  }
  STRATA_TRY(members.status());
  if (!given->field || !given->op) return bad(index, "field or op is missing");
  return Status::ok();
}

Status read_text(uint32_t index, const char* name, ValueView value, std::string_view* text) {
  STRATA_ASSIGN(const ValueToken token, value.read());
  if (token.type != ValueType::kString) return wrong_type(index, std::string("[\"") + name + "\"]", "str");
  *text = token.bytes;
  return Status::ok();
}

Result<FilterCondition> parse_condition(uint32_t index, ValueView item) {
  Given given;
  STRATA_TRY(read_members(index, item, &given));
  std::string_view field;
  std::string_view op;
  STRATA_TRY(read_text(index, "field", *given.field, &field));
  STRATA_TRY(read_text(index, "op", *given.op, &op));
  FilterCondition condition;
  size_t known = 0;
  while (known < kOps.size() && kOps[known].name != op) ++known;
  if (known == kOps.size()) {
    return bad(index, "op " + quoted(op) + " is not one of eq, ne, gt, gte, lt, lte, in, contains, exists");
  }
  condition.op = kOps[known].op;
  condition.path = split_field(field);
  if (!given.value && condition.op != FilterOp::kExists) return bad(index, "value is missing");
  condition.value = given.value ? given.value->bytes() : std::string_view("\x02", 1);
  STRATA_ASSIGN(const ValueToken value, ValueView(condition.value).read());
  if (condition.op == FilterOp::kIn && value.type != ValueType::kArray) return bad(index, "the value of in is no list");
  if (condition.op == FilterOp::kExists && value.type != ValueType::kBoolean) {
    return bad(index, "the value of exists is neither True nor False");
  }
  return condition;
}

}  // namespace

Result<MetadataFilter> MetadataFilter::parse(ValueView conditions) {
  MetadataFilter filter;
  STRATA_ASSIGN(const ValueToken token, conditions.read());
  if (token.type == ValueType::kNull) return filter;
  if (token.type != ValueType::kArray) return Status::error(Code::kInvalidType, "filters must be a list of dict");
  ValueItems items(conditions);
  for (uint32_t index = 0; items.next(); ++index) {
    STRATA_ASSIGN(FilterCondition condition, parse_condition(index, items.value()));
    filter.conditions_.push_back(std::move(condition));
  }
  STRATA_TRY(items.status());
  return filter;
}

bool MetadataFilter::holds(const FilterCondition& condition, const ValueView* field) {
  const ValueView wanted(condition.value);
  if (condition.op == FilterOp::kExists) {
    const Result<ValueToken> token = wanted.read();
    return token.is_ok() && token->boolean == (field != nullptr);
  }
  if (field == nullptr) return false;
  switch (condition.op) {
    case FilterOp::kEq:
      return equal(*field, wanted);
    case FilterOp::kNe:
      return !equal(*field, wanted);
    case FilterOp::kIn:
      return any_equal(wanted, *field);
    case FilterOp::kContains:
      return contains(*field, wanted);
    default:
      return ordered(condition.op, *field, wanted);
  }
}

bool MetadataFilter::matches(ValueView metadata) const {
  for (const FilterCondition& condition : conditions_) {
    const std::optional<ValueView> field = field_of(metadata, condition.path);
    if (!holds(condition, field ? &*field : nullptr)) return false;
  }
  return true;
}

}  // namespace strata::model
