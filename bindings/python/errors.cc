#include "errors.h"

#include <array>

namespace strata::python {
namespace {

struct ClassRow {
  ErrorKind kind;
  const char* name;  // null: a TypeError without code
};

constexpr std::array kClassNames = {
    ClassRow{ErrorKind::kNotFound, "NotFoundError"},
    ClassRow{ErrorKind::kValidation, "ValidationError"},
    ClassRow{ErrorKind::kConflict, "ConflictError"},
    ClassRow{ErrorKind::kState, "StateError"},
    ClassRow{ErrorKind::kConstraint, "ConstraintError"},
    ClassRow{ErrorKind::kAccessDenied, "AccessDeniedError"},
    ClassRow{ErrorKind::kIo, "IoError"},
    ClassRow{ErrorKind::kCorruption, "CorruptionError"},
    ClassRow{ErrorKind::kType, nullptr},
};
static_assert(static_cast<size_t>(ErrorKind::kType) + 1 == kClassNames.size(), "every kind has a row");

// A message may name what a caller gave, and that may be a megabyte long.
std::string shortened(std::string_view message) {
  constexpr size_t kHead = 700;
  constexpr size_t kTail = 200;
  if (message.size() <= kHead + kTail) return std::string(message);
  const auto inside_character = [&](size_t i) { return (static_cast<unsigned char>(message[i]) & 0xC0) == 0x80; };
  size_t head = kHead;
  size_t tail = message.size() - kTail;
  while (head > 0 && inside_character(head)) --head;
  while (tail < message.size() && inside_character(tail)) ++tail;
  return std::string(message.substr(0, head)) + " ... " + std::string(message.substr(tail));
}

// The classes live as long as the process.
std::array<PyObject*, kClassNames.size()> classes;

}  // namespace

std::string type_name(PyObject* object) {
  const Ref name(PyObject_GetAttrString(reinterpret_cast<PyObject*>(Py_TYPE(object)), "__name__"));
  const char* text = name && PyUnicode_Check(name.get()) ? PyUnicode_AsUTF8(name.get()) : nullptr;
  if (text == nullptr) PyErr_Clear();
  return text != nullptr ? std::string(text).substr(0, 200) : "object";
}

bool load_error_classes() {
  const Ref module(PyImport_ImportModule("stratadb.errors"));
  if (!module) return false;
  for (const ClassRow& row : kClassNames) {
    PyObject* found = row.name == nullptr ? Py_NewRef(PyExc_TypeError) : PyObject_GetAttrString(module.get(), row.name);
    if (found == nullptr) return false;
    classes[static_cast<size_t>(row.kind)] = found;
  }
  return true;
}

PyObject* raise(const Status& status) {
  if (PyErr_Occurred() != nullptr) return nullptr;  // a signal's handler has raised
  const ErrorKind kind = code_kind(status.code());
  PyObject* type = classes[static_cast<size_t>(kind)];
  const Ref message(str(shortened(status.message())));
  if (!message) return nullptr;
  if (kind == ErrorKind::kType) {
    PyErr_SetObject(type, message.get());
    return nullptr;
  }
  const Ref code(str(code_name(status.code())));
  const Ref hint(str(status.hint()));
  const Ref names(Py_BuildValue("(ss)", "code", "hint"));
  if (!code || !hint || !names) return nullptr;
  PyObject* const arguments[] = {message.get(), code.get(), hint.get()};
  const Ref error(PyObject_Vectorcall(type, arguments, 1, names.get()));
  if (error) PyErr_SetObject(type, error.get());
  return nullptr;
}

PyObject* raise(Code code, std::string message, std::string hint) {
  return raise(Status::error(code, std::move(message), std::move(hint)));
}

PyObject* raise_type(const std::string& message) { return raise(Code::kInvalidType, message); }

}  // namespace strata::python
