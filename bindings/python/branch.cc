// Session.branch_* and current_branch.
#include "strata/branch.h"

#include <limits>

#include "arguments.h"
#include "rows.h"
#include "session.h"

namespace strata::python {
namespace {

constexpr char kCreateDoc[] =
    R"(branch_create($self, name)
--

Makes an empty branch. This handle stays on its own one; `branch_use` changes to it.

`name`: a letter or digit, then up to 127 of A-Z a-z 0-9 . _ / -. Raises ValidationError `invalid_branch_name`;
ConstraintError `branch_exists`; StateError `in_transaction`; AccessDeniedError `read_only`.

>>> db.branch_create("empty")
>>> db.branch_list()
['default', 'empty']
)";

constexpr char kGetDoc[] =
    R"(branch_get($self, name)
--

Returns what is known of a branch, or None if there is none of that name.

A dict: `name`, `id` (unique among all databases), `status`, `created_at` and `updated_at` (microseconds since 1970),
`version` (commits since it was made), `parent` and `fork_timestamp` (of a fork, else None), `key_count`.

>>> fork = db.branch_fork("default", "try")
>>> db.branch_get("try")["parent"]
'default'
)";

constexpr char kListDoc[] =
    R"(branch_list($self)
--

Returns the names of all branches, sorted.

>>> db.branch_list()
['default']
)";

constexpr char kExistsDoc[] =
    R"(branch_exists($self, name)
--

Returns whether there is a branch of that name.

>>> db.branch_exists("default"), db.branch_exists("try")
(True, False)
)";

constexpr char kDeleteDoc[] =
    R"(branch_delete($self, name)
--

Deletes a branch with all its data; its forks keep theirs.

Raises NotFoundError `branch_not_found`; ConstraintError `branch_in_use` for `default` and the branch of this handle;
StateError `in_transaction`; AccessDeniedError `read_only`.

>>> db.branch_create("try")
>>> db.branch_delete("try")
>>> db.branch_exists("try")
False
)";

constexpr char kForkDoc[] =
    R"(branch_fork($self, source, dest, *, as_of=None)
--

Makes the branch `dest` with everything that `source` holds, history included, and changes of one do not show in the
other.

It takes the same short time and no space at any size. With `as_of` (microseconds since 1970, or a datetime) the fork
starts from that time. Returns `{"source", "destination", "key_count", "timestamp"}`, the timestamp being the state that
was forked. Raises NotFoundError `branch_not_found`; ValidationError `invalid_branch_name`; ConstraintError
`branch_exists`, `history_trimmed`; StateError `in_transaction`; AccessDeniedError `read_only`.

>>> db.kv_put("plan", "A")
1
>>> db.branch_fork("default", "try")["key_count"]
1
>>> db.branch_use("try")
>>> db.kv_put("plan", "B")
2
>>> db.branch_use("default")
>>> db.kv_get("plan")
'A'
)";

constexpr char kUseDoc[] =
    R"(branch_use($self, name)
--

Puts this handle on another branch; its space stays the same.

Raises NotFoundError `branch_not_found`; StateError `in_transaction`.

>>> db.branch_create("try")
>>> db.branch_use("try")
>>> db.current_branch()
'try'
)";

constexpr char kCurrentDoc[] =
    R"(current_branch($self)
--

Returns the name of the branch this handle is on.

>>> db.current_branch()
'default'
)";

constexpr char kLogDoc[] =
    R"(branch_log($self, name, limit=None)
--

Returns the commits of a branch, newest first: a list of `{"timestamp", "message", "changes"}`.

`message` is what was given to `commit` or `transaction`, or None. `changes` counts by primitive what the commit wrote
or deleted. The log of a fork goes on into its source's commits before the fork, and ends where the kept history ends.
Making and forking a branch is no commit. Raises NotFoundError `branch_not_found`; ValidationError `out_of_range`.

>>> with db.transaction(message="two plans"):
...     a = db.kv_put("plan/a", 1)
...     b = db.kv_put("plan/b", 2)
>>> newest = db.branch_log("default", limit=1)[0]
>>> newest["message"], newest["changes"]
('two plans', {'kv': 2})
)";

constexpr char kRevertDoc[] =
    R"(branch_revert($self, name, to)
--

Brings a branch back to what it held at the time `to`, in one new commit; its history stays.

