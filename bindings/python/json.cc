// Session.json_*.
#include "strata/json.h"

#include "arguments.h"
#include "convert.h"
#include "pool.h"
#include "rows.h"
#include "session.h"

namespace strata::python {
namespace {

constexpr char kSetDoc[] =
    R"(json_set($self, key, path, value)
--

Puts `value` at `path` in document `key` and returns the document's new version.

`key`: as for `kv_put`. `path`: a JSONPath (RFC 9535) of names and indexes, `$` being the whole document. Objects that
are missing on the way are made, the document too; an index equal to an array's length appends; a negative one counts
from the end. `value`: as for `kv_put`; the limits hold for the whole document. Outside a transaction the newest
document is changed, whoever wrote it.

Raises ValidationError `invalid_path`, `path_not_singular`, `path_conflict` for what does not fit (a name in an array,
an index above its length); otherwise as `kv_put`. Nothing is changed then.

>>> db.json_set("user", "$", {"name": "Ann", "tags": ["new"]})
1
>>> db.json_set("user", "$.address.city", "Rome")
2
>>> db.json_set("user", "$.tags[1]", "vip")
3
>>> db.json_get("user")
{'name': 'Ann', 'tags': ['new', 'vip'], 'address': {'city': 'Rome'}}
)";

constexpr char kGetDoc[] =
    R"(json_get($self, key, path="$", *, as_of=None)
--

Returns what lies at `path` in document `key`: of a path to one place the value, or None if there is nothing; of any
other the list of all matches.

`path`: a JSONPath (RFC 9535). Names and indexes alone lead to one place; `*`, `..`, slices, filters and more than one
selector in brackets to any number. Matches come in the document's order, some several times if the path leads there
several times. Only what is returned is decoded. `as_of` as for `kv_get`. Raises ValidationError `invalid_path`;
ConstraintError `query_too_costly` for a query that would look at too much; otherwise as `kv_get`.

>>> db.json_set("user", "$", {"name": "Ann", "tags": ["new", "vip"], "orders": [{"price": 5}, {"price": 20}]})
1
>>> db.json_get("user", "$.tags[-1]"), db.json_get("user", "$['name']"), db.json_get("user", "$.age")
('vip', 'Ann', None)
>>> db.json_get("user", "$.tags[*]"), db.json_get("user", "$.orders[?@.price > 10]"), db.json_get("user", "$..none")
(['new', 'vip'], [{'price': 20}], [])
)";

constexpr char kGetVersionedDoc[] =
    R"(json_get_versioned($self, key, *, as_of=None)
--

Returns `{"value", "version", "timestamp"}` of the whole document, or None if there is none.

`timestamp` is in microseconds since 1970, and None for what the open transaction wrote itself. `as_of` and errors as
for `kv_get`.

>>> db.json_set("user", "$.name", "Ann")
1
>>> found = db.json_get_versioned("user")
>>> found["value"], found["version"]
({'name': 'Ann'}, 1)
)";

constexpr char kDeleteDoc[] =
    R"(json_delete($self, key, path)
--

Removes all that `path` leads to in document `key` and returns the number of nodes removed.

`path`: any JSONPath, as for `json_get`. Each node counts once, those inside of others too. `$` removes the document,
whose history stays. Where nothing is removed, no version is written. Raises as `json_get`; AccessDeniedError
`read_only`.

>>> db.json_set("user", "$", {"name": "Ann", "tags": ["new", "vip"]})
1
>>> db.json_delete("user", "$.tags[0]"), db.json_delete("user", "$.age")
(1, 0)
>>> db.json_delete("user", "$.tags[?@ == 'vip']")
1
>>> db.json_get("user")
{'name': 'Ann', 'tags': []}
>>> db.json_delete("user", "$"), db.json_get("user")
(1, None)
)";

constexpr char kListDoc[] =
    R"(json_list($self, prefix=None, limit=None, *, as_of=None)
--

Returns the keys of the documents that start with `prefix` (None and "" mean all), sorted by their UTF-8 bytes.

At most `limit` of them (None: all). `as_of` and errors as for `kv_get`; also ValidationError `out_of_range`.

