// Asks now and then whether something that takes long is still wanted.
//
// Thread safety: one object a thread. Ownership: borrows the question.
#pragma once

#include <cstdint>

#include "base/mutex.h"
#include "strata/session.h"
#include "strata/status.h"

namespace strata::txn {

class Patience {
 public:
  // Null: it always is.
  explicit Patience(const KeepOn* keep_on) : keep_on_(keep_on) {}

  // The error of what was not wanted any more.
  static Status ended();
  // Once, now. kInvalidArgument where it is not wanted any more.
  Status ask() const;
  // Likewise, when work on about so many bytes was done; for each piece of it.
  Status spend(uint64_t bytes) {
    spent_ += bytes;
    if (spent_ < kAskEvery) return Status::ok();
    spent_ = 0;
    return ask();
  }
  // Takes the mutex, and asks while another thread has it. It is not taken where the answer is an error.
  Status lock(base::Mutex& mutex) const NO_THREAD_SAFETY_ANALYSIS;

 private:
  static constexpr uint64_t kAskEvery = uint64_t{256} << 10;
  const KeepOn* keep_on_;
  uint64_t spent_ = 0;
};

}  // namespace strata::txn
