// The parts of a vector between Python and the engine: what its methods, diffs and merges share.
#pragma once

#include <string>
#include <string_view>

#include "python.h"
#include "strata/value.h"
#include "strata/vector.h"

namespace strata::python {

// The names that results repeat, made once: they live as long as the process.
struct VectorNames {
  PyObject* key = PyUnicode_InternFromString("key");
  PyObject* vector = PyUnicode_InternFromString("vector");
  PyObject* embedding = PyUnicode_InternFromString("embedding");
  PyObject* metadata = PyUnicode_InternFromString("metadata");
  PyObject* score = PyUnicode_InternFromString("score");
};
const VectorNames& names_of_vectors();

// Puts what an error is about before the message of the exception that is set. Returns false.
bool name_error(const std::string& what);
// A dict or None, encoded into *writer, which stays empty for None.
bool metadata_argument(PyObject* given, const std::string& what, ValueWriter* writer);

// embedding and metadata, into `dict`.
bool set_vector(PyObject* dict, const VectorEntry& entry);
// {"embedding", "metadata"} of a stored value. A new reference.
PyObject* vector_value(std::string_view stored);
// The reverse: exactly these two, as vector_upsert takes them. False with an exception set.
bool encode_vector_value(PyObject* given, std::string* stored);

}  // namespace strata::python
