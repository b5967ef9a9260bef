// Time as the engine sees it, so that tests can set it, step it back or stop it.
// Thread safety: all methods may be called from any thread. Ownership: borrowed by whoever is given one.
#pragma once

#include <cstdint>

namespace strata::os {

class Clock {
 public:
  virtual ~Clock() = default;
  // Microseconds since 1970. May step back.
  virtual uint64_t now_micros() = 0;
  // Microseconds of a clock that never steps back.
  virtual uint64_t monotonic_micros() = 0;
};

Clock& system_clock();

}  // namespace strata::os
