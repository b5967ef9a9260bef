#include "model/json_query_run.h"

#include <algorithm>

#include "base/check.h"
#include "model/json_compare.h"
#include "model/json_edit.h"
#include "model/utf8.h"

namespace strata::model {
namespace {

using Kind = JsonSelector::Kind;

constexpr uint64_t kAskEvery = 50'000;  // steps
// Calls within calls. A query goes down at each segment, so only filters that begin at $ again get there.
constexpr int kMaxDepth = 1000;

std::string_view slot_value(const Slot& slot) {
  return std::string_view(slot.value, static_cast<size_t>(slot.end - slot.value));
}

bool read_node(std::string_view node, ValueToken* token) {
  const char* at = node.data();
  return read_value(at, at + node.size(), *token);
}

}  // namespace

// Behind segment `next` of a query there are more, or `visit` takes the node.
struct JsonQueryRun::Place {
  const JsonQuery& query;
  size_t next;
  const Visitor& visit;
};

struct JsonQueryRun::Operand {
  bool present = false;
  ValueToken token;
  int8_t beyond = 0;
  std::string_view encoded;  // of a node
};

// Walks the values in a container.
class JsonQueryRun::Members {
 public:
  explicit Members(const ValueToken& token)
      : at_(token.bytes.data()),
        end_(at_ + token.bytes.size()),
        left_(token.count),
        object_(token.type == ValueType::kObject) {}

  // False at the end, and on damage.
  bool next(std::string_view* value) {
    if (left_ == 0) return false;
    --left_;
    ValueToken token;
    const bool named = !object_ || (read_value(at_, end_, token) && token.type == ValueType::kString);
    const char* start = at_;
    whole_ = named && read_value(at_, end_, token);
    *value = std::string_view(start, static_cast<size_t>(at_ - start));
    return whole_;
  }
  bool whole() const { return whole_; }

