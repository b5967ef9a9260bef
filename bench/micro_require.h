// For benchmarks: an error ends the run, since figures of a failed call mean nothing.
// Thread safety: any thread. Ownership: nothing.
#pragma once

#include <cstdio>
#include <cstdlib>

#include "strata/status.h"

namespace strata {

inline void require(const Status& status) {
  if (!status.is_ok()) {
    std::fprintf(stderr, "%s\n", status.to_string().c_str());
    std::exit(1);
  }
}

template <typename T>
T require(Result<T> result) {
  if (!result.is_ok()) {
    require(result.status());
  }
  return *std::move(result);
}

}  // namespace strata