`to`: microseconds since 1970, best the timestamp of a commit, or a datetime. The event log stays as it is, and so do
the spaces that hold events. Returns `{"branch", "keys_applied", "version", "timestamp"}`; where nothing is to be undone
there is no commit, and `timestamp` is that of the last one. Raises NotFoundError `branch_not_found`; ConstraintError
`history_trimmed`, `transaction_too_large`; StateError `in_transaction`; AccessDeniedError `read_only`.

>>> db.kv_put("plan", "A")
1
>>> good = db.time_range()["latest_ts"]
>>> db.kv_put("plan", "B")
2
>>> db.branch_revert("default", to=good)["keys_applied"]
1
>>> db.kv_get("plan"), len(db.kv_history("plan"))
('A', 3)
)";

constexpr Signature kCreate{"branch_create", 1, 1, {"name"}};
constexpr Signature kGet{"branch_get", 1, 1, {"name"}};
constexpr Signature kList{"branch_list", 0, 0, {}};
constexpr Signature kExists{"branch_exists", 1, 1, {"name"}};
constexpr Signature kDelete{"branch_delete", 1, 1, {"name"}};
constexpr Signature kFork{"branch_fork", 2, 2, {"source", "dest", "as_of"}};
constexpr Signature kLog{"branch_log", 2, 1, {"name", "limit"}};
constexpr Signature kRevert{"branch_revert", 2, 2, {"name", "to"}};
constexpr Signature kUse{"branch_use", 1, 1, {"name"}};
constexpr Signature kCurrent{"current_branch", 0, 0, {}};

PyObject* optional_str(const std::optional<std::string>& text) { return text ? str(*text) : Py_NewRef(Py_None); }

PyObject* branch_create(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view name;
  if (!given.parse(kCreate, arguments, count, names) || !text_argument(given[0], "branch name", &name)) return nullptr;
  const Status status = run(handle, [&](Call& call) { return Branches(call).create(name); });
  return status.is_ok() ? Py_NewRef(Py_None) : raise(status);
}

PyObject* branch_get(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view name;
  if (!given.parse(kGet, arguments, count, names) || !text_argument(given[0], "branch name", &name)) return nullptr;
  const auto found = run(handle, [&](Call& call) { return Branches(call).get(name); });
  if (!found.is_ok()) return raise(found.status());
  if (!found->has_value()) Py_RETURN_NONE;
  const BranchInfo& info = **found;
  Ref dict(PyDict_New());
  const bool filled =
      dict && set(dict.get(), "name", str(info.name)) && set(dict.get(), "id", str(info.id)) &&
      set(dict.get(), "status", str(info.status)) && set(dict.get(), "created_at", number(info.created_at)) &&
      set(dict.get(), "updated_at", number(info.updated_at)) && set(dict.get(), "version", number(info.version)) &&
      set(dict.get(), "parent", optional_str(info.parent)) &&
      set(dict.get(), "fork_timestamp", optional_number(info.fork_timestamp)) &&
      set(dict.get(), "key_count", number(info.key_count));
  return filled ? dict.release() : nullptr;
}

PyObject* branch_list(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  if (!given.parse(kList, arguments, count, names)) return nullptr;
  const auto found = run(handle, [&](Call& call) { return Branches(call).list(); });
  return found.is_ok() ? list_of_names(*found) : raise(found.status());
}

PyObject* branch_exists(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view name;
  if (!given.parse(kExists, arguments, count, names) || !text_argument(given[0], "branch name", &name)) return nullptr;
  const auto found = run(handle, [&](Call& call) { return Branches(call).exists(name); });
  return found.is_ok() ? PyBool_FromLong(*found) : raise(found.status());
}

PyObject* branch_delete(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view name;
  if (!given.parse(kDelete, arguments, count, names) || !text_argument(given[0], "branch name", &name)) return nullptr;
  const Status status = run(handle, [&](Call& call) { return Branches(call).remove(name); });
  return status.is_ok() ? Py_NewRef(Py_None) : raise(status);
}

