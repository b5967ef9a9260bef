// Session.kv_*.
#include "strata/kv.h"

#include "arguments.h"
#include "convert.h"
#include "pool.h"
#include "rows.h"
#include "session.h"

namespace strata::python {
namespace {

constexpr char kPutDoc[] =
    R"(kv_put($self, key, value)
--

Stores `value` under `key` and returns the key's new version: 1, 2, 3 ... on its branch.

`key`: a str of 1 to 1,024 bytes of UTF-8 without NUL. `value`: None, bool, int of 64 bits, float, str, bytes, list or
dict with str keys, nested up to 128 deep, up to 64 MiB; tuples become lists, bytearray and memoryview bytes, NumPy
scalars and arrays what they hold. Outside a transaction it is a commit of its own. In one, all writes of a key share
one version.

Raises TypeError for what is not stored; ValidationError `invalid_key`, `invalid_unicode`, `integer_out_of_range`,
`nesting_too_deep`, `value_too_large`, each naming the place in the value; AccessDeniedError `read_only`;
ConstraintError `transaction_too_large`. Nothing is changed then.

>>> db.kv_put("user:1", {"name": "Alice", "tags": ["a", "b"]})
1
>>> db.kv_put("user:1", {"name": "Alice", "tags": []})
2
)";

constexpr char kGetDoc[] =
    R"(kv_get($self, key, *, default=None, as_of=None)
--

Returns the value of `key`, or `default` if there is none.

`as_of`: microseconds since 1970 (such as a commit's timestamp) or a datetime (a naive one is local time); the answer is
then of the branch as it was. Raises ValidationError `invalid_key`, `out_of_range`; ConstraintError `history_trimmed`
for a time before the kept history.

>>> db.kv_put("color", "red")
1
>>> then = db.info()["commit_timestamp"]
>>> db.kv_put("color", "blue")
2
>>> db.kv_get("color"), db.kv_get("color", as_of=then), db.kv_get("shape", default="round")
('blue', 'red', 'round')
)";

constexpr char kGetVersionedDoc[] =
    R"(kv_get_versioned($self, key, *, as_of=None)
--

Returns `{"value", "version", "timestamp"}`, or None if there is no such key.

`timestamp` is in microseconds since 1970, and None for what the open transaction wrote itself. `as_of` and errors as
for `kv_get`.

>>> db.kv_put("color", "red")
1
>>> found = db.kv_get_versioned("color")
>>> found["value"], found["version"]
('red', 1)
)";

constexpr char kExistsDoc[] =
    R"(kv_exists($self, key, *, as_of=None)
--

Returns whether `key` has a value (a stored None is one). `as_of` and errors as for `kv_get`.

>>> db.kv_put("color", None)
1
>>> db.kv_exists("color"), db.kv_exists("shape")
(True, False)
)";

constexpr char kDeleteDoc[] =
    R"(kv_delete($self, key)
--

Deletes `key` and returns whether it was there.

A deletion is a version too: a later put goes on from it, and the history keeps what was. Raises ValidationError
`invalid_key`; AccessDeniedError `read_only`.

>>> db.kv_put("color", "red")
1
>>> db.kv_delete("color"), db.kv_delete("color")
(True, False)
>>> db.kv_put("color", "blue")
3
)";

constexpr char kHistoryDoc[] =
    R"(kv_history($self, key, *, as_of=None)
--

Returns all kept versions of `key`, newest first, or None if it never existed.

Each is `{"value", "version", "timestamp", "deleted"}`; a deletion has the value None. With `as_of` only what was
written up to then. Errors as for `kv_get`.

>>> db.kv_put("color", "red")
1
>>> db.kv_delete("color")
True
>>> [(entry["version"], entry["value"], entry["deleted"]) for entry in db.kv_history("color")]
[(2, None, True), (1, 'red', False)]
)";

constexpr char kListDoc[] =
    R"(kv_list($self, prefix=None, *, as_of=None)
--

Returns the keys that start with `prefix` (None and "" mean all), sorted by their UTF-8 bytes.

`as_of` and errors as for `kv_get`.

>>> db.kv_batch_put({"b": 1, "a:1": 2, "a:2": 3})
[1, 1, 1]
>>> db.kv_list("a:")
['a:1', 'a:2']
)";

constexpr char kCountDoc[] =
    R"(kv_count($self, prefix=None, *, as_of=None)
--

Returns how many keys start with `prefix` (None and "" mean all), without reading them.

`as_of` and errors as for `kv_get`.

>>> db.kv_batch_put({"b": 1, "a:1": 2, "a:2": 3})
[1, 1, 1]
>>> db.kv_count(), db.kv_count("a:")
(3, 2)
)";

