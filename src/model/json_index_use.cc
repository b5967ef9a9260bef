#include "model/json_index_use.h"

#include <algorithm>

namespace strata::model {
namespace {

using Kind = IndexUse::Kind;

bool leads_to(const JsonQuery& query, IndexedPlace place) {
  if (!query.relative || !query.singular() || query.segments.size() != place.size()) return false;
  for (size_t i = 0; i < place.size(); ++i) {
    const JsonSelector& selector = query.segments[i].selectors[0];
    const bool by_name = selector.kind == JsonSelector::Kind::kName;
    if (by_name != (place[i].kind == JsonStep::Kind::kName)) return false;
    if (by_name ? selector.name != place[i].text : selector.index != place[i].index) return false;
  }
  return true;
}

JsonComparison turned(JsonComparison comparison) {
  switch (comparison) {
    case JsonComparison::kLess:
      return JsonComparison::kGreater;
    case JsonComparison::kLessEqual:
      return JsonComparison::kGreaterEqual;
    case JsonComparison::kGreater:
      return JsonComparison::kLess;
    case JsonComparison::kGreaterEqual:
      return JsonComparison::kLessEqual;
    default:
      return comparison;
  }
}

class Finder {
 public:
  explicit Finder(std::span<const IndexedPlace> indexes) : indexes_(indexes) {}

  std::optional<IndexUse> of(const JsonFilter& filter) const {
    switch (filter.kind) {
      case JsonFilter::Kind::kExists:
        return range(filter.query, all_index_codes());
      case JsonFilter::Kind::kCompare:
        return comparison(filter);
      case JsonFilter::Kind::kAnd:
        return any_of(filter);
      case JsonFilter::Kind::kOr:
        return all_of(filter);
      default:
        return std::nullopt;
    }
  }

 private:
  std::optional<IndexUse> range(const JsonQuery& query, IndexCodes codes) const {
    const auto found = std::find_if(indexes_.begin(), indexes_.end(),
                                    [&](const IndexedPlace& place) { return leads_to(query, place); });
    if (found == indexes_.end()) return std::nullopt;
    IndexUse use;
    use.kind = codes.empty() ? Kind::kNoMore : Kind::kRange;
    use.index = static_cast<size_t>(found - indexes_.begin());
    use.codes = std::move(codes);
    return use;
  }

  std::optional<IndexUse> comparison(const JsonFilter& filter) const {
    using Operand = JsonOperand::Kind;
    const JsonOperand& left = filter.operands[0];
    const JsonOperand& right = filter.operands[1];
    const bool literal_first = left.kind == Operand::kLiteral;
    const JsonOperand& literal = literal_first ? left : right;
    const JsonOperand& query = literal_first ? right : left;
    if (literal.kind != Operand::kLiteral || query.kind != Operand::kQuery) return std::nullopt;
    if (filter.comparison == JsonComparison::kNotEqual) return std::nullopt;
    const JsonComparison comparison = literal_first ? turned(filter.comparison) : filter.comparison;
    return range(query.query, index_codes(comparison, literal.literal));
  }

  // Of one index the parts together say more than each of them: 3 < @.age && @.age < 5.
  static void narrow(std::vector<IndexUse>* parts, IndexUse part) {
    for (IndexUse& before : *parts) {
      if (part.kind != Kind::kRange || before.kind != Kind::kRange || before.index != part.index) continue;
      before.codes = intersection(before.codes, part.codes);
      if (before.codes.empty()) before.kind = Kind::kNoMore;
      return;
    }
    parts->push_back(std::move(part));
  }

  std::optional<IndexUse> any_of(const JsonFilter& filter) const {
    std::vector<IndexUse> parts;
    for (const JsonFilter& one : filter.parts) {
      std::optional<IndexUse> part = of(one);
      if (!part) continue;
      if (part->kind != Kind::kAnyOf) {
        narrow(&parts, std::move(*part));
      } else {
        for (IndexUse& inner : part->parts) narrow(&parts, std::move(inner));
      }
    }
    return joined(Kind::kAnyOf, std::move(parts));
  }

  std::optional<IndexUse> all_of(const JsonFilter& filter) const {
    std::vector<IndexUse> parts;
    for (const JsonFilter& one : filter.parts) {
      std::optional<IndexUse> part = of(one);
      if (!part) return std::nullopt;
      if (part->kind != Kind::kNoMore) parts.push_back(std::move(*part));
    }
    if (!parts.empty()) return joined(Kind::kAllOf, std::move(parts));
    IndexUse nothing;
    nothing.kind = Kind::kNoMore;
    return nothing;
  }

  static std::optional<IndexUse> joined(Kind kind, std::vector<IndexUse> parts) {
    if (parts.empty()) return std::nullopt;
    const auto none =
        std::find_if(parts.begin(), parts.end(), [](const IndexUse& part) { return part.kind == Kind::kNoMore; });
    if (kind == Kind::kAnyOf && none != parts.end()) return std::move(*none);
    if (parts.size() == 1) return std::move(parts[0]);
    IndexUse use;
    use.kind = kind;
    use.parts = std::move(parts);
    return use;
  }

  const std::span<const IndexedPlace> indexes_;
};

}  // namespace

std::optional<IndexUse> use_indexes(const JsonFilter& filter, std::span<const IndexedPlace> indexes) {
  return Finder(indexes).of(filter);
}

}  // namespace strata::model
