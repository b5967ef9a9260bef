#include "base/check.h"

#include <cstdio>
#include <cstdlib>

namespace strata {

void check_failed(const char* expression, const char* file, int line) {
  std::fprintf(stderr, "stratadb: internal check failed: %s (%s:%d)\n", expression, file, line);
  std::abort();
}

}  // namespace strata
