#include "txn/patience.h"

#include <algorithm>
#include <chrono>
#include <thread>

namespace strata::txn {

Status Patience::ended() { return Status::error(Code::kInvalidArgument, "the operation was ended", "call it again"); }

Status Patience::ask() const { return keep_on_ == nullptr || (*keep_on_)() ? Status::ok() : ended(); }

Status Patience::lock(base::Mutex& mutex) const {
  using std::chrono::microseconds;
  constexpr microseconds kLongest(5000);
  if (keep_on_ == nullptr) {
    mutex.lock();
    return Status::ok();
  }
  for (microseconds pause(20); !mutex.try_lock(); pause = std::min(pause * 2, kLongest)) {
    STRATA_TRY(ask());
    std::this_thread::sleep_for(pause);
  }
  return Status::ok();
}

}  // namespace strata::txn
