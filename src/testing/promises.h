// What was promised while a CrashFileSystem recorded, and when: so that an image of a crash can be held to it.
// Thread safety: none. Ownership: a value.
#pragma once

#include <algorithm>
#include <cstdint>
#include <vector>

#include "testing/crash_player.h"

namespace strata::testing {

struct Promise {
  uint64_t position = 0;  // of the record, when the call returned
  uint64_t written = 0;   // commits that survive the death of the process
  uint64_t durable = 0;   // commits that survive a power cut
  uint64_t begun = 0;     // commits that there may be
};

class Promises {
 public:
  void add(const Promise& promise) { promises_.push_back(promise); }

  // How many commits an image must hold, and how many it can hold: the call that was under way may have done its work.
  struct Range {
    uint64_t least = 0;
    uint64_t most = 0;
  };
  Range of(const Crash& crash) const {
    Promise kept;
    Promise under_way;
    for (const Promise& promise : promises_) {
      under_way = promise;
      if (promise.position > crash.returned) break;
      kept = promise;
    }
    return {keeps_written(crash.loss) ? kept.written : kept.durable, std::max(kept.begun, under_way.begun)};
  }

 private:
  std::vector<Promise> promises_;  // by position
};

}  // namespace strata::testing
