// Arrays of numbers from Python as rows of float32: NumPy arrays and any other buffer (of any stride and byte order),
// DLPack, objects with __array__, and lists of int and float. NumPy is never imported for it.
//
// Thread safety: as python.h. Ownership: copies; nothing of what was given is kept.
#pragma once

#include <cstddef>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "python.h"

namespace strata::python {

struct FloatRows {
  std::vector<float> values;  // row after row
  size_t rows = 0;
  size_t columns = 0;
};

// Appends one vector to *values. `what` begins the message of an error. False with an exception set: TypeError for what
// holds other things than int and float, ValidationError invalid_vector for another number of dimensions. NaN, and what
// is too large for float32, is left to the engine, which names the row.
bool append_vector(PyObject* given, const std::string& what, std::vector<float>* values);
// The same for an array of two dimensions, or a list of vectors of one length.
bool rows_argument(PyObject* given, const std::string& what, FloatRows* rows);

// A new NumPy array of little-endian float32. Null with an exception set: StateError numpy_missing if NumPy is not
// installed.
PyObject* array_of(std::string_view components);

}  // namespace strata::python