constexpr char kListPaginatedDoc[] =
    R"(kv_list_paginated($self, prefix=None, limit=100, cursor=None, *, as_of=None)
--

Returns a page of keys, `{"keys", "cursor"}`: up to `limit` (None: all) of those that start with `prefix`, in order.

Give `cursor` back for the next page; it is None when nothing follows. Writes between the pages neither skip nor repeat
a key that was there throughout. Raises ValidationError `invalid_cursor`, `out_of_range`; otherwise as `kv_get`.

>>> db.kv_batch_put({"a": 1, "b": 2, "c": 3})
[1, 1, 1]
>>> page = db.kv_list_paginated(limit=2)
>>> page["keys"]
['a', 'b']
>>> db.kv_list_paginated(limit=2, cursor=page["cursor"])
{'keys': ['c'], 'cursor': None}
)";

constexpr char kScanDoc[] =
    R"(kv_scan($self, prefix=None, *, start=None, end=None, limit=None, reverse=False, as_of=None)
--

Returns a list of `(key, value)`, sorted by the keys' UTF-8 bytes, or backwards with `reverse`.

Only keys that start with `prefix` and lie from `start` (included) to `end` (excluded), in this sense also with
`reverse`; at most `limit` of them. Raises ValidationError `out_of_range`; otherwise as `kv_get`.

>>> db.kv_batch_put({"a": 1, "b": 2, "c": 3})
[1, 1, 1]
>>> db.kv_scan(start="b")
[('b', 2), ('c', 3)]
>>> db.kv_scan(limit=1, reverse=True)
[('c', 3)]
)";

constexpr char kBatchPutDoc[] =
    R"(kv_batch_put($self, entries, *, progress=None)
--

Stores all of the dict `entries` in one commit, all or nothing, and returns their versions in the same order.

`progress(done, total)` is called before it takes effect; an exception in it ends the call and nothing is changed.
Errors as for `kv_put`.

>>> db.kv_batch_put({"a": 1, "b": [2, 3]})
[1, 1]
)";

constexpr char kBatchGetDoc[] =
    R"(kv_batch_get($self, keys, *, as_of=None)
--

Returns the values of `keys` (an iterable of str) in the same order, None for each that is missing.

All are of the same moment. `as_of` and errors as for `kv_get`.

>>> db.kv_put("a", 1)
1
>>> db.kv_batch_get(["a", "b"])
[1, None]
)";

constexpr char kBatchDeleteDoc[] =
    R"(kv_batch_delete($self, keys)
--

Deletes `keys` (an iterable of str) in one commit and returns for each whether it was there.

Errors as for `kv_delete`; nothing is changed then.

>>> db.kv_put("a", 1)
1
>>> db.kv_batch_delete(["a", "b"])
[True, False]
)";

constexpr Signature kPut{"kv_put", 2, 2, {"key", "value"}};
constexpr Signature kGet{"kv_get", 1, 1, {"key", "default", "as_of"}};
constexpr Signature kGetVersioned{"kv_get_versioned", 1, 1, {"key", "as_of"}};
constexpr Signature kExists{"kv_exists", 1, 1, {"key", "as_of"}};
constexpr Signature kDelete{"kv_delete", 1, 1, {"key"}};
constexpr Signature kHistory{"kv_history", 1, 1, {"key", "as_of"}};
constexpr Signature kList{"kv_list", 1, 0, {"prefix", "as_of"}};
constexpr Signature kCount{"kv_count", 1, 0, {"prefix", "as_of"}};
constexpr Signature kListPaginated{"kv_list_paginated", 3, 0, {"prefix", "limit", "cursor", "as_of"}};
constexpr Signature kScan{"kv_scan", 1, 0, {"prefix", "start", "end", "limit", "reverse", "as_of"}};
constexpr Signature kBatchPut{"kv_batch_put", 1, 1, {"entries", "progress"}};
constexpr Signature kBatchGet{"kv_batch_get", 1, 1, {"keys", "as_of"}};
constexpr Signature kBatchDelete{"kv_batch_delete", 1, 1, {"keys"}};

// How many entries of a batch are converted between two calls of `progress`.
constexpr size_t kProgressStride = 4096;

PyObject* kv_put(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view key;
  if (!given.parse(kPut, arguments, count, names) || !text_argument(given[0], "key", &key)) return nullptr;
  Pooled<ValueWriter> writer;
  if (!encode_for(key, "key", given[1], *writer)) return nullptr;
  const auto version = run(handle, [&](Call& call) { return Kv(call).put(key, writer->result()); });
  return version.is_ok() ? number(*version) : raise(version.status());
}

