// Rows of the engine as Python's lists and dicts. New references; null with an exception set.
#pragma once

#include <optional>
#include <string>
#include <vector>

#include "python.h"
#include "session.h"
#include "strata/key_list.h"
#include "strata/session.h"

namespace strata::python {

constexpr size_t kItemsBetweenSignals = size_t{1} << 14;

// A list of `count` objects, each made by `make(i)`.
template <typename Make>
PyObject* list_of(size_t count, Make make) {
  Ref list(PyList_New(static_cast<Py_ssize_t>(count)));
  if (!list) return nullptr;
  for (size_t i = 0; i < count; ++i) {
    if (i % kItemsBetweenSignals == kItemsBetweenSignals - 1 && PyErr_CheckSignals() != 0) return nullptr;
    PyObject* item = make(i);
    if (item == nullptr) return nullptr;
    PyList_SET_ITEM(list.get(), static_cast<Py_ssize_t>(i), item);
  }
  return list.release();
}

// A list of str.
PyObject* list_of_keys(const KeyList& keys);
PyObject* list_of_names(const std::vector<std::string>& names);
// A list of (key, value).
PyObject* list_of_pairs(const RowList& rows);
// A list of values, None for gaps.
PyObject* list_of_values(const RowList& rows);
// A list of {"value", "version", "timestamp", "deleted"}.
PyObject* list_of_versions(const RowList& rows);
// The same with the values as `decode_value` makes them.
PyObject* list_of_versions(const RowList& rows, PyObject* (*decode_value)(std::string_view));
// {"value", "version", "timestamp"}.
PyObject* versioned(const VersionedValue& found);

// What `*_history` of a family answers: the versions of what has that name, None for what never existed.
template <typename Family>
PyObject* history_of(Handle* handle, std::string_view name, AsOf as_of) {
  RowList rows;
  const auto existed = run(handle, [&](Call& call) {
    rows.clear();
    return Family(call).history(name, as_of, &rows);
  });
  if (!existed.is_ok()) return raise(existed.status());
  return *existed ? list_of_versions(rows) : Py_NewRef(Py_None);
}

// Puts `value` (taken over; null passes the exception on) into `dict`.
bool set(PyObject* dict, const char* name, PyObject* value);
// The same with a name made once, for dicts of which there are many; a null name passes the exception on.
bool set_named(PyObject* dict, PyObject* name, PyObject* value);
inline PyObject* number(uint64_t n) { return PyLong_FromUnsignedLongLong(n); }
inline PyObject* optional_number(const std::optional<uint64_t>& n) { return n ? number(*n) : Py_NewRef(Py_None); }
// A str, or None in memory.
PyObject* optional_path(const std::optional<std::string>& path);

}  // namespace strata::python