>>> db.json_batch_set([("b", "$", 1), ("a:1", "$", 2), ("a:2", "$", 3)])
[1, 1, 1]
>>> db.json_list("a:"), db.json_list(limit=1)
(['a:1', 'a:2'], ['a:1'])
)";

constexpr char kHistoryDoc[] =
    R"(json_history($self, key, *, as_of=None)
--

Returns all kept versions of document `key`, whole and newest first, or None if it never existed.

Each is `{"value", "version", "timestamp", "deleted"}`; a deletion has the value None. With `as_of` only what was
written up to then. Errors as for `kv_get`.

>>> db.json_set("user", "$", {"name": "Ann"}), db.json_set("user", "$.age", 3)
(1, 2)
>>> [(entry["version"], entry["value"]) for entry in db.json_history("user")]
[(2, {'name': 'Ann', 'age': 3}), (1, {'name': 'Ann'})]
)";

constexpr char kMergeDoc[] =
    R"(json_merge($self, key, patch, path="$")
--

Merges `patch` (RFC 7396) into what lies at `path` and returns the document's new version.

Members of a dict are merged one by one, None removes a member; anything else replaces what is there. What is missing
on the way to `path` is made as by `json_set`, which has the same errors.

>>> db.json_set("user", "$", {"name": "Ann", "age": 3, "address": {"city": "Rome", "zip": "1"}})
1
>>> db.json_merge("user", {"age": None, "address": {"city": "Oslo"}})
2
>>> db.json_get("user")
{'name': 'Ann', 'address': {'city': 'Oslo', 'zip': '1'}}
)";

constexpr char kPatchDoc[] =
    R"(json_patch($self, key, operations)
--

Applies `operations` (RFC 6902) to document `key`, all or none, and returns its new version.

`operations`: a list of dict with `op` (add, remove, replace, move, copy, test), `path` and, as the `op` wants it,
`value` or `from`; places are JSON Pointers such as `/tags/0`. `test` compares numbers by what they are worth.

Raises NotFoundError `document_not_found`; ConflictError `patch_test_failed`; ValidationError `path_conflict` for a
place that is not there (the whole document cannot be removed), `invalid_patch`; otherwise as `json_set`. The message
names the operation, counted from 0. Nothing is changed then.

>>> db.json_set("user", "$", {"name": "Ann", "tags": ["new"]})
1
>>> db.json_patch("user", [
...     {"op": "test", "path": "/name", "value": "Ann"},
...     {"op": "add", "path": "/tags/-", "value": "vip"},
...     {"op": "move", "from": "/name", "path": "/first"},
... ])
2
>>> db.json_get("user")
{'tags': ['new', 'vip'], 'first': 'Ann'}
)";

constexpr char kBatchSetDoc[] =
    R"(json_batch_set($self, entries, *, progress=None)
--

Does what `json_set` does for each `(key, path, value)` of `entries`, in one commit, all or nothing.

Returns the versions in the same order: one new version a document, however many entries change it. Later entries see
what earlier ones did. `progress(done, total)` is called before it takes effect; an exception in it ends the call and
nothing is changed. Errors as for `json_set`.

>>> db.json_batch_set([("a", "$.x", 1), ("b", "$", []), ("a", "$.y", 2)])
[1, 1, 1]
>>> db.json_get("a"), db.json_get("b")
({'x': 1, 'y': 2}, [])
)";

constexpr char kFindDoc[] =
    R"(json_find($self, query, limit=None, *, as_of=None)
--

Returns the documents of the current space for which a condition holds, sorted by their keys' UTF-8 bytes.

Each is `{"key", "value"}`, the value whole; at most `limit` of them (None: all). `query`: a filter of RFC 9535 with `@`
for the document, "@.age > 3", or the same as "$[?@.age > 3]". All documents of the space are looked at, unless an index
(`json_create_index`) tells which may fit; Ctrl-C ends it. `as_of` as for `kv_get`. Raises ValidationError `invalid_path`, `out_of_range`; ConstraintError `query_too_costly` if it
would look at too much in one document; otherwise as `kv_get`.

