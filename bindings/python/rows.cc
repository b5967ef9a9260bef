#include "rows.h"

#include "convert.h"

namespace strata::python {
bool set(PyObject* dict, const char* name, PyObject* value) {
  const Ref owned(value);
  return owned && PyDict_SetItemString(dict, name, owned.get()) == 0;
}

PyObject* optional_path(const std::optional<std::string>& path) {
  if (!path) return Py_NewRef(Py_None);
  return PyUnicode_DecodeFSDefaultAndSize(path->data(), static_cast<Py_ssize_t>(path->size()));
}

PyObject* list_of_keys(const RowList& rows) {
  return list_of(rows.size(), [&](size_t i) { return decode_text(rows.key(i)); });
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

PyObject* list_of_versions(const RowList& rows) {
  return list_of(rows.size(), [&](size_t i) -> PyObject* {
    const RowList::Entry& entry = rows.entry(i);
    Ref dict(PyDict_New());
    if (!dict) return nullptr;
    const bool filled =
        set(dict.get(), "value", entry.deleted ? Py_NewRef(Py_None) : decode(rows.value(i))) &&
        set(dict.get(), "version", number(entry.version)) &&
        set(dict.get(), "timestamp", entry.timestamp == 0 ? Py_NewRef(Py_None) : number(entry.timestamp)) &&
        set(dict.get(), "deleted", PyBool_FromLong(entry.deleted));
    return filled ? dict.release() : nullptr;
  });
}

PyObject* versioned(const VersionedValue& found) {
  Ref dict(PyDict_New());
  const bool filled = dict && set(dict.get(), "value", decode(found.value)) &&
                      set(dict.get(), "version", number(found.version)) &&
                      set(dict.get(), "timestamp", optional_number(found.timestamp));
  return filled ? dict.release() : nullptr;
}

}  // namespace strata::python
