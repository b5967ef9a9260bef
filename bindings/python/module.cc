// The module stratadb._native.
#if defined(__GNUC__)
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wshadow"
#pragma GCC diagnostic ignored "-Wpedantic"
#endif
#include <nanobind/nanobind.h>
#if defined(__GNUC__)
#pragma GCC diagnostic pop
#endif

#include "errors.h"
#include "python.h"
#include "session.h"

namespace strata::python {
namespace {

// Runs when the interpreter exits, while there still is one: the engines' own threads end before it goes.
PyObject* close_all(PyObject*, PyObject*) {
  {
    GilReleased released;
    Session::close_all();
  }
  Py_RETURN_NONE;
}

PyMethodDef close_all_definition = {"_close_all", &close_all, METH_NOARGS, nullptr};

bool register_exit_hook() {
  const Ref hook(PyCFunction_New(&close_all_definition, nullptr));
  const Ref atexit(PyImport_ImportModule("atexit"));
  if (!hook || !atexit) return false;
  return static_cast<bool>(Ref(PyObject_CallMethod(atexit.get(), "register", "O", hook.get())));
}

bool fill(PyObject* module) {
  if (!load_error_classes() || !register_exit_hook()) return false;
  const Ref type(make_session_type());
  const Ref version(str(library_version()));
  return type && version && PyModule_AddObjectRef(module, "Session", type.get()) == 0 &&
         PyModule_AddObjectRef(module, "__version__", version.get()) == 0;
}

}  // namespace
}  // namespace strata::python

NB_MODULE(_native, module) {
  module.doc() = "The compiled part of the package.";
  if (!strata::python::fill(module.ptr())) throw nanobind::python_error();
}