 private:
  const char* at_;
  const char* end_;
  uint32_t left_;
  bool object_;
  bool whole_ = true;
};

bool JsonQueryRun::give_up(Status status) {
  if (status_.is_ok()) status_ = std::move(status);
  return false;
}

bool JsonQueryRun::damaged() { return give_up(damaged_document()); }

bool JsonQueryRun::spend(uint64_t steps) {
  if (steps_ < steps) {
    return give_up(Status::error(Code::kQueryTooCostly, "the query would look at too much",
                                 "use fewer .. and filters within filters, or a narrower path"));
  }
  steps_ -= steps;
  next_question_ += steps;
  if (next_question_ < kAskEvery) return status_.is_ok();
  next_question_ = 0;
  if (keep_on_ != nullptr && !(*keep_on_)()) {
    return give_up(Status::error(Code::kInvalidArgument, "the query was interrupted"));
  }
  return status_.is_ok();
}

Status JsonQueryRun::select(const JsonQuery& query, std::string_view document, const Visitor& visit) {
  document_ = document;
  (void)run(query, document, visit);
  return status_;
}

Result<bool> JsonQueryRun::holds(const JsonFilter& filter, std::string_view document, std::string_view node) {
  document_ = document;
  const bool answer = test(filter, node);
  if (!status_.is_ok()) return status_;
  return answer;
}

// ---- segments: each function answers false once no more is wanted ----

bool JsonQueryRun::run(const JsonQuery& query, std::string_view node, const Visitor& visit) {
  return go_on({query, 0, visit}, query.relative ? node : document_);
}

bool JsonQueryRun::go_on(const Place& place, std::string_view node) {
  if (place.next == place.query.segments.size()) return place.visit(node);
  if (!spend(1)) return false;
  ValueToken token;
  if (!read_node(node, &token)) return damaged();
  if (!is_container(token.type)) return true;
  if (depth_ == kMaxDepth) {
    return give_up(
        Status::error(Code::kQueryTooCostly, "the query would go too deep", "use fewer filters within filters"));
  }
  ++depth_;
  const bool more = descend(place, node, token);
  --depth_;
  return more;
}

// REQUIRES: `node` is a container.
bool JsonQueryRun::descend(const Place& place, std::string_view node, const ValueToken& token) {
  const JsonSegment& segment = place.query.segments[place.next];
  const Place behind{place.query, place.next + 1, place.visit};
  for (const JsonSelector& selector : segment.selectors) {
    if (!choose(behind, selector, node, token)) return false;
  }
  if (!segment.descendant) return true;
  Members members(token);
  for (std::string_view value; members.next(&value);) {
    if (!go_on(place, value)) return false;
  }
  return members.whole() || damaged();
}

bool JsonQueryRun::choose(const Place& place, const JsonSelector& selector, std::string_view node,
                          const ValueToken& token) {
  const bool object = token.type == ValueType::kObject;
  Slot slot;
  Seek seek = Seek::kMissing;
  switch (selector.kind) {
    case Kind::kName:
      if (object) seek = find_member(token, container_width(node[0]), selector.name, &slot);
      break;
    case Kind::kIndex: {
      const int64_t index = selector.index < 0 ? selector.index + token.count : selector.index;
      const bool inside = !object && index >= 0 && index < token.count;
      if (inside) seek = find_item(token, container_width(node[0]), static_cast<uint32_t>(index), &slot);
      break;
    }
    case Kind::kSlice:
      return object || choose_slice(place, selector, node, token);
    case Kind::kWildcard:
    case Kind::kFilter:
      return choose_all(place, token, selector.filter.get());
  }
  if (!spend(1)) return false;
  if (seek == Seek::kDamaged) return damaged();
  return seek == Seek::kMissing || go_on(place, slot_value(slot));
}

bool JsonQueryRun::choose_all(const Place& place, const ValueToken& token, const JsonFilter* filter) {
  Members members(token);
  for (std::string_view value; members.next(&value);) {
    if (!spend(1)) return false;
    const bool chosen = filter == nullptr || test(*filter, value);
    if (!status_.is_ok()) return false;
    if (chosen && !go_on(place, value)) return false;
  }
  return members.whole() || damaged();
}

// RFC 9535, section 2.3.4.2.2.
bool JsonQueryRun::choose_slice(const Place& place, const JsonSelector& slice, std::string_view node,
                                const ValueToken& token) {
  const int64_t step = slice.index;
  const int64_t count = token.count;
  if (step == 0 || count == 0) return true;
  const auto bound = [&](const std::optional<int64_t>& given, int64_t otherwise) {
    const int64_t index = given ? (*given < 0 ? *given + count : *given) : otherwise;
    return step > 0 ? std::clamp<int64_t>(index, 0, count) : std::clamp<int64_t>(index, -1, count - 1);
  };
  const int64_t start = bound(slice.start, step > 0 ? 0 : count - 1);
  const int64_t end = slice.end || step > 0 ? bound(slice.end, count) : -1;
  for (int64_t i = start; step > 0 ? i < end : i > end; i += step) {
    if (!spend(1)) return false;
    Slot slot;
    if (find_item(token, container_width(node[0]), static_cast<uint32_t>(i), &slot) != Seek::kFound) return damaged();
    if (!go_on(place, slot_value(slot))) return false;
  }
  return true;
}

// ---- filters: what they answer means nothing once status_ is an error ----

bool JsonQueryRun::test(const JsonFilter& filter, std::string_view node) {
  if (!spend(1)) return false;
  switch (filter.kind) {
    case JsonFilter::Kind::kOr:
      return std::any_of(filter.parts.begin(), filter.parts.end(),
                         [&](const JsonFilter& part) { return test(part, node); });
    case JsonFilter::Kind::kAnd:
      return std::all_of(filter.parts.begin(), filter.parts.end(),
                         [&](const JsonFilter& part) { return test(part, node); });
    case JsonFilter::Kind::kNot:
      return !test(filter.parts[0], node);
    case JsonFilter::Kind::kExists:
      return exists(filter.query, node);
    case JsonFilter::Kind::kCompare:
      return compare(filter, node);
    case JsonFilter::Kind::kMatch:
    case JsonFilter::Kind::kSearch:
      return test_pattern(filter, node);
  }
  return false;
}

bool JsonQueryRun::exists(const JsonQuery& query, std::string_view node) {
  bool found = false;
  (void)run(query, node, [&](std::string_view) {
    found = true;
    return false;
  });
  return found;
}

JsonQueryRun::Operand JsonQueryRun::of_node(std::string_view node) {
  Operand operand;
  operand.present = true;
  operand.encoded = node;
  if (!read_node(node, &operand.token)) (void)damaged();
  return operand;
}

JsonQueryRun::Operand JsonQueryRun::length_of(const Operand& operand) {
  Operand length;
  length.present = operand.present && (is_container(operand.token.type) || operand.token.type == ValueType::kString ||
                                       operand.token.type == ValueType::kBytes);
  length.token.type = ValueType::kInteger;
  if (!length.present) return length;
  const std::string_view bytes = operand.token.bytes;
  size_t count = operand.token.count;
  if (operand.token.type == ValueType::kString) {
    (void)spend(bytes.size() / 32);
    count = count_scalars(bytes);
  } else if (operand.token.type == ValueType::kBytes) {
    count = bytes.size();
  }
  length.token.integer = static_cast<int64_t>(count);
  return length;
}

JsonQueryRun::Operand JsonQueryRun::evaluate(const JsonOperand& operand, std::string_view node) {
  Operand result;
  switch (operand.kind) {
    case JsonOperand::Kind::kLiteral:
      result.present = true;
      result.token = operand.literal;
      result.beyond = operand.beyond;
      return result;
    case JsonOperand::Kind::kQuery:
      (void)run(operand.query, node, [&](std::string_view found) {
        result = of_node(found);
        return false;
      });
      return result;
    case JsonOperand::Kind::kLength:
      return length_of(evaluate(operand.arguments[0], node));
    case JsonOperand::Kind::kCount:
    case JsonOperand::Kind::kValue:
      break;
  }
  const bool counts = operand.kind == JsonOperand::Kind::kCount;
  int64_t count = 0;
  (void)run(operand.query, node, [&](std::string_view found) {
    ++count;
    if (counts) return spend(1);
    result = count == 1 ? of_node(found) : Operand();
    return count == 1;
  });
  if (counts) {
    result.present = true;
    result.token.type = ValueType::kInteger;
    result.token.integer = count;
  }
  return result;
}

bool JsonQueryRun::compare(const JsonFilter& filter, std::string_view node) {
  const Operand left = evaluate(filter.operands[0], node);
  const Operand right = evaluate(filter.operands[1], node);
  if (!status_.is_ok()) return false;
  std::partial_ordering order = std::partial_ordering::unordered;
  if (!left.present || !right.present) {
    if (left.present == right.present) order = std::partial_ordering::equivalent;
  } else if (is_number(left.token.type) && is_number(right.token.type)) {
    order = compare_numbers(left.token, right.token);
    if (order == 0) order = left.beyond <=> right.beyond;
  } else if (left.token.type == right.token.type) {
    if (left.token.type == ValueType::kString) {
      // As bytes strings are in the order of their code points.
      (void)spend(std::min(left.token.bytes.size(), right.token.bytes.size()) / 64);
      order = left.token.bytes <=> right.token.bytes;
    } else if (is_container(left.token.type)) {
      (void)spend(left.encoded.size() / 8);
      if (equal_json(ValueView(left.encoded), ValueView(right.encoded))) order = std::partial_ordering::equivalent;
    } else if (left.token.boolean == right.token.boolean && left.token.bytes == right.token.bytes) {
      order = std::partial_ordering::equivalent;
    }
  }
  switch (filter.comparison) {
    case JsonComparison::kEqual:
      return order == 0;
    case JsonComparison::kNotEqual:
      return order != 0;
    case JsonComparison::kLess:
      return order < 0;
    case JsonComparison::kLessEqual:
      return order <= 0;
    case JsonComparison::kGreater:
      return order > 0;
    case JsonComparison::kGreaterEqual:
      return order >= 0;
  }
  return false;
}

bool JsonQueryRun::test_pattern(const JsonFilter& filter, std::string_view node) {
  const Operand text = evaluate(filter.operands[0], node);
  if (!text.present || text.token.type != ValueType::kString) return false;
  const IRegexp* regexp = filter.pattern.get();
  if (regexp == nullptr) {
    const Operand pattern = evaluate(filter.operands[1], node);
    if (!pattern.present || pattern.token.type != ValueType::kString) return false;
    if (last_regexp_ == nullptr || last_pattern_ != pattern.token.bytes) {
      if (!spend(1000 + 10 * pattern.token.bytes.size())) return false;
      last_pattern_ = pattern.token.bytes;
      last_regexp_ = std::make_unique<const IRegexp>(last_pattern_);
    }
    regexp = last_regexp_.get();
  }
  if (regexp->too_large()) {
    return give_up(Status::error(Code::kQueryTooCostly, "a regular expression is too large",
                                 "write fewer and smaller repetitions"));
  }
  if (!status_.is_ok() || !regexp->valid()) return false;
  const uint64_t before = steps_;
  const bool whole = filter.kind == JsonFilter::Kind::kMatch;
  const IRegexp::Answer answer =
      whole ? regexp->matches(text.token.bytes, &steps_) : regexp->found_in(text.token.bytes, &steps_);
  next_question_ += before - steps_;
  if (answer == IRegexp::Answer::kGaveUp) return spend(UINT64_MAX);
  return answer == IRegexp::Answer::kYes;
}

// ---- removing ----

namespace {

class Remover {
 public:
  Remover(const std::vector<const char*>& nodes, ValueWriter* out) : nodes_(nodes), out_(*out) {}

  // False: the writer has an error or the document is damaged.
  bool copy(std::string_view value) {
    const auto inside = std::upper_bound(nodes_.begin(), nodes_.end(), value.data());
    if (inside == nodes_.end() || *inside >= value.data() + value.size()) return out_.value(ValueView(value));
    ValueToken token;
    if (!read_node(value, &token) || !is_container(token.type)) return false;
    const bool object = token.type == ValueType::kObject;
    if (!(object ? out_.begin_object(token.count) : out_.begin_array(token.count))) return false;
    ValueItems items{ValueView(value)};
    while (items.next()) {
      const std::string_view member = items.value().bytes();
      if (std::binary_search(nodes_.begin(), nodes_.end(), member.data())) continue;
      if ((object && !out_.name(items.name())) || !copy(member)) return false;
    }
    return items.status().is_ok() && out_.end();
  }

 private:
  const std::vector<const char*>& nodes_;
  ValueWriter& out_;
};

}  // namespace

Status remove_nodes(std::string_view document, const std::vector<const char*>& nodes, ValueWriter* out) {
  if (Remover(nodes, out).copy(document)) return Status::ok();
  const Status error = out->error();
  return error.is_ok() ? damaged_document() : error;
}

}  // namespace strata::model