>>> db.json_batch_set([("ann", "$", {"age": 3, "tags": ["new"]}), ("ben", "$", {"age": 5}), ("eve", "$", {"age": 7})])
[1, 1, 1]
>>> db.json_find("@.age > 3", limit=1)
[{'key': 'ben', 'value': {'age': 5}}]
>>> [found["key"] for found in db.json_find("@.age == 7 || @.tags[?@ == 'new']")]
['ann', 'eve']
)";

constexpr char kCreateIndexDoc[] =
    R"(json_create_index($self, name, path)
--

Makes an index for `json_find` in the current space, of what lies at `path` in its documents, and returns None.

`path` leads to one place: "$.address.city". The index is data of the branch: it takes part in transactions, forks,
merges, bundles and `as_of`. It never changes an answer, and a write does nothing for it: it is brought up to date by the
next `json_find` that it fits. Raises ConstraintError `index_exists`; ValidationError `invalid_key`, `invalid_path`,
`path_not_singular`; otherwise as `json_set`.

>>> db.json_create_index("by_age", "$.age")
>>> db.json_batch_set([("ann", "$", {"age": 3}), ("ben", "$", {"age": 5})])
[1, 1]
>>> db.json_find("@.age >= 5")
[{'key': 'ben', 'value': {'age': 5}}]
)";

constexpr char kListIndexesDoc[] =
    R"(json_list_indexes($self, *, as_of=None)
--

Returns the indexes of the current space, `{"name", "path"}` each, sorted by their names' UTF-8 bytes.

`as_of` as for `kv_get`. Raises as `kv_get`.

>>> db.json_create_index("by_age", "$.age")
>>> db.json_list_indexes()
[{'name': 'by_age', 'path': '$.age'}]
)";

constexpr char kDropIndexDoc[] =
    R"(json_drop_index($self, name)
--

Removes an index and returns whether there was one. Raises ValidationError `invalid_key`; otherwise as `kv_delete`.

>>> db.json_create_index("by_age", "$.age")
>>> db.json_drop_index("by_age"), db.json_drop_index("by_age")
(True, False)
)";

constexpr Signature kSet{"json_set", 3, 3, {"key", "path", "value"}};
constexpr Signature kGet{"json_get", 2, 1, {"key", "path", "as_of"}};
constexpr Signature kGetVersioned{"json_get_versioned", 1, 1, {"key", "as_of"}};
constexpr Signature kDelete{"json_delete", 2, 2, {"key", "path"}};
constexpr Signature kList{"json_list", 2, 0, {"prefix", "limit", "as_of"}};
constexpr Signature kHistory{"json_history", 1, 1, {"key", "as_of"}};
constexpr Signature kMerge{"json_merge", 3, 2, {"key", "patch", "path"}};
constexpr Signature kPatch{"json_patch", 2, 2, {"key", "operations"}};
constexpr Signature kBatchSet{"json_batch_set", 1, 1, {"entries", "progress"}};
constexpr Signature kFind{"json_find", 2, 1, {"query", "limit", "as_of"}};
constexpr Signature kCreateIndex{"json_create_index", 2, 2, {"name", "path"}};
constexpr Signature kListIndexes{"json_list_indexes", 0, 0, {"as_of"}};
constexpr Signature kDropIndex{"json_drop_index", 1, 1, {"name"}};

// How many entries of a batch are converted between two calls of `progress`.
constexpr size_t kProgressStride = 4096;

PyObject* json_set(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view key;
  std::string_view path;
  if (!given.parse(kSet, arguments, count, names) || !text_argument(given[0], "key", &key) ||
      !text_argument(given[1], "path", &path)) {
    return nullptr;
  }
  Pooled<ValueWriter> writer;
  if (!encode(given[2], *writer)) return nullptr;
  const auto version = run(handle, [&](Call& call) { return Json(call).set(key, path, writer->result()); });
  return version.is_ok() ? number(*version) : raise(version.status());
}

