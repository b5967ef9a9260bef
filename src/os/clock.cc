#include "os/clock.h"

#include <chrono>

namespace strata::os {
namespace {

template <typename ChronoClock>
uint64_t micros() {
  const auto since = ChronoClock::now().time_since_epoch();
  return static_cast<uint64_t>(std::chrono::duration_cast<std::chrono::microseconds>(since).count());
}

class SystemClock final : public Clock {
 public:
  uint64_t now_micros() override { return micros<std::chrono::system_clock>(); }
  uint64_t monotonic_micros() override { return micros<std::chrono::steady_clock>(); }
};

}  // namespace

Clock& system_clock() {
  static SystemClock clock;
  return clock;
}

}  // namespace strata::os
