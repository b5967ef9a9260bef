// Session.space_* and current_space.
#include "strata/space.h"

#include "arguments.h"
#include "rows.h"
#include "session.h"

namespace strata::python {
namespace {

constexpr char kCreateDoc[] =
    R"(space_create($self, name)
--

Makes a space on the current branch. A space also appears with its first write.

`name`: a small letter, then up to 63 of a-z 0-9 _ -. Raises ValidationError `invalid_space_name`; ConstraintError
`space_exists`; AccessDeniedError `read_only`.

>>> db.space_create("notes")
>>> db.space_list()
['default', 'notes']
)";

constexpr char kListDoc[] =
    R"(space_list($self, *, as_of=None)
--

Returns the names of the spaces of the current branch, sorted; `default` is always among them.

`as_of`: microseconds since 1970 or a datetime. Raises ValidationError `out_of_range`; ConstraintError `history_trimmed`.

>>> db.space_list()
['default']
)";

constexpr char kExistsDoc[] =
    R"(space_exists($self, name, *, as_of=None)
--

Returns whether the current branch has a space of that name. `as_of` as for `space_list`.

>>> db.space_exists("default"), db.space_exists("notes")
(True, False)
)";

constexpr char kDeleteDoc[] =
    R"(space_delete($self, name, *, force=False)
--

Deletes an empty space; with `force=True` also one that holds data, which is deleted with it.

Raises NotFoundError `space_not_found`; ConstraintError `space_not_empty`, or `space_in_use` for `default` and the space
of this handle; ValidationError `invalid_space_name`; AccessDeniedError `read_only`.

>>> db.space_create("notes")
>>> db.space_delete("notes")
>>> db.space_exists("notes")
False
)";

constexpr char kUseDoc[] =
    R"(space_use($self, name)
--

Puts this handle into another space. Any valid name will do: a new space appears with its first write.

Not undone by a rollback. Raises ValidationError `invalid_space_name`.

>>> db.space_use("notes")
>>> db.kv_put("a", 1)
1
>>> db.space_use("default")
>>> db.kv_list()
[]
)";

constexpr char kCurrentDoc[] =
    R"(current_space($self)
--

Returns the name of the space this handle is in.

>>> db.current_space()
'default'
)";

constexpr Signature kCreate{"space_create", 1, 1, {"name"}};
constexpr Signature kList{"space_list", 0, 0, {"as_of"}};
constexpr Signature kExists{"space_exists", 1, 1, {"name", "as_of"}};
constexpr Signature kDelete{"space_delete", 1, 1, {"name", "force"}};
constexpr Signature kUse{"space_use", 1, 1, {"name"}};
constexpr Signature kCurrent{"current_space", 0, 0, {}};

PyObject* space_create(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view name;
  if (!given.parse(kCreate, arguments, count, names) || !text_argument(given[0], "space name", &name)) return nullptr;
  const Status status = run(handle, [&](Call& call) { return Spaces(call).create(name); });
  return status.is_ok() ? Py_NewRef(Py_None) : raise(status);
}

PyObject* space_list(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  AsOf as_of;
  if (!given.parse(kList, arguments, count, names) || !time_argument(given[0], "as_of", &as_of)) return nullptr;
  const auto found = run(handle, [&](Call& call) { return Spaces(call).list(as_of); });
  return found.is_ok() ? list_of_names(*found) : raise(found.status());
}

PyObject* space_exists(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view name;
  AsOf as_of;
  if (!given.parse(kExists, arguments, count, names) || !text_argument(given[0], "space name", &name) ||
      !time_argument(given[1], "as_of", &as_of)) {
    return nullptr;
  }
  const auto found = run(handle, [&](Call& call) { return Spaces(call).exists(name, as_of); });
  return found.is_ok() ? PyBool_FromLong(*found) : raise(found.status());
}

PyObject* space_delete(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view name;
  bool force = false;
  if (!given.parse(kDelete, arguments, count, names) || !text_argument(given[0], "space name", &name) ||
      (given[1] != nullptr && !flag_argument(given[1], &force))) {
    return nullptr;
  }
  const Status status = run(handle, [&](Call& call) { return Spaces(call).remove(name, force); });
  return status.is_ok() ? Py_NewRef(Py_None) : raise(status);
}

PyObject* space_use(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view name;
  if (!given.parse(kUse, arguments, count, names) || !text_argument(given[0], "space name", &name)) return nullptr;
  const Status status = run(handle, [&](Call& call) { return call.space_use(name); });
  return status.is_ok() ? Py_NewRef(Py_None) : raise(status);
}

PyObject* current_space(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  if (!given.parse(kCurrent, arguments, count, names)) return nullptr;
  const auto name = handle->session->current_space();
  return name.is_ok() ? str(*name) : raise(name.status());
}

}  // namespace

std::span<const PyMethodDef> space_methods() {
  static const PyMethodDef methods[] = {
      define<space_create>("space_create", kCreateDoc), define<space_list>("space_list", kListDoc),
      define<space_exists>("space_exists", kExistsDoc), define<space_delete>("space_delete", kDeleteDoc),
      define<space_use>("space_use", kUseDoc),          define<current_space>("current_space", kCurrentDoc),
  };
  return methods;
}

}  // namespace strata::python
