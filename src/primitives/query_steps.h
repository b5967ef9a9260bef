// How much of a query is done at once: little where nothing may wait, since then the interpreter or a lock is held.
// Thread safety: pure functions.
#pragma once

#include <cstddef>
#include <cstdint>

#include "model/json_query_run.h"
#include "strata/status.h"

namespace strata::primitives {

inline uint64_t steps_for(size_t document_bytes, bool quick) {
  constexpr uint64_t kQuickSteps = 100'000;
  return quick ? kQuickSteps : model::query_steps(document_bytes);
}

// What ran out of quick steps is made again where it may wait.
inline Status put_off(const Status& status, bool quick) {
  if (!quick || status.code() != Code::kQueryTooCostly) return status;
  return Status::error(Code::kWouldBlock, "the query takes long");
}

}  // namespace strata::primitives
