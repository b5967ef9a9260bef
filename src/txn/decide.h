// Writes that depend on what they meet: on the newest state of their branch, on their commit's time.
// Thread safety: what is called here runs in the committing thread, under the commit lock: it is quick and never waits.
// Ownership: borrows everything.
#pragma once

#include <cstdint>
#include <functional>
#include <vector>

#include "strata/status.h"
#include "txn/write_set.h"

namespace strata::txn {

class View;

// Looks at `view` and adds the writes that follow from it, in key order, each key once; what they point to stays until
// the operation ends. May be called again, with an empty `writes`. An error is the operation's answer, and nothing is
// changed.
using Decide = std::function<Status(View& view, std::vector<Write>* writes)>;

// What a Seal is told.
struct Sealing {
  View& view;  // the state that the commit follows
  uint64_t timestamp = 0;
  uint32_t branch = 0;            // its id
  const Write* before = nullptr;  // of the commit's writes the one before this, sealed; null: this is the first
};

}  // namespace strata::txn
