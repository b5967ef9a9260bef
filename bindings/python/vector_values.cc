#include "vector_values.h"

#include <vector>

#include "convert.h"
#include "errors.h"
#include "floats.h"
#include "pool.h"
#include "rows.h"

namespace strata::python {

const VectorNames& names_of_vectors() {
  static const VectorNames all;
  return all;
}

bool name_error(const std::string& what) {
  PyObject* type = nullptr;
  PyObject* error = nullptr;
  PyObject* trace = nullptr;
  PyErr_Fetch(&type, &error, &trace);
  PyErr_NormalizeException(&type, &error, &trace);
  const Ref arguments(error != nullptr ? PyObject_GetAttrString(error, "args") : nullptr);
  const bool has_text = arguments && PyTuple_Check(arguments.get()) && PyTuple_GET_SIZE(arguments.get()) == 1 &&
                        PyUnicode_Check(PyTuple_GET_ITEM(arguments.get(), 0));
  const Ref text(has_text ? PyUnicode_FromFormat("%s: %U", what.c_str(), PyTuple_GET_ITEM(arguments.get(), 0))
                          : nullptr);
  const Ref named(text ? PyTuple_Pack(1, text.get()) : nullptr);
  if (named && PyObject_SetAttrString(error, "args", named.get()) == 0 && PyObject_HasAttrString(error, "message")) {
    (void)PyObject_SetAttrString(error, "message", text.get());
  }
  PyErr_Clear();
  PyErr_Restore(type, error, trace);
  return false;
}

bool metadata_argument(PyObject* given, const std::string& what, ValueWriter* writer) {
  writer->clear();
  if (given == nullptr || given == Py_None) return true;
  if (!PyDict_Check(given)) {
    raise_type(what + " must be a dict or None, not " + type_name(given));
    return false;
  }
  return encode(given, *writer) || name_error(what);
}

bool set_vector(PyObject* dict, const VectorEntry& entry) {
  const VectorNames& names = names_of_vectors();
  return set_named(dict, names.embedding, array_of(entry.components)) &&
         set_named(dict, names.metadata, decode(entry.metadata));
}

PyObject* vector_value(std::string_view stored) {
  const auto entry = Vectors::entry_of(stored);
  if (!entry.is_ok()) return raise(entry.status());
  Ref dict(PyDict_New());
  return dict && set_vector(dict.get(), *entry) ? dict.release() : nullptr;
}

bool encode_vector_value(PyObject* given, std::string* stored) {
  const VectorNames& names = names_of_vectors();
  const bool is_dict = PyDict_Check(given);
  const Ref embedding = Ref::borrow(is_dict ? PyDict_GetItemWithError(given, names.embedding) : nullptr);
  const Ref metadata = Ref::borrow(embedding ? PyDict_GetItemWithError(given, names.metadata) : nullptr);
  if (PyErr_Occurred()) return false;
  if (!metadata || PyDict_GET_SIZE(given) != 2) {
    raise_type("the value of a vector must be a dict of embedding and metadata");
    return false;
  }
  std::vector<float> components;
  Pooled<ValueWriter> writer;
  if (!append_vector(embedding.get(), "embedding", &components) ||
      !metadata_argument(metadata.get(), "metadata", &*writer)) {
    return false;
  }
  const auto value = Vectors::value_of(components, writer->size() > 0 ? writer->result() : std::string_view());
  if (!value.is_ok()) {
    raise(value.status());
    return false;
  }
  *stored = *value;
  return true;
}

}  // namespace strata::python
