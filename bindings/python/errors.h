// From a Status to an exception: the one place where codes become classes of stratadb.errors.
#pragma once

#include <string>

#include "python.h"
#include "strata/status.h"

namespace strata::python {

// Looks the classes up in stratadb.errors. False with an exception set.
bool load_error_classes();

// Sets the exception that belongs to an error, unless one is set already (by the handler of a signal), and returns
// null, so that a function may `return raise(status);`. REQUIRES: !status.is_ok().
PyObject* raise(const Status& status);
PyObject* raise(Code code, std::string message, std::string hint = "");
// A plain TypeError.
PyObject* raise_type(const std::string& message);

}  // namespace strata::python
