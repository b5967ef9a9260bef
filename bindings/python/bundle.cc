// Session.branch_export, branch_import, branch_validate_bundle.
#include "strata/bundle.h"

#include "arguments.h"
#include "progress.h"
#include "rows.h"
#include "session.h"

namespace strata::python {
namespace {

constexpr char kExportDoc[] =
    R"(branch_export($self, name, path, *, since=None, progress=None)
--

Writes a branch with its history into one file, a bundle.

The file is written under a temporary name and takes the place of an existing one when it is complete. With `since` (a
timestamp or datetime) the bundle is a delta: what was committed later. Returns `{"branch", "branch_id", "path",
"entry_count", "bundle_size"}`. Raises NotFoundError `branch_not_found`; ConstraintError `history_trimmed`; StateError
`in_transaction`; IoError.

>>> db.kv_put("a", 1)
1
>>> db.branch_export("default", "default.bundle")["entry_count"]
1
)";

constexpr char kImportDoc[] =
    R"(branch_import($self, path, *, name=None, progress=None)
--

Makes the branch of a bundle, with its history, timestamps included; or adds a delta to the branch of that name.

`name`: another one than in the bundle. The whole file is checked first, and the branch is there whole or not at all.
Returns `{"branch", "entry_count", "keys_written"}`. Raises NotFoundError `bundle_not_found`, of a delta
`branch_not_found`; CorruptionError `bundle_damaged`; ConstraintError `branch_exists`, of a delta `delta_mismatch`;
ValidationError `invalid_branch_name`; StateError `in_transaction`, `format_too_new`; AccessDeniedError `read_only`;
IoError.

>>> db.kv_put("a", 1)
1
>>> report = db.branch_export("default", "default.bundle")
>>> db.branch_import("default.bundle", name="copy")["keys_written"]
1
>>> db.branch_use("copy")
>>> db.kv_get("a")
1
)";

constexpr char kValidateDoc[] =
    R"(branch_validate_bundle($self, path)
--

Checks a bundle without importing it: `{"checksums_valid", "branch", "entry_count", "problem"}`.

Damage is an answer here, not an error. Raises NotFoundError `bundle_not_found`; StateError `in_transaction`; IoError.

>>> report = db.branch_export("default", "default.bundle")
>>> db.branch_validate_bundle("default.bundle")["checksums_valid"]
True
)";

constexpr Signature kExport{"branch_export", 2, 2, {"name", "path", "since", "progress"}};
constexpr Signature kImport{"branch_import", 1, 1, {"path", "name", "progress"}};
constexpr Signature kValidate{"branch_validate_bundle", 1, 1, {"path"}};

PyObject* decoded(const std::string& path) {
  return PyUnicode_DecodeFSDefaultAndSize(path.data(), static_cast<Py_ssize_t>(path.size()));
}

PyObject* branch_export(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string_view name;
  std::string path;
  AsOf since;
  PyObject* callable = nullptr;
  if (!given.parse(kExport, arguments, count, names) || !text_argument(given[0], "branch name", &name) ||
      !path_argument(given[1], &path) || !time_argument(given[2], "since", &since) ||
      !progress_argument(given[3], &callable)) {
    return nullptr;
  }
  bool interrupted = false;
  const CallingTask task(handle);
  const auto report = run_with_progress(callable, &interrupted, [&](const Progress& progress) {
    return Bundles(*handle->session).write(name, path, since, progress);
  });
  if (interrupted) return nullptr;
  if (!report.is_ok()) return raise(report.status());
  Ref dict(PyDict_New());
  const bool filled = dict && set(dict.get(), "branch", str(name)) &&
                      set(dict.get(), "branch_id", str(report->branch_id)) && set(dict.get(), "path", decoded(path)) &&
                      set(dict.get(), "entry_count", number(report->entry_count)) &&
                      set(dict.get(), "bundle_size", number(report->bundle_size));
  return filled ? dict.release() : nullptr;
}

PyObject* branch_import(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string path;
  std::optional<std::string_view> name;
  PyObject* callable = nullptr;
  if (!given.parse(kImport, arguments, count, names) || !path_argument(given[0], &path) ||
      !optional_text(given[1], "branch name", &name) || !progress_argument(given[2], &callable)) {
    return nullptr;
  }
  bool interrupted = false;
  const CallingTask task(handle);
  const auto report = run_with_progress(callable, &interrupted, [&](const Progress& progress) {
    return Bundles(*handle->session).import(path, name, progress);
  });
  if (interrupted) return nullptr;
  if (!report.is_ok()) return raise(report.status());
  Ref dict(PyDict_New());
  const bool filled = dict && set(dict.get(), "branch", str(report->branch)) &&
                      set(dict.get(), "entry_count", number(report->entry_count)) &&
                      set(dict.get(), "keys_written", number(report->keys_written));
  return filled ? dict.release() : nullptr;
}

PyObject* branch_validate_bundle(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  std::string path;
  if (!given.parse(kValidate, arguments, count, names) || !path_argument(given[0], &path)) return nullptr;
  bool interrupted = false;
  const CallingTask task(handle);
  const auto verdict = run_with_progress(nullptr, &interrupted, [&](const Progress& progress) {
    return Bundles(*handle->session).validate(path, progress);
  });
  if (interrupted) return nullptr;
  if (!verdict.is_ok()) return raise(verdict.status());
  const bool good = !verdict->problem.has_value();
  Ref dict(PyDict_New());
  const bool filled = dict && set(dict.get(), "checksums_valid", PyBool_FromLong(good)) &&
                      set(dict.get(), "branch", good ? str(verdict->branch) : Py_NewRef(Py_None)) &&
                      set(dict.get(), "entry_count", number(verdict->entry_count)) &&
                      set(dict.get(), "problem", good ? Py_NewRef(Py_None) : str(*verdict->problem));
  return filled ? dict.release() : nullptr;
}

}  // namespace

std::span<const PyMethodDef> bundle_methods() {
  static const PyMethodDef methods[] = {
      define<branch_export>("branch_export", kExportDoc),
      define<branch_import>("branch_import", kImportDoc),
      define<branch_validate_bundle>("branch_validate_bundle", kValidateDoc),
  };
  return methods;
}

}  // namespace strata::python
