// Session.open, cache, session, close, and what belongs to a handle as such.
#include <string>

#include "arguments.h"
#include "convert.h"
#include "rows.h"
#include "session.h"

namespace strata::python {
namespace {

constexpr char kOpenDoc[] =
    R"(open($type, path, *, durability='buffered', read_only=False, cache_bytes=268435456, keep_history=None)
--

Opens the database in the folder `path`. See stratadb.Strata.open.
)";

constexpr char kCacheDoc[] =
    R"(cache($type, *, keep_history=None)
--

Opens an empty database in memory. See stratadb.Strata.cache.
)";

constexpr char kSessionDoc[] =
    R"(session($self)
--

Returns another handle on the same database: on this one's branch and space at first, with a transaction of its own.

One for each thread or agent. Raises StateError `closed`, `forked`.

>>> with db.session() as other:
...     other.branch_create("mine")
...     other.branch_use("mine")
>>> db.current_branch()
'default'
)";

constexpr char kCloseDoc[] =
    R"(close($self)
--

Closes this handle and rolls its transaction back; the database closes with its last handle. Closing again is allowed.

Any later call raises StateError `closed`. In a child made by os.fork it does nothing. Raises IoError if what was
acknowledged could not be made durable.

>>> other = db.session()
>>> other.close()
)";

constexpr char kEnterDoc[] = "__enter__($self)\n--\n\nReturns the handle.";
constexpr char kExitDoc[] = "__exit__($self, kind, error, trace, /)\n--\n\nCloses the handle.";
constexpr char kStateDoc[] =
    "_state($self)\n--\n\n(state, path or None in memory, branch, space); state is 'open', 'closed' or 'forked'.";

constexpr Signature kOpen{"open", 1, 1, {"path", "durability", "read_only", "cache_bytes", "keep_history"}};
constexpr Signature kCache{"cache", 0, 0, {"keep_history"}};
constexpr Signature kSession{"session", 0, 0, {}};
constexpr Signature kClose{"close", 0, 0, {}};
constexpr Signature kEnter{"__enter__", 0, 0, {}};
constexpr Signature kExit{"__exit__", 3, 0, {"kind", "error", "trace"}};
constexpr Signature kState{"_state", 0, 0, {}};

bool durability_argument(PyObject* given, Durability* durability) {
  std::string_view text;
  if (!text_argument(given, "durability", &text)) return false;
  if (text != "buffered" && text != "strict") {
    const Ref shown(PyObject_ASCII(given));
    const char* ascii = shown ? PyUnicode_AsUTF8(shown.get()) : nullptr;
    if (ascii == nullptr) return false;
    raise(Code::kUnknownDurability, std::string("durability ") + std::string(ascii).substr(0, 80) + " is not known",
          "give 'buffered' or 'strict'");
    return false;
  }
  *durability = text == "strict" ? Durability::kStrict : Durability::kBuffered;
  return true;
}

PyObject* open(PyTypeObject* type, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string path;
  OpenOptions options;
  int64_t cache_bytes = static_cast<int64_t>(options.cache_bytes);
  if (!given.parse(kOpen, arguments, count, names) || !path_argument(given[0], &path) ||
      (given[1] != nullptr && !durability_argument(given[1], &options.durability)) ||
      (given[2] != nullptr && !flag_argument(given[2], &options.read_only)) ||
      (given[3] != nullptr && !integer_argument(given[3], "cache_bytes", 0, &cache_bytes)) ||
      !duration_argument(given[4], "keep_history", &options.keep_history_micros)) {
    return nullptr;
  }
  options.cache_bytes = static_cast<size_t>(cache_bytes);
  options.current_task = &CallingTask::current;
  auto session = run_released([&] { return Session::open(path, options); });
  return session.is_ok() ? new_handle(type, std::move(*session)) : raise(session.status());
}

PyObject* cache(PyTypeObject* type, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  OpenOptions options;
  if (!given.parse(kCache, arguments, count, names) ||
      !duration_argument(given[0], "keep_history", &options.keep_history_micros)) {
    return nullptr;
  }
  options.current_task = &CallingTask::current;
  auto session = run_released([&] { return Session::open_memory(options); });
  return session.is_ok() ? new_handle(type, std::move(*session)) : raise(session.status());
}

PyObject* session(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  if (!given.parse(kSession, arguments, count, names)) return nullptr;
  // Another thread may be opening or closing a database, which takes its time.
  auto other = run_released([&] { return handle->session->session(); });
  return other.is_ok() ? new_handle(Py_TYPE(handle), std::move(*other)) : raise(other.status());
}

PyObject* close_handle(Handle* handle) {
  const Status status = run_released([&] { return handle->session->close(); });
  handle->may_be_in_transaction = false;
  Py_CLEAR(handle->owner_task);
  return status.is_ok() ? Py_NewRef(Py_None) : raise(status);
}

PyObject* close(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  return given.parse(kClose, arguments, count, names) ? close_handle(handle) : nullptr;
}

PyObject* enter(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  if (!given.parse(kEnter, arguments, count, names)) return nullptr;
  const auto open = handle->session->ping();
  return open.is_ok() ? Py_NewRef(reinterpret_cast<PyObject*>(handle)) : raise(open.status());
}

PyObject* exit(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  return given.parse(kExit, arguments, count, names) ? close_handle(handle) : nullptr;
}

PyObject* state(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  if (!given.parse(kState, arguments, count, names)) return nullptr;
  const Session& session = *handle->session;
  const auto branch = session.current_branch();  // neither, unless the handle is open
  const auto space = session.current_space();
  const bool open = branch.is_ok() && space.is_ok();
  const char* word = open ? "open" : session.forked() ? "forked" : "closed";
  const Ref path(optional_path(session.path()));
  if (!path) return nullptr;
  return Py_BuildValue("(sOss)", word, path.get(), open ? branch->c_str() : "", open ? space->c_str() : "");
}

}  // namespace

std::span<const PyMethodDef> handle_methods() {
  static const PyMethodDef methods[] = {
      define_class_method<open>("open", kOpenDoc), define_class_method<cache>("cache", kCacheDoc),
      define<session>("session", kSessionDoc),     define<close>("close", kCloseDoc),
      define<enter>("__enter__", kEnterDoc),       define<exit>("__exit__", kExitDoc),
      define<state>("_state", kStateDoc),
  };
  return methods;
}

}  // namespace strata::python