PyObject* kv_get(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view key;
  AsOf as_of;
  if (!given.parse(kGet, arguments, count, names) || !text_argument(given[0], "key", &key)) return nullptr;
  if (given[2] != nullptr && !time_argument(given[2], "as_of", &as_of)) return nullptr;
  Pooled<std::string> buffer;
  const auto found = run(handle, [&](Call& call) { return Kv(call).get(key, as_of, &*buffer); });
  if (!found.is_ok()) return raise(found.status());
  if (found->has_value()) return decode((*found)->value);
  return Py_NewRef(given[1] != nullptr ? given[1] : Py_None);
}

PyObject* kv_get_versioned(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view key;
  AsOf as_of;
  if (!given.parse(kGetVersioned, arguments, count, names) || !text_argument(given[0], "key", &key) ||
      !time_argument(given[1], "as_of", &as_of)) {
    return nullptr;
  }
  Pooled<std::string> buffer;
  const auto found = run(handle, [&](Call& call) { return Kv(call).get(key, as_of, &*buffer); });
  if (!found.is_ok()) return raise(found.status());
  return found->has_value() ? versioned(**found) : Py_NewRef(Py_None);
}

PyObject* kv_exists(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view key;
  AsOf as_of;
  if (!given.parse(kExists, arguments, count, names) || !text_argument(given[0], "key", &key) ||
      !time_argument(given[1], "as_of", &as_of)) {
    return nullptr;
  }
  const auto found = run(handle, [&](Call& call) { return Kv(call).exists(key, as_of); });
  return found.is_ok() ? PyBool_FromLong(*found) : raise(found.status());
}

PyObject* kv_delete(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view key;
  if (!given.parse(kDelete, arguments, count, names) || !text_argument(given[0], "key", &key)) return nullptr;
  const auto found = run(handle, [&](Call& call) { return Kv(call).erase(key); });
  return found.is_ok() ? PyBool_FromLong(*found) : raise(found.status());
}

PyObject* kv_history(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view key;
  AsOf as_of;
  if (!given.parse(kHistory, arguments, count, names) || !text_argument(given[0], "key", &key) ||
      !time_argument(given[1], "as_of", &as_of)) {
    return nullptr;
  }
  return history_of<Kv>(handle, key, as_of);
}

PyObject* kv_list(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::optional<std::string_view> prefix;
  AsOf as_of;
  if (!given.parse(kList, arguments, count, names) || !optional_text(given[0], "prefix", &prefix) ||
      !time_argument(given[1], "as_of", &as_of)) {
    return nullptr;
  }
  Pooled<KeyList> keys;
  const Status status = run(handle, [&](Call& call) {
    keys->clear();
    return Kv(call).list(prefix.value_or(std::string_view()), as_of, &*keys);
  });
  return status.is_ok() ? list_of_keys(*keys) : raise(status);
}

PyObject* kv_count(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::optional<std::string_view> prefix;
  AsOf as_of;
  if (!given.parse(kCount, arguments, count, names) || !optional_text(given[0], "prefix", &prefix) ||
      !time_argument(given[1], "as_of", &as_of)) {
    return nullptr;
  }
  const auto counted =
      run(handle, [&](Call& call) { return Kv(call).count(prefix.value_or(std::string_view()), as_of); });
  return counted.is_ok() ? number(*counted) : raise(counted.status());
}

PyObject* kv_list_paginated(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::optional<std::string_view> prefix;
  std::optional<std::string_view> cursor;
  std::optional<uint64_t> limit = 100;
  AsOf as_of;
  if (!given.parse(kListPaginated, arguments, count, names) || !optional_text(given[0], "prefix", &prefix) ||
      (given[1] != nullptr && !limit_argument(given[1], &limit)) || !optional_text(given[2], "cursor", &cursor) ||
      !time_argument(given[3], "as_of", &as_of)) {
    return nullptr;
  }
  Pooled<KeyList> keys;
  std::optional<std::string> next;
  const Status status = run(handle, [&](Call& call) {
    keys->clear();
    next.reset();
    return Kv(call).page(prefix.value_or(std::string_view()), limit, cursor, as_of, &*keys, &next);
  });
  if (!status.is_ok()) return raise(status);
  Ref page(PyDict_New());
  const bool filled = page && set(page.get(), "keys", list_of_keys(*keys)) &&
                      set(page.get(), "cursor", next ? str(*next) : Py_NewRef(Py_None));
  return filled ? page.release() : nullptr;
}

PyObject* kv_scan(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::optional<std::string_view> prefix;
  KvScan what;
  if (!given.parse(kScan, arguments, count, names) || !optional_text(given[0], "prefix", &prefix) ||
      !optional_text(given[1], "start", &what.start) || !optional_text(given[2], "end", &what.end) ||
      !limit_argument(given[3], &what.limit) || (given[4] != nullptr && !flag_argument(given[4], &what.reverse)) ||
      !time_argument(given[5], "as_of", &what.as_of)) {
    return nullptr;
  }
  what.prefix = prefix.value_or(std::string_view());
  RowList rows;
  const Status status = run(handle, [&](Call& call) {
    rows.clear();
    return Kv(call).scan(what, &rows);
  });
  return status.is_ok() ? list_of_pairs(rows) : raise(status);
}