PyObject* json_get(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view key;
  std::string_view path = "$";
  AsOf as_of;
  if (!given.parse(kGet, arguments, count, names) || !text_argument(given[0], "key", &key)) return nullptr;
  if (given[1] != nullptr && !text_argument(given[1], "path", &path)) return nullptr;
  if (given[2] != nullptr && !time_argument(given[2], "as_of", &as_of)) return nullptr;
  Pooled<std::string> buffer;
  const auto found = run(handle, [&](Call& call) { return Json(call).get(key, path, as_of, &*buffer); });
  if (found.is_ok()) return found->has_value() ? decode((*found)->value) : Py_NewRef(Py_None);
  if (found.status().code() != Code::kPathNotSingular) return raise(found.status());
  RowList matches;
  const Status selected = run(handle, [&](Call& call) {
    matches.clear();
    return Json(call).select(key, path, as_of, &matches);
  });
  return selected.is_ok() ? list_of_values(matches) : raise(selected);
}

PyObject* json_get_versioned(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view key;
  AsOf as_of;
  if (!given.parse(kGetVersioned, arguments, count, names) || !text_argument(given[0], "key", &key) ||
      !time_argument(given[1], "as_of", &as_of)) {
    return nullptr;
  }
  Pooled<std::string> buffer;
  const auto found = run(handle, [&](Call& call) { return Json(call).get(key, "$", as_of, &*buffer); });
  if (!found.is_ok()) return raise(found.status());
  return found->has_value() ? versioned(**found) : Py_NewRef(Py_None);
}

PyObject* json_delete(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view key;
  std::string_view path;
  if (!given.parse(kDelete, arguments, count, names) || !text_argument(given[0], "key", &key) ||
      !text_argument(given[1], "path", &path)) {
    return nullptr;
  }
  const auto removed = run(handle, [&](Call& call) { return Json(call).erase(key, path); });
  return removed.is_ok() ? number(*removed) : raise(removed.status());
}

PyObject* json_list(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::optional<std::string_view> prefix;
  std::optional<uint64_t> limit;
  AsOf as_of;
  if (!given.parse(kList, arguments, count, names) || !optional_text(given[0], "prefix", &prefix) ||
      !limit_argument(given[1], &limit) || !time_argument(given[2], "as_of", &as_of)) {
    return nullptr;
  }
  Pooled<KeyList> keys;
  const Status status = run(handle, [&](Call& call) {
    keys->clear();
    return Json(call).list(prefix.value_or(std::string_view()), limit, as_of, &*keys);
  });
  return status.is_ok() ? list_of_keys(*keys) : raise(status);
}

PyObject* json_history(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view key;
  AsOf as_of;
  if (!given.parse(kHistory, arguments, count, names) || !text_argument(given[0], "key", &key) ||
      !time_argument(given[1], "as_of", &as_of)) {
    return nullptr;
  }
  return history_of<Json>(handle, key, as_of);
}

PyObject* json_merge(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view key;
  std::string_view path = "$";
  if (!given.parse(kMerge, arguments, count, names) || !text_argument(given[0], "key", &key)) return nullptr;
  if (given[2] != nullptr && !text_argument(given[2], "path", &path)) return nullptr;
  Pooled<ValueWriter> writer;
  if (!encode(given[1], *writer)) return nullptr;
  const auto version = run(handle, [&](Call& call) { return Json(call).merge(key, writer->result(), path); });
  return version.is_ok() ? number(*version) : raise(version.status());
}

// Values one behind the other in one buffer. Views are made when all are there, since the buffer moves.
class EncodedValues {
 public:
  bool add(PyObject* value) {
    if (!encode(value, *writer_)) return false;
    starts_.push_back(bytes_.size());
    bytes_.append(writer_->result());
    return true;
  }
  std::string_view view(size_t i) const {
    const size_t end = i + 1 < starts_.size() ? starts_[i + 1] : bytes_.size();
    return std::string_view(bytes_).substr(starts_[i], end - starts_[i]);
  }
  size_t size() const { return starts_.size(); }

 private:
  Pooled<ValueWriter> writer_;
  std::string bytes_;
  std::vector<size_t> starts_;
};

// The operations of a patch. What they view belongs to the objects in `held`, or to `values`.
struct GivenPatch {
  std::vector<Ref> held;
  EncodedValues values;
  std::vector<JsonOperation> operations;

