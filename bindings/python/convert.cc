#include "convert.h"

#include <memory>
#include <string>
#include <vector>

#include "errors.h"

namespace strata::python {
namespace {

// Why a value cannot be stored; the place is collected while the recursion unwinds.
enum class Refusal : uint8_t {
  kNone,
  kType,       // culprit: the object
  kNameType,   // culprit: the name
  kNumpyType,  // culprit: its dtype
  kIntegerRange,
  kString,   // culprit: the str with the surrogate
  kName,     // likewise
  kLimit,    // see ValueWriter::error
  kForeign,  // Python code would run: once more, carefully
  kPython,   // an exception is set already
};

struct NumpyTypes {
  PyTypeObject* generic = nullptr;
  PyTypeObject* array = nullptr;
};

// NumPy's types, if the program has imported it. Borrowed; null otherwise.
NumpyTypes numpy_types() {
  static NumpyTypes known;
  if (known.generic != nullptr) return known;
  PyObject* modules = PyImport_GetModuleDict();
  PyObject* numpy = modules != nullptr ? PyDict_GetItemString(modules, "numpy") : nullptr;
  if (numpy == nullptr) return {};
  Ref generic(PyObject_GetAttrString(numpy, "generic"));
  Ref array(PyObject_GetAttrString(numpy, "ndarray"));
  if (generic && array && PyType_Check(generic.get()) && PyType_Check(array.get())) {
    known.generic = reinterpret_cast<PyTypeObject*>(generic.release());
    known.array = reinterpret_cast<PyTypeObject*>(array.release());
  }
  PyErr_Clear();  // half-imported: not usable yet
  return known;
}

// One encoding. Two ways to walk containers: as they are, while nothing but this code runs; and carefully, holding
// references and copies, once an object was met whose conversion calls Python (which might change the containers).
class Encoder {
 public:
  Encoder(ValueWriter& out, bool careful) : out_(out), careful_(careful) {}

  bool encode(PyObject* value);
  bool must_be_careful() const { return refusal_ == Refusal::kForeign; }
  void raise_refusal();

 private:
  bool refuse(Refusal why, PyObject* culprit = nullptr) {
    refusal_ = why;
    culprit_ = Ref::borrow(culprit);
    return false;
  }
  bool limited(bool ok) { return ok || refuse(Refusal::kLimit); }
  bool encode_integer(PyObject* value);
  bool encode_string(PyObject* value);
  bool encode_list(PyObject* list);
  bool encode_object(PyObject* dict);
  bool encode_with_plain_names(PyObject* dict);
  bool encode_item(PyObject* item, Py_ssize_t index);
  bool encode_member(PyObject* name, PyObject* item);
  bool encode_other(PyObject* value);
  bool encode_view(PyObject* memoryview);
  bool encode_numpy(PyObject* value, const NumpyTypes& numpy);
  std::string place() const;

