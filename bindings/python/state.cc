// Session.state_*.
#include "strata/state.h"

#include "arguments.h"
#include "convert.h"
#include "pool.h"
#include "rows.h"
#include "session.h"

namespace strata::python {
namespace {

constexpr char kSetDoc[] =
    R"(state_set($self, cell, value)
--

Stores `value` in `cell`, whatever is there, and returns the cell's new version.

Cells are named by the rules for keys, and hold what keys hold. Errors as for `kv_put`.

>>> db.state_set("status", "idle"), db.state_set("status", "busy")
(1, 2)
)";

constexpr char kGetDoc[] =
    R"(state_get($self, cell, *, default=None, as_of=None)
--

Returns the value of `cell`, or `default` if there is none.

`as_of` and errors as for `kv_get`.

>>> db.state_set("status", "idle")
1
>>> db.state_get("status"), db.state_get("mood"), db.state_get("mood", default="calm")
('idle', None, 'calm')
)";

constexpr char kGetVersionedDoc[] =
    R"(state_get_versioned($self, cell, *, as_of=None)
--

Returns `{"value", "version", "timestamp"}`, or None if the cell has no value.

`timestamp` is in microseconds since 1970, and None for what the open transaction wrote itself. `as_of` and errors as
for `kv_get`.

>>> db.state_set("status", "idle")
1
>>> found = db.state_get_versioned("status")
>>> found["value"], found["version"]
('idle', 1)
)";

constexpr char kInitDoc[] =
    R"(state_init($self, cell, value)
--

Stores `value` if `cell` has none (a stored None is one), and returns the cell's version afterwards.

Of several callers one writes. Errors as for `kv_put`.

>>> db.state_init("counter", 0), db.state_init("counter", 100)
(1, 1)
>>> db.state_get("counter")
0
)";

constexpr char kCasDoc[] =
    R"(state_cas($self, cell, value, expected=None, *, expected_version=None)
--

Stores `value` if the cell holds `expected`, or has `expected_version`, and returns the new version.

Whatever `state_get` returned matches: the same type and value, NaN as NaN, dicts whatever the order of their members.
None matches a cell that is absent or holds None; its version tells them apart, 0 being absent. Comparing and writing
are one step, outside of a transaction on the newest state.

Raises ConflictError `cas_mismatch`, whose `current` and `current_version` say what is there instead (None and 0 if
nothing is); ValidationError `invalid_argument` if `expected` and `expected_version` are both given, `out_of_range`;
otherwise as `kv_put`.

>>> db.state_cas("leader", "agent-1")
1
>>> db.state_cas("leader", "agent-2", expected="agent-1")
2
>>> try:
...     db.state_cas("leader", "agent-3", expected_version=1)
... except RuntimeError as error:
...     print(error.code, error.current, error.current_version)
cas_mismatch agent-2 2
)";

constexpr char kDeleteDoc[] =
    R"(state_delete($self, cell)
--

Deletes the value of `cell` and returns whether there was one.

Versions go on from the deletion, as with `kv_delete`. Errors as for `kv_delete`.

>>> db.state_set("status", "idle")
1
>>> db.state_delete("status"), db.state_delete("status")
(True, False)
)";

constexpr char kListDoc[] =
    R"(state_list($self, prefix=None, *, as_of=None)
--

Returns the cells that have a value and whose names start with `prefix` (None and "" mean all), sorted by their bytes.

`as_of` and errors as for `kv_get`.

>>> db.state_set("lock:a", 1), db.state_set("status", "idle")
(1, 1)
>>> db.state_list(), db.state_list("lock:")
(['lock:a', 'status'], ['lock:a'])
)";

constexpr char kHistoryDoc[] =
    R"(state_history($self, cell, *, as_of=None)
--

Returns all kept versions of `cell`, newest first, or None if it never existed.

Each is `{"value", "version", "timestamp", "deleted"}`, as in `kv_history`. `as_of` and errors as for `kv_history`.

>>> db.state_set("status", "idle"), db.state_set("status", "busy")
(1, 2)
>>> [(entry["version"], entry["value"]) for entry in db.state_history("status")]
[(2, 'busy'), (1, 'idle')]
)";

constexpr Signature kSet{"state_set", 2, 2, {"cell", "value"}};
constexpr Signature kGet{"state_get", 1, 1, {"cell", "default", "as_of"}};
constexpr Signature kGetVersioned{"state_get_versioned", 1, 1, {"cell", "as_of"}};
constexpr Signature kInit{"state_init", 2, 2, {"cell", "value"}};
constexpr Signature kCas{"state_cas", 3, 2, {"cell", "value", "expected", "expected_version"}};
constexpr Signature kDelete{"state_delete", 1, 1, {"cell"}};
constexpr Signature kList{"state_list", 1, 0, {"prefix", "as_of"}};
constexpr Signature kHistory{"state_history", 1, 1, {"cell", "as_of"}};

bool cell_argument(PyObject* given, std::string_view* cell) { return text_argument(given, "cell", cell); }

// ConflictError with what was found.
PyObject* raise_mismatch(const Status& status, const Mismatch& found) {
  const Ref current(decode(found.value));
  if (!current) return nullptr;
  raise(status);
  PyObject* type = nullptr;
  PyObject* error = nullptr;
  PyObject* trace = nullptr;
  PyErr_Fetch(&type, &error, &trace);
  PyErr_NormalizeException(&type, &error, &trace);
  const Ref version(number(found.version));
  if (error == nullptr || !version || PyObject_SetAttrString(error, "current", current.get()) != 0 ||
      PyObject_SetAttrString(error, "current_version", version.get()) != 0) {
    PyErr_Clear();
  }
  PyErr_Restore(type, error, trace);
  return nullptr;
}

