// The Python class Session: a handle, and how its methods run on the engine.
//
// A method parses its arguments and converts values with the GIL held, makes one Call, and converts the answer after
// the Call has ended. The Call is first made with the GIL held in a mode that does not wait; if it would have to, it
// is made again without the GIL. So no thread that holds a lock of the engine ever waits for the GIL.
//
// Thread safety: a method may run in any thread. The fields of a Handle are guarded by the GIL.
#pragma once

#include <chrono>
#include <exception>
#include <memory>
#include <new>
#include <span>
#include <type_traits>
#include <utility>

#include "errors.h"
#include "python.h"
#include "strata/session.h"

namespace strata::python {

// The object itself. Made by alloc alone, which fills it with zeros.
struct Handle {
  PyObject_HEAD Session* session;  // owned; the engine closes it when it is deleted
  bool may_be_in_transaction;
  uint64_t owner_id;     // what current_task answered when it began
  PyObject* owner_task;  // a weak reference to that task, or null
};

// Tells the engine, for the length of a call, which asyncio task makes it. Only where it can matter: asking asyncio is
// slower than many a call.
class CallingTask {
 public:
  explicit CallingTask(Handle* handle) : set_(handle->may_be_in_transaction) {
    if (set_) set(handle);
  }
  // For begin: always asks, and gives a task that owns nothing yet an id of its own.
  CallingTask(Handle* handle, Ref* task);
  ~CallingTask() {
    if (set_) clear();
  }
  CallingTask(const CallingTask&) = delete;
  CallingTask& operator=(const CallingTask&) = delete;

  // What the engine calls (OpenOptions::current_task).
  static uint64_t current();

 private:
  static void set(Handle* handle);
  static void clear();
  const bool set_;
};

// A new handle of class `type` on `session`; null with an exception set.
PyObject* new_handle(PyTypeObject* type, std::unique_ptr<Session> session);

inline bool would_block(const Status& status) { return status.code() == Code::kWouldBlock; }
template <typename T>
bool would_block(const Result<T>& result) {
  return !result.is_ok() && would_block(result.status());
}

// Runs `operation(KeepOn)`, which answers a Status or a Result, without the GIL, and ends it when the user presses
// Ctrl-C. No Python code runs in between: the signal is only looked for, and handled when the operation is over. If the
// handler does not raise, all begins anew; if it does, its exception is set, and is what raise() leaves.
template <typename Operation>
auto run_interruptible(Operation&& operation) -> std::invoke_result_t<Operation, const KeepOn&> {
  using Clock = std::chrono::steady_clock;
  constexpr auto kPollEvery = std::chrono::milliseconds(5);
  while (true) {
    bool interrupted = false;
    auto answer = [&] {
      GilReleased released;
      Clock::time_point next_poll = Clock::now() + kPollEvery;
      const KeepOn keep_on = [&] {
        if (Clock::now() < next_poll) return true;
        const Reacquired gil(released);
        interrupted = PyOS_InterruptOccurred() != 0;
        next_poll = Clock::now() + kPollEvery;
        return !interrupted;
      };
      return operation(keep_on);
    }();
    if (!interrupted) return answer;
    PyErr_SetInterrupt();
    // What was over all the same stays so, and the handler runs behind it.
    if (answer.is_ok() || PyErr_CheckSignals() != 0) return answer;
  }
}

// Makes `operation(Call&)`, which answers a Status or a Result, without the GIL; Ctrl-C ends it.
template <typename Operation>
auto in_long_call(Handle* handle, Operation&& operation) -> std::invoke_result_t<Operation, Call&> {
  using Answer = std::invoke_result_t<Operation, Call&>;
  return run_interruptible([&](const KeepOn& keep_on) -> Answer {
    Call call(*handle->session, Call::kWait, &keep_on);
    if (!call.entered().is_ok()) return call.entered();
    return operation(call);
  });
}

// The same at once, with the GIL held, if nothing in it has to wait or lasts. It may be made twice.
template <typename Operation>
auto in_call(Handle* handle, Operation&& operation) -> std::invoke_result_t<Operation, Call&> {
  {
    Call call(*handle->session, Call::kTry);
    if (call.entered().is_ok()) {
      auto answer = operation(call);
      if (!would_block(answer)) return answer;
    } else if (!would_block(call.entered())) {
      return call.entered();
    }
  }
  return in_long_call(handle, std::forward<Operation>(operation));
}

// The same for everything but begin.
template <typename Operation>
auto run(Handle* handle, Operation&& operation) -> std::invoke_result_t<Operation, Call&> {
  const CallingTask task(handle);
  return in_call(handle, std::forward<Operation>(operation));
}

// As run, at once without the GIL: for what reads much.
template <typename Operation>
auto run_long(Handle* handle, Operation&& operation) -> std::invoke_result_t<Operation, Call&> {
  const CallingTask task(handle);
  return in_long_call(handle, std::forward<Operation>(operation));
}

// Makes `operation()` without the GIL: for what always may take long.
template <typename Operation>
auto run_released(Operation&& operation) -> std::invoke_result_t<Operation> {
  GilReleased released;
  return operation();
}

using Method = PyObject* (*)(Handle*, PyObject* const*, Py_ssize_t, PyObject*);

// A method as Python calls it: nothing of C++ leaves it.
template <Method method>
PyObject* entry(PyObject* self, PyObject* const* arguments, Py_ssize_t count, PyObject* names) noexcept {
  try {
    auto* handle = reinterpret_cast<Handle*>(self);
    if (handle->session == nullptr) return raise(Code::kClosed, "this handle is closed", "Strata.open(path)");
    return method(handle, arguments, count, names);
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_SystemError, error.what());
    return nullptr;
  }
}

using ClassMethod = PyObject* (*)(PyTypeObject*, PyObject* const*, Py_ssize_t, PyObject*);

template <ClassMethod method>
PyObject* class_entry(PyObject* type, PyObject* const* arguments, Py_ssize_t count, PyObject* names) noexcept {
  try {
    return method(reinterpret_cast<PyTypeObject*>(type), arguments, count, names);
  } catch (const std::bad_alloc&) {
    return PyErr_NoMemory();
  } catch (const std::exception& error) {
    PyErr_SetString(PyExc_SystemError, error.what());
    return nullptr;
  }
}

template <Method method>
PyMethodDef define(const char* name, const char* documentation) {
  return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&entry<method>)),
          METH_FASTCALL | METH_KEYWORDS, documentation};
}
template <ClassMethod method>
PyMethodDef define_class_method(const char* name, const char* documentation) {
  return {name, reinterpret_cast<PyCFunction>(reinterpret_cast<void (*)()>(&class_entry<method>)),
          METH_FASTCALL | METH_KEYWORDS | METH_CLASS, documentation};
}

// The methods of each family; they live as long as the process.
std::span<const PyMethodDef> handle_methods();
std::span<const PyMethodDef> kv_methods();
std::span<const PyMethodDef> state_methods();
std::span<const PyMethodDef> event_methods();
std::span<const PyMethodDef> json_methods();
std::span<const PyMethodDef> vector_methods();
std::span<const PyMethodDef> branch_methods();
std::span<const PyMethodDef> merge_methods();
std::span<const PyMethodDef> bundle_methods();
std::span<const PyMethodDef> space_methods();
std::span<const PyMethodDef> search_methods();
std::span<const PyMethodDef> embedding_methods();
std::span<const PyMethodDef> transaction_methods();
std::span<const PyMethodDef> database_methods();

// The class with all of them; null with an exception set.
PyObject* make_session_type();

}  // namespace strata::python
