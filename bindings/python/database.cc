// Session.ping, info, flush, compact, verify, time_range.
#include "arguments.h"
#include "convert.h"
#include "progress.h"
#include "rows.h"
#include "session.h"

namespace strata::python {
namespace {

constexpr char kPingDoc[] =
    R"(ping($self)
--

Returns the version of the library. Raises StateError `closed`, `forked`.

>>> db.ping() == db.info()["version"]
True
)";

constexpr char kInfoDoc[] =
    R"(info($self)
--

Returns a dict of numbers about the database.

`version` of the library, `path` (None in memory), `durability`, `uptime_secs` since it was opened (float),
`branch_count`, `total_keys` of all branches, `disk_bytes`, `memory_bytes`, `commit_timestamp` of the latest commit
(microseconds since 1970).

>>> db.kv_put("a", 1)
1
>>> about = db.info()
>>> about["branch_count"], about["total_keys"], about["path"]
(1, 1, None)
)";

constexpr char kFlushDoc[] =
    R"(flush($self)
--

Returns when everything acknowledged so far survives a power cut, in either mode of durability. Raises IoError.

>>> db.flush()
)";

constexpr char kCompactDoc[] =
    R"(compact($self, *, keep_history=None, progress=None)
--

Gives space back, and forgets the versions replaced longer ago than `keep_history`.

A timedelta, counted back from the last commit, on all branches; None means that of `open`. `progress(done, total)` is
called from time to time. Returns `{"bytes_before", "bytes_after", "versions_removed"}`. Raises StateError
`in_transaction`, `compaction_active` (from a progress callback); AccessDeniedError `read_only`; ValidationError
`out_of_range` for a negative time.

>>> sorted(db.compact())
['bytes_after', 'bytes_before', 'versions_removed']
)";

constexpr char kVerifyDoc[] =
    R"(verify($self, *, progress=None)
--

Reads every page and record and checks that they fit together.

Returns `{"ok", "pages", "problems"}`: damage is an answer here, not an error. `progress(done, total)` is called from
time to time.

>>> db.verify()["ok"]
True
)";

constexpr char kBackupDoc[] =
    R"(backup($self, path, *, progress=None)
--

Copies the whole database into the folder `path` while others write: all branches and their history as of one commit.

See stratadb.Strata.backup.
)";

constexpr char kTimeRangeDoc[] =
    R"(time_range($self)
--

Returns `{"oldest_ts", "latest_ts"}`, what `as_of` can reach on the current branch, in microseconds since 1970.

>>> db.kv_put("a", 1)
1
>>> db.time_range()["latest_ts"] == db.info()["commit_timestamp"]
True
)";

constexpr Signature kPing{"ping", 0, 0, {}};
constexpr Signature kInfo{"info", 0, 0, {}};
constexpr Signature kFlush{"flush", 0, 0, {}};
constexpr Signature kCompact{"compact", 0, 0, {"keep_history", "progress"}};
constexpr Signature kVerify{"verify", 0, 0, {"progress"}};
constexpr Signature kBackup{"backup", 1, 1, {"path", "progress"}};
constexpr Signature kTimeRange{"time_range", 0, 0, {}};

PyObject* ping(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  if (!given.parse(kPing, arguments, count, names)) return nullptr;
  const auto version = handle->session->ping();
  return version.is_ok() ? str(*version) : raise(version.status());
}

PyObject* info(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  if (!given.parse(kInfo, arguments, count, names)) return nullptr;
  const auto about = run_released([&] { return handle->session->info(); });
  if (!about.is_ok()) return raise(about.status());
  Ref dict(PyDict_New());
  const char* durability = about->durability == Durability::kStrict ? "strict" : "buffered";
  const bool filled = dict && set(dict.get(), "version", str(about->version)) &&
                      set(dict.get(), "path", optional_path(about->path)) &&
                      set(dict.get(), "durability", str(durability)) &&
                      set(dict.get(), "uptime_secs", PyFloat_FromDouble(about->uptime_secs)) &&
                      set(dict.get(), "branch_count", number(about->branch_count)) &&
                      set(dict.get(), "total_keys", number(about->total_keys)) &&
                      set(dict.get(), "disk_bytes", number(about->disk_bytes)) &&
                      set(dict.get(), "memory_bytes", number(about->memory_bytes)) &&
                      set(dict.get(), "commit_timestamp", number(about->commit_timestamp));
  return filled ? dict.release() : nullptr;
}

