// A clock that tests move. Every look at it takes a microsecond, so that nothing ever waits for it.
// Thread safety: all methods, from any thread. Ownership: owned by the test.
#pragma once

#include <atomic>
#include <cstdint>

#include "os/clock.h"

namespace strata::testing {

class TestClock final : public os::Clock {
 public:
  explicit TestClock(uint64_t now_micros = 1'700'000'000'000'000) : now_(now_micros) {}
  uint64_t now_micros() override { return now_.fetch_add(1); }
  uint64_t monotonic_micros() override { return monotonic_.fetch_add(1); }

  void advance(uint64_t micros) {
    now_.fetch_add(micros);
    monotonic_.fetch_add(micros);
  }
  void step_back(uint64_t micros) { now_.fetch_sub(micros); }

 private:
  std::atomic<uint64_t> now_;
  std::atomic<uint64_t> monotonic_{1};
};

}  // namespace strata::testing