// What the calls that store a value under a name have in common.
template <typename Store>
PyObject* store(Handle* handle, PyObject* given_cell, PyObject* value, Store call_store) {
  std::string_view cell;
  if (!cell_argument(given_cell, &cell)) return nullptr;
  Pooled<ValueWriter> writer;
  if (!encode_for(cell, "cell", value, *writer)) return nullptr;
  const Result<uint64_t> version =
      run(handle, [&](Call& call) { return call_store(State(call), cell, writer->result()); });
  return version.is_ok() ? number(*version) : raise(version.status());
}

PyObject* state_set(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  if (!given.parse(kSet, arguments, count, names)) return nullptr;
  return store(handle, given[0], given[1], [](State state, auto cell, auto value) { return state.set(cell, value); });
}

PyObject* state_init(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  if (!given.parse(kInit, arguments, count, names)) return nullptr;
  return store(handle, given[0], given[1], [](State state, auto cell, auto value) { return state.init(cell, value); });
}

PyObject* state_get(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view cell;
  AsOf as_of;
  if (!given.parse(kGet, arguments, count, names) || !cell_argument(given[0], &cell) ||
      !time_argument(given[2], "as_of", &as_of)) {
    return nullptr;
  }
  Pooled<std::string> buffer;
  const auto found = run(handle, [&](Call& call) { return State(call).get(cell, as_of, &*buffer); });
  if (!found.is_ok()) return raise(found.status());
  if (found->has_value()) return decode((*found)->value);
  return Py_NewRef(given[1] != nullptr ? given[1] : Py_None);
}

PyObject* state_get_versioned(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view cell;
  AsOf as_of;
  if (!given.parse(kGetVersioned, arguments, count, names) || !cell_argument(given[0], &cell) ||
      !time_argument(given[1], "as_of", &as_of)) {
    return nullptr;
  }
  Pooled<std::string> buffer;
  const auto found = run(handle, [&](Call& call) { return State(call).get(cell, as_of, &*buffer); });
  if (!found.is_ok()) return raise(found.status());
  return found->has_value() ? versioned(**found) : Py_NewRef(Py_None);
}

PyObject* state_cas(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view cell;
  if (!given.parse(kCas, arguments, count, names) || !cell_argument(given[0], &cell)) return nullptr;
  Pooled<ValueWriter> value;
  Pooled<ValueWriter> other;
  Expected expected;
  if (!encode_for(cell, "cell", given[1], *value)) return nullptr;
  const bool has_value = given[2] != nullptr && given[2] != Py_None;
  if (given[3] != nullptr && given[3] != Py_None) {
    if (has_value)
      return raise(Code::kInvalidArgument, "state_cas takes expected or expected_version, not both",
                   "leave one of them out");
    int64_t version = 0;
    if (!integer_argument(given[3], "expected_version", 0, &version)) return nullptr;
    expected.version = static_cast<uint64_t>(version);
  }
  if (has_value) {
    if (!encode_for(cell, "cell", given[2], *other)) return nullptr;
    expected.value = other->result();
  }
  Mismatch found;
  const auto version =
      run(handle, [&](Call& call) { return State(call).compare_and_swap(cell, value->result(), expected, &found); });
  if (version.is_ok()) return number(*version);
  return version.status().code() == Code::kCasMismatch ? raise_mismatch(version.status(), found)
                                                       : raise(version.status());
}

PyObject* state_delete(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view cell;
  if (!given.parse(kDelete, arguments, count, names) || !cell_argument(given[0], &cell)) return nullptr;
  const auto found = run(handle, [&](Call& call) { return State(call).erase(cell); });
  return found.is_ok() ? PyBool_FromLong(*found) : raise(found.status());
}

PyObject* state_list(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::optional<std::string_view> prefix;
  AsOf as_of;
  if (!given.parse(kList, arguments, count, names) || !optional_text(given[0], "prefix", &prefix) ||
      !time_argument(given[1], "as_of", &as_of)) {
    return nullptr;
  }
  Pooled<KeyList> cells;
  const Status status = run(handle, [&](Call& call) {
    cells->clear();
    return State(call).list(prefix.value_or(std::string_view()), as_of, &*cells);
  });
  return status.is_ok() ? list_of_keys(*cells) : raise(status);
}

PyObject* state_history(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view cell;
  AsOf as_of;
  if (!given.parse(kHistory, arguments, count, names) || !cell_argument(given[0], &cell) ||
      !time_argument(given[1], "as_of", &as_of)) {
    return nullptr;
  }
  return history_of<State>(handle, cell, as_of);
}

}  // namespace

std::span<const PyMethodDef> state_methods() {
  static const PyMethodDef methods[] = {
      define<state_set>("state_set", kSetDoc),
      define<state_get>("state_get", kGetDoc),
      define<state_get_versioned>("state_get_versioned", kGetVersionedDoc),
      define<state_init>("state_init", kInitDoc),
      define<state_cas>("state_cas", kCasDoc),
      define<state_delete>("state_delete", kDeleteDoc),
      define<state_list>("state_list", kListDoc),
      define<state_history>("state_history", kHistoryDoc),
  };
  return methods;
}

}  // namespace strata::python