PyObject* flush(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  if (!given.parse(kFlush, arguments, count, names)) return nullptr;
  const Status status = run_released([&] { return handle->session->flush(); });
  return status.is_ok() ? Py_NewRef(Py_None) : raise(status);
}

PyObject* compact(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::optional<uint64_t> keep_history_micros;
  PyObject* callable = nullptr;
  if (!given.parse(kCompact, arguments, count, names) ||
      !duration_argument(given[0], "keep_history", &keep_history_micros) || !progress_argument(given[1], &callable)) {
    return nullptr;
  }
  bool interrupted = false;
  const CallingTask task(handle);
  const auto done = run_with_progress(callable, &interrupted, [&](const Progress& progress) {
    return handle->session->compact(keep_history_micros, progress);
  });
  if (interrupted) return nullptr;
  if (!done.is_ok()) return raise(done.status());
  Ref dict(PyDict_New());
  const bool filled = dict && set(dict.get(), "bytes_before", number(done->bytes_before)) &&
                      set(dict.get(), "bytes_after", number(done->bytes_after)) &&
                      set(dict.get(), "versions_removed", number(done->versions_removed));
  return filled ? dict.release() : nullptr;
}

PyObject* verify(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  PyObject* callable = nullptr;
  if (!given.parse(kVerify, arguments, count, names) || !progress_argument(given[0], &callable)) return nullptr;
  bool interrupted = false;
  const auto report = run_with_progress(callable, &interrupted,
                                        [&](const Progress& progress) { return handle->session->verify(progress); });
  if (interrupted) return nullptr;
  if (!report.is_ok()) return raise(report.status());
  const auto& problems = report->problems;
  Ref dict(PyDict_New());
  const bool filled = dict && set(dict.get(), "ok", PyBool_FromLong(report->ok)) &&
                      set(dict.get(), "pages", number(report->pages)) &&
                      set(dict.get(), "problems", list_of(problems.size(), [&](size_t i) { return str(problems[i]); }));
  return filled ? dict.release() : nullptr;
}

PyObject* backup(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string path;
  PyObject* callable = nullptr;
  if (!given.parse(kBackup, arguments, count, names) || !path_argument(given[0], &path) ||
      !progress_argument(given[1], &callable)) {
    return nullptr;
  }
  bool interrupted = false;
  const CallingTask task(handle);
  const auto done = run_with_progress(
      callable, &interrupted, [&](const Progress& progress) { return handle->session->backup(path, progress); });
  if (interrupted) return nullptr;
  if (!done.is_ok()) return raise(done.status());
  Ref dict(PyDict_New());
  const bool filled = dict && set(dict.get(), "path", optional_path(done->path)) &&
                      set(dict.get(), "bytes", number(done->bytes)) &&
                      set(dict.get(), "timestamp", number(done->timestamp));
  return filled ? dict.release() : nullptr;
}

PyObject* time_range(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  if (!given.parse(kTimeRange, arguments, count, names)) return nullptr;
  const auto range = run_released([&] { return handle->session->time_range(); });
  if (!range.is_ok()) return raise(range.status());
  Ref dict(PyDict_New());
  const bool filled = dict && set(dict.get(), "oldest_ts", number(range->oldest)) &&
                      set(dict.get(), "latest_ts", number(range->latest));
  return filled ? dict.release() : nullptr;
}

}  // namespace

std::span<const PyMethodDef> database_methods() {
  static const PyMethodDef methods[] = {
      define<ping>("ping", kPingDoc),
      define<info>("info", kInfoDoc),
      define<flush>("flush", kFlushDoc),
      define<compact>("compact", kCompactDoc),
      define<verify>("verify", kVerifyDoc),
      define<backup>("backup", kBackupDoc),
      define<time_range>("time_range", kTimeRangeDoc),
  };
  return methods;
}

}  // namespace strata::python
