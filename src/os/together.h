// Work that several threads do at once.
// Thread safety: yes. Ownership: its threads have ended when it returns.
#pragma once

#include <functional>

namespace strata::os {

// Threads that a long computation may use: those of the machine, and no more than are of use.
unsigned useful_threads();

// Calls `work` in this thread and, at the same time, in up to threads - 1 others; fewer where the system gives none.
// REQUIRES: work throws nothing, and is done when one call of it has returned.
void run_together(unsigned threads, const std::function<void()>& work);

}  // namespace strata::os
