// Long operations of the engine with a Python callable that is told how they go on.
// Thread safety: called with the GIL held. Ownership: borrows the callable.
#pragma once

#include <chrono>
#include <utility>

#include "python.h"
#include "strata/session.h"

namespace strata::python {

// Runs `operation(Progress)` without the GIL. Now and then the calling thread takes it back: to call `callable`, if
// there is one, and to see whether the user pressed Ctrl-C. If that raises, the operation ends and the exception is
// what the caller sees: *interrupted.
template <typename Operation>
auto run_with_progress(PyObject* callable, bool* interrupted, Operation&& operation) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kPollEvery = std::chrono::milliseconds(20);
  GilReleased released;
  Clock::time_point next_poll = Clock::now() + kPollEvery;
  const Progress progress = [&](uint64_t done, uint64_t total) {
    if (*interrupted) return false;
    const Clock::time_point now = Clock::now();
    if (callable == nullptr && now < next_poll) return true;
    next_poll = now + kPollEvery;
    const Reacquired gil(released);
    *interrupted = PyErr_CheckSignals() != 0;
    if (!*interrupted && callable != nullptr) {
      *interrupted = !Ref(PyObject_CallFunction(callable, "KK", static_cast<unsigned long long>(done),
                                                static_cast<unsigned long long>(total)));
    }
    return !*interrupted;
  };
  return operation(progress);
}

}  // namespace strata::python