  bool add(PyObject* dict) {
    JsonOperation& operation = operations.emplace_back();
    std::optional<std::string_view> op;
    if (!text_member(dict, "op", &op) || !text_member(dict, "path", &operation.path) ||
        !text_member(dict, "from", &operation.from)) {
      return false;
    }
    operation.op = op.value_or(std::string_view());
    PyObject* value = nullptr;
    const bool wants = operation.op == "add" || operation.op == "replace" || operation.op == "test";
    if (wants && !member(dict, "value", &value)) return false;
    if (value == nullptr) return true;
    operation.value.emplace();
    return values.add(value);
  }
  void place_values() {
    size_t next = 0;
    for (JsonOperation& operation : operations) {
      if (operation.value) operation.value = values.view(next++);
    }
  }

 private:
  // *found: null if there is none.
  bool member(PyObject* dict, const char* name, PyObject** found) {
    const Ref key(str(name));
    if (!key) return false;
    *found = PyDict_GetItemWithError(dict, key.get());
    if (*found != nullptr) held.push_back(Ref::borrow(*found));
    return PyErr_Occurred() == nullptr;
  }
  // What is no str counts as missing.
  bool text_member(PyObject* dict, const char* name, std::optional<std::string_view>* text) {
    PyObject* found = nullptr;
    if (!member(dict, name, &found)) return false;
    if (found == nullptr || !PyUnicode_Check(found)) return true;
    return text_argument(found, name, &text->emplace());
  }
};

PyObject* json_patch(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view key;
  if (!given.parse(kPatch, arguments, count, names) || !text_argument(given[0], "key", &key)) return nullptr;
  if (!PyList_Check(given[1]) && !PyTuple_Check(given[1])) {
    return raise_type("operations must be a list of dict, not " + type_name(given[1]));
  }
  // A copy, since converting values may run Python code that changes the list.
  const Ref list(PySequence_Tuple(given[1]));
  if (!list) return nullptr;
  GivenPatch patch;
  for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(list.get()); ++i) {
    PyObject* operation = PyTuple_GET_ITEM(list.get(), i);
    if (!PyDict_Check(operation)) {
      return raise_type("operations must be a list of dict, and one is " + type_name(operation));
    }
    if (!patch.add(operation)) return nullptr;
  }
  patch.place_values();
  const auto version = run(handle, [&](Call& call) { return Json(call).patch(key, patch.operations); });
  return version.is_ok() ? number(*version) : raise(version.status());
}

// The entries of a batch. Keys and paths belong to the objects in `held`.
struct GivenBatch {
  std::vector<Ref> held;
  EncodedValues values;
  std::vector<Json::Item> items;

  bool add(PyObject* entry) {
    const bool three = (PyTuple_Check(entry) || PyList_Check(entry)) && PySequence_Size(entry) == 3;
    if (!three) return raise_type("json_batch_set takes a list of (key, path, value)") != nullptr;
    const Ref parts(PySequence_Tuple(entry));
    if (!parts) return false;
    PyObject* const key = PyTuple_GET_ITEM(parts.get(), 0);
    PyObject* const path = PyTuple_GET_ITEM(parts.get(), 1);
    held.push_back(Ref::borrow(key));
    held.push_back(Ref::borrow(path));
    Json::Item& item = items.emplace_back();
    return text_argument(key, "key", &item.key) && text_argument(path, "path", &item.path) &&
           values.add(PyTuple_GET_ITEM(parts.get(), 2));
  }
};

