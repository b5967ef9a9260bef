#include "model/sorted_members.h"

#include <algorithm>

namespace strata::model {

bool sorted_members(ValueView object, std::vector<Member>* members) {
  ValueItems items(object);
  members->clear();
  members->reserve(items.count());
  while (items.next()) members->emplace_back(items.name(), items.value());
  std::sort(members->begin(), members->end(), [](const Member& a, const Member& b) { return a.first < b.first; });
  return items.status().is_ok();
}

const Member* find_sorted(const std::vector<Member>& members, std::string_view name) {
  const auto at = std::lower_bound(members.begin(), members.end(), name,
                                   [](const Member& member, std::string_view wanted) { return member.first < wanted; });
  return at != members.end() && at->first == name ? &*at : nullptr;
}

}  // namespace strata::model