PyObject* branch_fork(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view source;
  std::string_view destination;
  AsOf as_of;
  if (!given.parse(kFork, arguments, count, names) || !text_argument(given[0], "branch name", &source) ||
      !text_argument(given[1], "branch name", &destination) || !time_argument(given[2], "as_of", &as_of)) {
    return nullptr;
  }
  const auto fork = run(handle, [&](Call& call) { return Branches(call).fork(source, destination, as_of); });
  if (!fork.is_ok()) return raise(fork.status());
  Ref dict(PyDict_New());
  const bool filled =
      dict && set(dict.get(), "source", str(fork->source)) && set(dict.get(), "destination", str(fork->destination)) &&
      set(dict.get(), "key_count", number(fork->key_count)) && set(dict.get(), "timestamp", number(fork->timestamp));
  return filled ? dict.release() : nullptr;
}

bool set_count(PyObject* dict, const char* name, uint64_t count) {
  return count == 0 || set(dict, name, number(count));
}

PyObject* changes_of(const CommitChanges& changes) {
  Ref dict(PyDict_New());
  const bool filled = dict && set_count(dict.get(), "collection", changes.collection) &&
                      set_count(dict.get(), "event", changes.event) && set_count(dict.get(), "json", changes.json) &&
                      set_count(dict.get(), "kv", changes.kv) && set_count(dict.get(), "state", changes.state) &&
                      set_count(dict.get(), "vector", changes.vector);
  return filled ? dict.release() : nullptr;
}

PyObject* branch_log(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view name;
  std::optional<uint64_t> limit;
  if (!given.parse(kLog, arguments, count, names) || !text_argument(given[0], "branch name", &name) ||
      !limit_argument(given[1], &limit)) {
    return nullptr;
  }
  const auto log = run_long(handle, [&](Call& call) { return Branches(call).log(name, limit); });
  if (!log.is_ok()) return raise(log.status());
  return list_of(log->size(), [&](size_t i) -> PyObject* {
    const CommitInfo& info = (*log)[i];
    Ref dict(PyDict_New());
    const bool filled = dict && set(dict.get(), "timestamp", number(info.timestamp)) &&
                        set(dict.get(), "message", optional_str(info.message)) &&
                        set(dict.get(), "changes", changes_of(info.changes));
    return filled ? dict.release() : nullptr;
  });
}

PyObject* branch_revert(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view name;
  AsOf to;
  if (!given.parse(kRevert, arguments, count, names) || !text_argument(given[0], "branch name", &name) ||
      !time_argument(given[1], "to", &to)) {
    return nullptr;
  }
  // None is the present, as everywhere: then there is nothing to undo.
  const uint64_t moment = to.value_or(std::numeric_limits<uint64_t>::max());
  const auto reverted = run_long(handle, [&](Call& call) { return Branches(call).revert(name, moment); });
  if (!reverted.is_ok()) return raise(reverted.status());
  Ref dict(PyDict_New());
  const bool filled = dict && set(dict.get(), "branch", str(name)) &&
                      set(dict.get(), "keys_applied", number(reverted->keys_applied)) &&
                      set(dict.get(), "version", number(reverted->version)) &&
                      set(dict.get(), "timestamp", number(reverted->timestamp));
  return filled ? dict.release() : nullptr;
}

PyObject* branch_use(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view name;
  if (!given.parse(kUse, arguments, count, names) || !text_argument(given[0], "branch name", &name)) return nullptr;
  const Status status = run(handle, [&](Call& call) { return call.branch_use(name); });
  return status.is_ok() ? Py_NewRef(Py_None) : raise(status);
}

PyObject* current_branch(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  if (!given.parse(kCurrent, arguments, count, names)) return nullptr;
  const auto name = handle->session->current_branch();
  return name.is_ok() ? str(*name) : raise(name.status());
}

}  // namespace

std::span<const PyMethodDef> branch_methods() {
  static const PyMethodDef methods[] = {
      define<branch_create>("branch_create", kCreateDoc), define<branch_get>("branch_get", kGetDoc),
      define<branch_list>("branch_list", kListDoc),       define<branch_exists>("branch_exists", kExistsDoc),
      define<branch_delete>("branch_delete", kDeleteDoc), define<branch_fork>("branch_fork", kForkDoc),
      define<branch_log>("branch_log", kLogDoc),          define<branch_revert>("branch_revert", kRevertDoc),
      define<branch_use>("branch_use", kUseDoc),          define<current_branch>("current_branch", kCurrentDoc),
  };
  return methods;
}

}  // namespace strata::python
