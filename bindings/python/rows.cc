#include "rows.h"

#include "convert.h"

namespace strata::python {
namespace {

// The names that rows of many entries repeat, made once: they live as long as the process.
struct RowNames {
  PyObject* value = PyUnicode_InternFromString("value");
  PyObject* version = PyUnicode_InternFromString("version");
  PyObject* timestamp = PyUnicode_InternFromString("timestamp");
  PyObject* deleted = PyUnicode_InternFromString("deleted");
};
const RowNames& names() {
  static const RowNames all;
  return all;
}

}  // namespace

bool set_named(PyObject* dict, PyObject* name, PyObject* value) {
  const Ref owned(value);
  return owned && name != nullptr && PyDict_SetItem(dict, name, owned.get()) == 0;
}

bool set(PyObject* dict, const char* name, PyObject* value) {
  const Ref owned(value);
  return owned && PyDict_SetItemString(dict, name, owned.get()) == 0;
}

PyObject* optional_path(const std::optional<std::string>& path) {
  if (!path) return Py_NewRef(Py_None);
  return PyUnicode_DecodeFSDefaultAndSize(path->data(), static_cast<Py_ssize_t>(path->size()));
}

PyObject* list_of_keys(const KeyList& keys) {
  return list_of(keys.size(), [&](size_t i) { return decode_text(keys[i]); });
}

PyObject* list_of_names(const std::vector<std::string>& names) {
  return list_of(names.size(), [&](size_t i) { return decode_text(names[i]); });
}

PyObject* list_of_pairs(const RowList& rows) {
  return list_of(rows.size(), [&](size_t i) -> PyObject* {
    Ref pair(PyTuple_New(2));
    Ref key(decode_text(rows.key(i)));
    Ref value(key ? decode(rows.value(i)) : nullptr);
    if (!pair || !value) return nullptr;
    PyTuple_SET_ITEM(pair.get(), 0, key.release());
    PyTuple_SET_ITEM(pair.get(), 1, value.release());
    return pair.release();
  });
}

PyObject* list_of_values(const RowList& rows) {
  return list_of(rows.size(),
                 [&](size_t i) { return rows.entry(i).present ? decode(rows.value(i)) : Py_NewRef(Py_None); });
}

PyObject* list_of_versions(const RowList& rows) { return list_of_versions(rows, &decode); }

PyObject* list_of_versions(const RowList& rows, PyObject* (*decode_value)(std::string_view)) {
  return list_of(rows.size(), [&](size_t i) -> PyObject* {
    const RowList::Entry& entry = rows.entry(i);
    Ref dict(PyDict_New());
    if (!dict) return nullptr;
    const bool filled =
        set_named(dict.get(), names().value, entry.deleted ? Py_NewRef(Py_None) : decode_value(rows.value(i))) &&
        set_named(dict.get(), names().version, number(entry.version)) &&
        set_named(dict.get(), names().timestamp, entry.timestamp == 0 ? Py_NewRef(Py_None) : number(entry.timestamp)) &&
        set_named(dict.get(), names().deleted, PyBool_FromLong(entry.deleted));
    return filled ? dict.release() : nullptr;
  });
}

PyObject* versioned(const VersionedValue& found) {
  Ref dict(PyDict_New());
  const bool filled = dict && set_named(dict.get(), names().value, decode(found.value)) &&
                      set_named(dict.get(), names().version, number(found.version)) &&
                      set_named(dict.get(), names().timestamp, optional_number(found.timestamp));
  return filled ? dict.release() : nullptr;
}

}  // namespace strata::python
