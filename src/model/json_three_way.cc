#include "model/json_three_way.h"

#include <vector>

#include "model/json_edit.h"
#include "model/sorted_members.h"
#include "model/utf8.h"

namespace strata::model {
namespace {

using Side = std::optional<ValueView>;

bool same_sides(const Side& a, const Side& b) {
  if (!a || !b) return a.has_value() == b.has_value();
  return a->bytes() == b->bytes() || strata::same(*a, *b);
}

bool is_object(const Side& side) {
  if (!side) return false;
  const auto token = side->read();
  return token.is_ok() && token->type == ValueType::kObject;
}

class Merge {
 public:
  explicit Merge(const JsonJudge& judge) : judge_(judge) {}

  Status object(const Side& base, ValueView source, ValueView target) {
    std::vector<Member> of_base;
    std::vector<Member> of_source;
    std::vector<Member> of_target;
    const bool sound = (!base || sorted_members(*base, &of_base)) && sorted_members(source, &of_source) &&
                       sorted_members(target, &of_target);
    if (!sound) return damaged_document();
    if (!writer_.begin_object(of_target.size())) return writer_.error();
    ValueItems items(target);
    while (items.next()) {
      STRATA_TRY(member(items.name(), {find(of_base, items.name()), find(of_source, items.name()), items.value()}));
    }
    ValueItems more(source);
    while (more.next()) {
      if (find_sorted(of_target, more.name()) != nullptr) continue;
      STRATA_TRY(member(more.name(), {find(of_base, more.name()), more.value(), std::nullopt}));
    }
    if (!items.status().is_ok() || !more.status().is_ok()) return damaged_document();
    return writer_.end() ? Status::ok() : writer_.error();
  }
  std::string_view result() const { return writer_.result(); }

 private:
  struct Sides {
    Side base;
    Side source;
    Side target;
  };

  static Side find(const std::vector<Member>& members, std::string_view name) {
    const Member* found = find_sorted(members, name);
    return found == nullptr ? Side() : Side(found->second);
  }

  Status put(std::string_view name, const Side& value) {
    if (!value) return Status::ok();
    return writer_.name(name) && writer_.value(*value) ? Status::ok() : writer_.error();
  }

  Status member(std::string_view name, const Sides& sides) {
    if (same_sides(sides.source, sides.base) || same_sides(sides.source, sides.target)) return put(name, sides.target);
    if (same_sides(sides.target, sides.base)) return put(name, sides.source);
    const size_t above = path_.size();
    path_.append("[").append(quoted(name, name.size())).append("]");
    Status merged;
    if (is_object(sides.source) && is_object(sides.target) && (!sides.base || is_object(sides.base))) {
      merged = writer_.name(name) ? object(sides.base, *sides.source, *sides.target) : writer_.error();
    } else {
      auto chosen = judge_({path_, sides.base, sides.source, sides.target});
      merged = chosen.is_ok() ? put(name, *chosen) : chosen.status();
    }
    path_.resize(above);
    return merged;
  }

  const JsonJudge& judge_;
  ValueWriter writer_;
  std::string path_ = "$";
};

}  // namespace

Status merge_objects(std::optional<ValueView> base, ValueView source, ValueView target, const JsonJudge& judge,
                     std::string* out) {
  Merge merge(judge);
  STRATA_TRY(merge.object(base, source, target));
  out->assign(merge.result());
  return Status::ok();
}

}  // namespace strata::model
