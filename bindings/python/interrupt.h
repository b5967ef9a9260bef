// How calls that may last are ended by Ctrl-C.
// Thread safety: as session.h. Ownership: nothing is kept.
#pragma once

#include <chrono>

#include "python.h"
#include "session.h"
#include "strata/session.h"

namespace strata::python {

// Runs `operation(KeepOn)` without the GIL, and ends it when the user presses Ctrl-C. No Python code runs in between:
// the signal is only looked for, and handled when the operation is over. If the handler does not raise, all begins
// anew. False with an exception set if it does.
template <typename Answer, typename Operation>
bool run_interruptible(Answer* answer, Operation&& operation) {
  using Clock = std::chrono::steady_clock;
  constexpr auto kPollEvery = std::chrono::milliseconds(5);
  while (true) {
    bool interrupted = false;
    {
      GilReleased released;
      Clock::time_point next_poll = Clock::now() + kPollEvery;
      const KeepOn keep_on = [&] {
        if (Clock::now() < next_poll) return true;
        const Reacquired gil(released);
        interrupted = PyOS_InterruptOccurred() != 0;
        next_poll = Clock::now() + kPollEvery;
        return !interrupted;
      };
      *answer = operation(keep_on);
    }
    if (!interrupted) return true;
    PyErr_SetInterrupt();
    if (PyErr_CheckSignals() != 0) return false;
  }
}

// As run_long, interruptible.
template <typename Answer, typename Operation>
bool run_call(Handle* handle, Answer* answer, Operation&& operation) {
  const CallingTask task(handle);
  return run_interruptible(answer, [&](const KeepOn& keep_on) -> Answer {
    Call call(*handle->session, Call::kWait);
    if (!call.entered().is_ok()) return call.entered();
    return operation(call, keep_on);
  });
}

// As run, interruptible once it lasts: `operation(Call&, const KeepOn*)`, null as long as it must be quick.
template <typename Answer, typename Operation>
bool run_patient(Handle* handle, Answer* answer, Operation&& operation) {
  {
    const CallingTask task(handle);
    Call call(*handle->session, Call::kTry);
    if (call.entered().is_ok()) {
      *answer = operation(call, nullptr);
    } else {
      *answer = call.entered();
    }
  }
  if (!would_block(*answer)) return true;
  return run_call(handle, answer, [&](Call& call, const KeepOn& keep_on) { return operation(call, &keep_on); });
}

}  // namespace strata::python