// The entries of a batch, encoded; the keys belong to `copy`.
struct EncodedEntries {
  Ref copy;
  std::string values;
  std::vector<Kv::Item> items;
};

bool encode_entries(PyObject* entries, PyObject* progress, EncodedEntries* encoded) {
  // A copy, since converting values and reporting progress may run Python code that changes the dict.
  encoded->copy = Ref(PyDict_Copy(entries));
  if (!encoded->copy) return false;
  const auto total = static_cast<size_t>(PyDict_GET_SIZE(encoded->copy.get()));
  std::vector<size_t> ends;
  ends.reserve(total);
  encoded->items.reserve(total);
  Pooled<ValueWriter> writer;
  Py_ssize_t position = 0;
  PyObject* key = nullptr;
  PyObject* value = nullptr;
  while (PyDict_Next(encoded->copy.get(), &position, &key, &value)) {
    Kv::Item item;
    if (!text_argument(key, "key", &item.key) || !encode_for(item.key, "key", value, *writer)) return false;
    encoded->items.push_back(item);
    encoded->values.append(writer->result());
    ends.push_back(encoded->values.size());
    const size_t done = ends.size();
    if (done % kProgressStride == 0) {
      if (PyErr_CheckSignals() != 0 || (done < total && !report(progress, done, total))) return false;
    }
  }
  for (size_t i = 0, start = 0; i < ends.size(); start = ends[i], ++i) {
    encoded->items[i].value = std::string_view(encoded->values).substr(start, ends[i] - start);
  }
  return report(progress, total, total);
}

PyObject* kv_batch_put(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  PyObject* progress = nullptr;
  if (!given.parse(kBatchPut, arguments, count, names)) return nullptr;
  if (!PyDict_Check(given[0])) {
    return raise_type("kv_batch_put takes a dict of key to value, not " + type_name(given[0]));
  }
  EncodedEntries encoded;
  if (!progress_argument(given[1], &progress) || !encode_entries(given[0], progress, &encoded)) return nullptr;
  const auto versions = run(handle, [&](Call& call) { return Kv(call).put_batch(encoded.items); });
  if (!versions.is_ok()) return raise(versions.status());
  return list_of(versions->size(), [&](size_t i) { return number((*versions)[i]); });
}

PyObject* kv_batch_get(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  Ref list;
  std::vector<std::string_view> keys;
  AsOf as_of;
  if (!given.parse(kBatchGet, arguments, count, names) || !time_argument(given[1], "as_of", &as_of) ||
      !keys_argument(given[0], &list, &keys)) {
    return nullptr;
  }
  RowList rows;
  const Status status = run(handle, [&](Call& call) {
    rows.clear();
    return Kv(call).get_batch(keys, as_of, &rows);
  });
  return status.is_ok() ? list_of_values(rows) : raise(status);
}

PyObject* kv_batch_delete(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  Ref list;
  std::vector<std::string_view> keys;
  if (!given.parse(kBatchDelete, arguments, count, names) || !keys_argument(given[0], &list, &keys)) return nullptr;
  const auto found = run(handle, [&](Call& call) { return Kv(call).erase_batch(keys); });
  if (!found.is_ok()) return raise(found.status());
  return list_of(found->size(), [&](size_t i) { return PyBool_FromLong((*found)[i]); });
}

}  // namespace

std::span<const PyMethodDef> kv_methods() {
  static const PyMethodDef methods[] = {
      define<kv_put>("kv_put", kPutDoc),
      define<kv_get>("kv_get", kGetDoc),
      define<kv_get_versioned>("kv_get_versioned", kGetVersionedDoc),
      define<kv_exists>("kv_exists", kExistsDoc),
      define<kv_delete>("kv_delete", kDeleteDoc),
      define<kv_history>("kv_history", kHistoryDoc),
      define<kv_list>("kv_list", kListDoc),
      define<kv_count>("kv_count", kCountDoc),
      define<kv_list_paginated>("kv_list_paginated", kListPaginatedDoc),
      define<kv_scan>("kv_scan", kScanDoc),
      define<kv_batch_put>("kv_batch_put", kBatchPutDoc),
      define<kv_batch_get>("kv_batch_get", kBatchGetDoc),
      define<kv_batch_delete>("kv_batch_delete", kBatchDeleteDoc),
  };
  return methods;
}

}  // namespace strata::python