  ValueWriter& out_;
  const bool careful_;
  Refusal refusal_ = Refusal::kNone;
  Ref culprit_;
  std::vector<std::string> steps_;  // innermost first
};

std::string step_into(char kind, std::string_view what) {
  std::string step(1, kind);
  step.append(what);
  if (kind == '[') step += ']';
  return step;
}

// How a member is written in a path: `.a` for a plain name, `['odd name']` for any other.
std::string member_step(PyObject* name) {
  std::string_view text;
  if (utf8_of(name, &text) && !text.empty() && !(text[0] >= '0' && text[0] <= '9')) {
    bool plain = true;
    for (const char c : text) {
      plain = plain && ((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_');
    }
    if (plain) return step_into('.', text);
  }
  const Ref shown(PyObject_Repr(name));
  const bool ok = shown && utf8_of(shown.get(), &text);
  PyErr_Clear();
  return step_into('[', ok ? text : std::string_view("?"));
}

inline bool Encoder::encode_integer(PyObject* value) {
#if PY_VERSION_HEX >= 0x030C0000
  auto* number = reinterpret_cast<PyLongObject*>(value);
  if (PyUnstable_Long_IsCompact(number)) return limited(out_.integer(PyUnstable_Long_CompactValue(number)));
#else
  const Py_ssize_t digits = Py_SIZE(value);
  if (digits >= -1 && digits <= 1) {
    const auto digit = digits == 0 ? 0 : static_cast<int64_t>(reinterpret_cast<PyLongObject*>(value)->ob_digit[0]);
    return limited(out_.integer(digits < 0 ? -digit : digit));
  }
#endif
  int overflow = 0;
  const long long wide = PyLong_AsLongLongAndOverflow(value, &overflow);
  if (overflow != 0) return refuse(Refusal::kIntegerRange);
  return limited(out_.integer(wide));
}

inline bool Encoder::encode_string(PyObject* value) {
  std::string_view text;
  if (!utf8_of(value, &text)) return refuse(Refusal::kString, value);
  return limited(out_.string(text));
}

inline bool Encoder::encode(PyObject* value) {
  PyTypeObject* type = Py_TYPE(value);
  if (type == &PyUnicode_Type) return encode_string(value);
  if (type == &PyLong_Type) return encode_integer(value);
  if (type == &PyFloat_Type) return limited(out_.real(PyFloat_AS_DOUBLE(value)));
  if (type == &PyDict_Type) return encode_object(value);
  if (type == &PyList_Type) return encode_list(value);
  if (value == Py_None) return limited(out_.null());
  if (value == Py_True || value == Py_False) return limited(out_.boolean(value == Py_True));
  return encode_other(value);
}

// The item is held, so that it outlives whatever its conversion does to the container.
inline bool Encoder::encode_item(PyObject* item, Py_ssize_t index) {
  const Ref held = careful_ ? Ref::borrow(item) : Ref();
  if (encode(item)) return true;
  steps_.push_back(step_into('[', std::to_string(index)));
  return false;
}

bool Encoder::encode_list(PyObject* list) {
  if (!limited(out_.begin_array(static_cast<size_t>(PyList_GET_SIZE(list))))) return false;
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(list); ++i) {
    if (!encode_item(PyList_GET_ITEM(list, i), i)) return false;
  }
  return limited(out_.end());
}

inline bool Encoder::encode_member(PyObject* name, PyObject* item) {
  std::string_view text;
  if (!utf8_of(name, &text)) return refuse(Refusal::kName, name);
  if (!limited(out_.name(text))) return false;
  if (encode(item)) return true;
  steps_.push_back(member_step(name));
  return false;
}

bool Encoder::encode_object(PyObject* dict) {
  const Ref copy = careful_ ? Ref(PyDict_Copy(dict)) : Ref();
  if (careful_ && !copy) return refuse(Refusal::kPython);
  PyObject* source = careful_ ? copy.get() : dict;
  if (!limited(out_.begin_object(static_cast<size_t>(PyDict_GET_SIZE(source))))) return false;
  Py_ssize_t position = 0;
  PyObject* name = nullptr;
  PyObject* item = nullptr;
  while (PyDict_Next(source, &position, &name, &item)) {
    if (!PyUnicode_CheckExact(name)) {
      if (!PyUnicode_Check(name)) return refuse(Refusal::kNameType, name);
      out_.abandon();
      return encode_with_plain_names(source);
    }
    if (!encode_member(name, item)) return false;
  }
  return limited(out_.end());
}

// Names that are instances of subclasses of str may be different to Python and yet the same text: the last one wins.
bool Encoder::encode_with_plain_names(PyObject* dict) {
  const Ref plain(PyDict_New());
  if (!plain) return refuse(Refusal::kPython);
  const Ref pairs(PyDict_Items(dict));
  if (!pairs) return refuse(Refusal::kPython);
  for (Py_ssize_t i = 0; i < PyList_GET_SIZE(pairs.get()); ++i) {
    PyObject* pair = PyList_GET_ITEM(pairs.get(), i);
    PyObject* name = PyTuple_GET_ITEM(pair, 0);
    if (!PyUnicode_Check(name)) return refuse(Refusal::kNameType, name);
    const Ref exact(PyUnicode_FromObject(name));
    if (!exact || PyDict_SetItem(plain.get(), exact.get(), PyTuple_GET_ITEM(pair, 1)) != 0) {
      return refuse(Refusal::kPython);
    }
  }
  return encode_object(plain.get());
}

bool Encoder::encode_view(PyObject* memoryview) {
  const Ref copy(PyBytes_FromObject(memoryview));
  if (!copy) return refuse(Refusal::kPython);
  return limited(out_.bytes({PyBytes_AS_STRING(copy.get()), static_cast<size_t>(PyBytes_GET_SIZE(copy.get()))}));
}

// Everything that is not exactly one of the most common types.
bool Encoder::encode_other(PyObject* value) {
  if (PyTuple_Check(value)) {
    if (!limited(out_.begin_array(static_cast<size_t>(PyTuple_GET_SIZE(value))))) return false;
    for (Py_ssize_t i = 0; i < PyTuple_GET_SIZE(value); ++i) {
      if (!encode_item(PyTuple_GET_ITEM(value, i), i)) return false;
    }
    return limited(out_.end());
  }
  if (PyBytes_Check(value)) {
    return limited(out_.bytes({PyBytes_AS_STRING(value), static_cast<size_t>(PyBytes_GET_SIZE(value))}));
  }
  if (PyUnicode_Check(value)) return encode_string(value);
  if (PyLong_Check(value)) return encode_integer(value);
  if (PyFloat_Check(value)) return limited(out_.real(PyFloat_AS_DOUBLE(value)));
  if (PyDict_Check(value)) return encode_object(value);
  if (PyList_Check(value)) return encode_list(value);
  if (PyByteArray_Check(value)) {
    return limited(out_.bytes({PyByteArray_AS_STRING(value), static_cast<size_t>(PyByteArray_GET_SIZE(value))}));
  }
  if (!careful_) return refuse(Refusal::kForeign);
  if (PyMemoryView_Check(value)) return encode_view(value);
  const NumpyTypes numpy = numpy_types();
  if (numpy.generic != nullptr &&
      (PyObject_TypeCheck(value, numpy.generic) || PyObject_TypeCheck(value, numpy.array))) {
    return encode_numpy(value, numpy);
  }
  return refuse(Refusal::kType, value);
}

bool Encoder::encode_numpy(PyObject* value, const NumpyTypes& numpy) {
  const Ref dtype(PyObject_GetAttrString(value, "dtype"));
  const Ref kind(dtype ? PyObject_GetAttrString(dtype.get(), "kind") : nullptr);
  if (!kind) return refuse(Refusal::kPython);
  const char* letter = PyUnicode_Check(kind.get()) ? PyUnicode_AsUTF8(kind.get()) : nullptr;
  if (letter != nullptr && (*letter == 'm' || *letter == 'M')) return refuse(Refusal::kNumpyType, dtype.get());
  const bool scalar = PyObject_TypeCheck(value, numpy.generic);
  const Ref plain(PyObject_CallMethod(value, scalar ? "item" : "tolist", nullptr));
  if (!plain) return refuse(Refusal::kPython);
  // Those without an equivalent, like longdouble, give themselves.
  if (PyObject_TypeCheck(plain.get(), numpy.generic) && scalar) return refuse(Refusal::kType, value);
  if (PyObject_TypeCheck(plain.get(), numpy.array)) return refuse(Refusal::kType, value);
  return encode(plain.get());
}

std::string Encoder::place() const {
  std::string path = "$";
  for (auto step = steps_.rbegin(); step != steps_.rend() && path.size() < 2000; ++step) path += *step;
  return path;
}

void Encoder::raise_refusal() {
  const std::string path = place();
  switch (refusal_) {
    case Refusal::kNone:
    case Refusal::kForeign:
    case Refusal::kPython:
      return;
    case Refusal::kType:
      raise_type("value at " + path + " has type " + type_name(culprit_.get()) + ", which StrataDB does not store");
      return;
    case Refusal::kNameType:
      raise_type("object at " + path + " has a key of type " + type_name(culprit_.get()) + "; keys are str");
      return;
    case Refusal::kNumpyType: {
      const Ref shown(PyObject_Str(culprit_.get()));
      const char* text = shown ? PyUnicode_AsUTF8(shown.get()) : nullptr;
      PyErr_Clear();
      raise_type("value at " + path + " is a NumPy " + (text != nullptr ? text : "date or time") +
                 ", which StrataDB does not store");
      return;
    }
    case Refusal::kIntegerRange:
      raise(Code::kIntegerOutOfRange, "integer at " + path + " is outside 64 bits", "store it as a str or a float");
      return;
    case Refusal::kString:
    case Refusal::kName:
      raise_surrogate(refusal_ == Refusal::kString ? "string" : "object key", path, culprit_.get());
      return;
    case Refusal::kLimit: {
      const Status limit = out_.error();
      if (limit.code() != Code::kNestingTooDeep) {
        raise(Code::kValueTooLarge, "value at $ is larger than 64 MiB encoded", std::string(limit.hint()));
        return;
      }
      const Ref whole(str(path));
      const Ref start(whole ? PyUnicode_Substring(whole.get(), 0, 80) : nullptr);
      std::string_view shown = "$";
      if (start) utf8_of(start.get(), &shown);
      raise(limit.code(), std::string(limit.message()) + " at " + std::string(shown) + "...",
            std::string(limit.hint()));
      return;
    }
  }
}

}  // namespace

bool utf8_of(PyObject* text, std::string_view* utf8) {
  if (PyUnicode_IS_COMPACT_ASCII(text)) {
    *utf8 = std::string_view(static_cast<const char*>(PyUnicode_DATA(text)),
                             static_cast<size_t>(PyUnicode_GET_LENGTH(text)));
    return true;
  }
  Py_ssize_t size = 0;
  const char* data = PyUnicode_AsUTF8AndSize(text, &size);
  if (data == nullptr) {
    PyErr_Clear();
    return false;
  }
  *utf8 = std::string_view(data, static_cast<size_t>(size));
  return true;
}

PyObject* raise_surrogate(std::string_view what, std::string_view path, PyObject* text) {
  const Ref exact(PyUnicode_FromObject(text));
  const Ref start(exact ? PyUnicode_Substring(exact.get(), 0, 40) : nullptr);
  const Ref shown(start ? PyObject_ASCII(start.get()) : nullptr);
  const char* ascii = shown ? PyUnicode_AsUTF8(shown.get()) : nullptr;
  if (ascii == nullptr) return nullptr;
  std::string message(what);
  message.append(" at ").append(path).append(" holds a lone surrogate: ").append(ascii);
  return raise(Code::kInvalidUnicode, std::move(message), "encode it as bytes");
}

bool encode_for(std::string_view key, const char* what, PyObject* value, ValueWriter& out) {
  if (encode(value, out)) return true;
  const Status allowed = check_key(key, what);
  if (!allowed.is_ok()) {
    PyErr_Clear();
    raise(allowed);
  }
  return false;
}

bool encode(PyObject* value, ValueWriter& out) {
  for (const bool careful : {false, true}) {
    out.clear();
    Encoder encoder(out, careful);
    if (encoder.encode(value)) return true;
    if (careful || !encoder.must_be_careful()) {
      encoder.raise_refusal();
      return false;
    }
  }
  return false;
}

}  // namespace strata::python
