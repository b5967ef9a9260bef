#include "os/working_folder.h"

#include <filesystem>
#include <system_error>

namespace strata::os {

std::string absolute_path(const std::string& path) {
  if (path.empty()) return path;
  std::error_code failed;
  const std::filesystem::path absolute = std::filesystem::absolute(path, failed);
  return failed ? path : absolute.string();
}

}  // namespace strata::os
