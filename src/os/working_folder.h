// Paths that stay right when the process goes to another working folder.
// Thread safety: any thread. Ownership: values.
#pragma once

#include <string>

namespace strata::os {

// The path from the root; a path that cannot be resolved stays as it is.
std::string absolute_path(const std::string& path);

}  // namespace strata::os
