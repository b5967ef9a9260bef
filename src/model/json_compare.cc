#include "model/json_compare.h"

#include <cmath>
#include <vector>

#include "model/sorted_members.h"

namespace strata::model {
namespace {

std::partial_ordering compare_mixed(int64_t integer, double real) {
  constexpr double kLimit = 9223372036854775808.0;  // 2^63
  if (real != real) return std::partial_ordering::unordered;
  if (real >= kLimit) return std::partial_ordering::less;
  if (real < -kLimit) return std::partial_ordering::greater;
  const double whole = std::trunc(real);
  const auto same_side = static_cast<int64_t>(whole);
  if (integer != same_side) return integer <=> same_side;
  return 0.0 <=> real - whole;  // the same sign as the rest has
}

bool equal_within(ValueView a, ValueView b, int depth);

bool equal_objects(ValueView a, ValueView b, int depth) {
  std::vector<Member> left;
  std::vector<Member> right;
  if (!sorted_members(a, &left) || !sorted_members(b, &right) || left.size() != right.size()) return false;
  for (size_t i = 0; i < left.size(); ++i) {
    if (left[i].first != right[i].first || !equal_within(left[i].second, right[i].second, depth + 1)) return false;
  }
  return true;
}

bool equal_within(ValueView a, ValueView b, int depth) {
  const auto left = a.read();
  const auto right = b.read();
  if (!left || !right || depth > kMaxValueNesting) return false;
  if (is_number(left->type) && is_number(right->type)) return compare_numbers(*left, *right) == 0;
  if (left->type != right->type) return false;
  switch (left->type) {
    case ValueType::kNull:
      return true;
    case ValueType::kBoolean:
      return left->boolean == right->boolean;
    case ValueType::kString:
    case ValueType::kBytes:
      return left->bytes == right->bytes;
    case ValueType::kObject:
      return left->count == right->count && equal_objects(a, b, depth);
    default:
      break;
  }
  ValueItems as(a);
  ValueItems bs(b);
  while (as.next() && bs.next()) {
    if (!equal_within(as.value(), bs.value(), depth + 1)) return false;
  }
  return left->count == right->count && as.status().is_ok() && bs.status().is_ok();
}

}  // namespace

std::partial_ordering compare_numbers(const ValueToken& a, const ValueToken& b) {
  if (a.type == ValueType::kFloat && b.type == ValueType::kFloat) return a.real <=> b.real;
  if (a.type == ValueType::kInteger && b.type == ValueType::kInteger) return a.integer <=> b.integer;
  if (a.type == ValueType::kInteger) return compare_mixed(a.integer, b.real);
  return 0 <=> compare_mixed(b.integer, a.real);
}

bool equal_json(ValueView a, ValueView b) { return equal_within(a, b, 0); }

}  // namespace strata::model
