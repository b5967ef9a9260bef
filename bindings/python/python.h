// What every file of the bindings needs from Python: its header in the right order, owned references, the GIL.
//
// Thread safety: everything here and in this folder runs with the GIL held unless it says otherwise.
#pragma once

#define PY_SSIZE_T_CLEAN
#include <Python.h>

#include <unistd.h>

#include <string>
#include <string_view>
#include <utility>

namespace strata::python {

// Owns one reference, or nothing: what the C API returns, whose null is an error with an exception set.
class Ref {
 public:
  Ref() = default;
  explicit Ref(PyObject* owned) : object_(owned) {}
  static Ref borrow(PyObject* object) { return Ref(Py_XNewRef(object)); }
  Ref(Ref&& other) noexcept : object_(std::exchange(other.object_, nullptr)) {}
  Ref& operator=(Ref&& other) noexcept {
    Ref old(std::exchange(object_, std::exchange(other.object_, nullptr)));
    return *this;
  }
  ~Ref() { Py_XDECREF(object_); }
  Ref(const Ref&) = delete;
  Ref& operator=(const Ref&) = delete;

  PyObject* get() const { return object_; }
  PyObject* release() { return std::exchange(object_, nullptr); }
  explicit operator bool() const { return object_ != nullptr; }

 private:
  PyObject* object_ = nullptr;
};

// Takes the GIL back. When the interpreter is gone meanwhile, Python ends the thread by unwinding its stack, which
// would run destructors that need the GIL; such a thread of a process about to end sleeps instead.
inline void restore_thread(PyThreadState* state) noexcept {
  try {
    PyEval_RestoreThread(state);
  } catch (...) {
    while (true) pause();
  }
}

// Lets other Python threads run while this one waits in the engine. Nothing of Python may be touched meanwhile, except
// through Reacquired.
class GilReleased {
 public:
  GilReleased() : state_(PyEval_SaveThread()) {}
  ~GilReleased() { restore_thread(state_); }
  GilReleased(const GilReleased&) = delete;
  GilReleased& operator=(const GilReleased&) = delete;

 private:
  friend class Reacquired;
  PyThreadState* state_;
};

// The GIL again, for a callback out of a GilReleased region of the same thread.
// REQUIRES: no engine lock is held.
class Reacquired {
 public:
  explicit Reacquired(GilReleased& region) : region_(region) { restore_thread(region_.state_); }
  ~Reacquired() { region_.state_ = PyEval_SaveThread(); }
  Reacquired(const Reacquired&) = delete;
  Reacquired& operator=(const Reacquired&) = delete;

 private:
  GilReleased& region_;
};

// The str `text`; what is not UTF-8 in it is replaced.
inline PyObject* str(std::string_view text) {
  return PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(text.size()), "replace");
}

// type(object).__name__, for error messages.
std::string type_name(PyObject* object);

}  // namespace strata::python