PyObject* json_batch_set(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  PyObject* progress = nullptr;
  if (!given.parse(kBatchSet, arguments, count, names) || !progress_argument(given[1], &progress)) return nullptr;
  PyObject* entries = given[0];
  if (PyUnicode_Check(entries) || PyBytes_Check(entries) || PyDict_Check(entries)) {
    return raise_type("json_batch_set takes a list of (key, path, value), not " + type_name(entries));
  }
  const Ref list(PySequence_Tuple(entries));
  if (!list) return nullptr;
  GivenBatch batch;
  const auto total = static_cast<size_t>(PyTuple_GET_SIZE(list.get()));
  for (size_t done = 0; done < total; ++done) {
    if (done > 0 && done % kProgressStride == 0) {
      if (PyErr_CheckSignals() != 0 || !report(progress, done, total)) return nullptr;
    }
    if (!batch.add(PyTuple_GET_ITEM(list.get(), static_cast<Py_ssize_t>(done)))) return nullptr;
  }
  if (!report(progress, total, total)) return nullptr;
  for (size_t i = 0; i < total; ++i) batch.items[i].value = batch.values.view(i);
  const auto versions = run(handle, [&](Call& call) { return Json(call).set_batch(batch.items); });
  if (!versions.is_ok()) return raise(versions.status());
  return list_of(versions->size(), [&](size_t i) { return number((*versions)[i]); });
}

// ---- what searches documents ----

PyObject* json_find(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view query;
  std::optional<uint64_t> limit;
  AsOf as_of;
  if (!given.parse(kFind, arguments, count, names) || !text_argument(given[0], "query", &query) ||
      !limit_argument(given[1], &limit) || !time_argument(given[2], "as_of", &as_of)) {
    return nullptr;
  }
  RowList rows;
  const Status status = run(handle, [&](Call& call) {
    rows.clear();
    return Json(call).find(query, limit, as_of, &rows);
  });
  if (!status.is_ok()) return raise(status);
  return list_of(rows.size(), [&](size_t i) -> PyObject* {
    Ref row(PyDict_New());
    const bool made = row && set(row.get(), "key", str(rows.key(i))) && set(row.get(), "value", decode(rows.value(i)));
    return made ? row.release() : nullptr;
  });
}

PyObject* json_create_index(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view name;
  std::string_view path;
  if (!given.parse(kCreateIndex, arguments, count, names) || !text_argument(given[0], "name", &name) ||
      !text_argument(given[1], "path", &path)) {
    return nullptr;
  }
  const Status status = run(handle, [&](Call& call) { return Json(call).create_index(name, path); });
  return status.is_ok() ? Py_NewRef(Py_None) : raise(status);
}

PyObject* json_list_indexes(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  AsOf as_of;
  if (!given.parse(kListIndexes, arguments, count, names) || !time_argument(given[0], "as_of", &as_of)) return nullptr;
  const auto indexes = run(handle, [&](Call& call) { return Json(call).list_indexes(as_of); });
  if (!indexes.is_ok()) return raise(indexes.status());
  return list_of(indexes->size(), [&](size_t i) -> PyObject* {
    const JsonIndexInfo& index = (*indexes)[i];
    Ref row(PyDict_New());
    const bool made = row && set(row.get(), "name", str(index.name)) && set(row.get(), "path", str(index.path));
    return made ? row.release() : nullptr;
  });
}

PyObject* json_drop_index(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view name;
  if (!given.parse(kDropIndex, arguments, count, names) || !text_argument(given[0], "name", &name)) return nullptr;
  const auto existed = run(handle, [&](Call& call) { return Json(call).drop_index(name); });
  return existed.is_ok() ? PyBool_FromLong(*existed) : raise(existed.status());
}

}  // namespace

std::span<const PyMethodDef> json_methods() {
  static const PyMethodDef methods[] = {
      define<json_set>("json_set", kSetDoc),
      define<json_get>("json_get", kGetDoc),
      define<json_get_versioned>("json_get_versioned", kGetVersionedDoc),
      define<json_delete>("json_delete", kDeleteDoc),
      define<json_list>("json_list", kListDoc),
      define<json_history>("json_history", kHistoryDoc),
      define<json_merge>("json_merge", kMergeDoc),
      define<json_patch>("json_patch", kPatchDoc),
      define<json_batch_set>("json_batch_set", kBatchSetDoc),
      define<json_find>("json_find", kFindDoc),
      define<json_create_index>("json_create_index", kCreateIndexDoc),
      define<json_list_indexes>("json_list_indexes", kListIndexesDoc),
      define<json_drop_index>("json_drop_index", kDropIndexDoc),
  };
  return methods;
}

}  // namespace strata::python
