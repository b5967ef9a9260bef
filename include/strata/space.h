// Spaces: namespaces inside a branch. A space appears with its first write and is part of its branch: it forks,
// travels in time and rolls back with it. Names: [a-z][a-z0-9_-]{0,63}; `default` is always there.
//
// Thread safety, common errors: strata/session.h. Ownership: borrows the Call.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "strata/session.h"

namespace strata {

class Spaces {
 public:
  explicit Spaces(Call& call) : call_(call) {}

  // Errors: kInvalidSpaceName, kSpaceExists, kReadOnly.
  Status create(std::string_view name);
  // Errors: kSpaceNotFound, kSpaceInUse, kSpaceNotEmpty (without force), kReadOnly.
  Status remove(std::string_view name, bool force);
  Result<std::vector<std::string>> list(AsOf as_of);  // sorted, `default` included
  Result<bool> exists(std::string_view name, AsOf as_of);

 private:
  Call& call_;
};

}  // namespace strata
