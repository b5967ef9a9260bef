// Python objects to values in the binary form and back, without anything in between.
//
// None, bool, int, float, str, bytes, list and dict come back as the
// same type, tuples as lists, bytearray and memoryview as bytes, NumPy scalars and arrays as what they hold. Subclasses
// are stored as the plain type, and methods they override are not called.
#pragma once

#include <string_view>

#include "python.h"
#include "strata/value.h"

namespace strata::python {

// Encodes `value` into `out`, which is cleared first. False with an exception set that names the place in the value
// (`$.a[3]`): ValidationError integer_out_of_range, invalid_unicode, nesting_too_deep, value_too_large; TypeError.
bool encode(PyObject* value, ValueWriter& out);

// Encodes what belongs under a key, or what is named like one (`what`); a key that is refused is the error that is
// reported first.
bool encode_for(std::string_view key, const char* what, PyObject* value, ValueWriter& out);

// A new reference; null with CorruptionError (or MemoryError) set.
PyObject* decode(std::string_view value);
// A dict with room for so many members.
PyObject* new_dict(uint32_t count);

// A new str; null with CorruptionError set when the bytes are not UTF-8.
PyObject* decode_text(std::string_view utf8);
// As decode_text, for what recurs: a short one is kept.
PyObject* decode_name(std::string_view utf8);

// The UTF-8 of a str or of an instance of a subclass, valid as long as the object. False, without an exception, when it
// holds a lone surrogate. REQUIRES: PyUnicode_Check(text).
bool utf8_of(PyObject* text, std::string_view* utf8);

// The error for a str that holds a lone surrogate. Returns null.
PyObject* raise_surrogate(std::string_view what, std::string_view path, PyObject* text);

}  // namespace strata::python
