#include <array>
#include <bit>
#include <cstring>

#include "convert.h"
#include "errors.h"

namespace strata::python {
namespace {

PyObject* raise_damaged() {
  if (!PyErr_Occurred() || PyErr_ExceptionMatches(PyExc_UnicodeDecodeError)) {
    PyErr_Clear();
    raise(Code::kCorruption, "a stored value is damaged", "verify() lists all damage");
  }
  return nullptr;
}

bool is_ascii(const char* at, size_t n) {
  constexpr uint64_t kHighBits = 0x8080808080808080;
  uint64_t seen = 0;
  uint64_t word = 0;
  for (; n >= 8; n -= 8, at += 8) {
    std::memcpy(&word, at, 8);
    seen |= word;
  }
  word = 0;
  for (size_t i = 0; i < n; ++i) word |= static_cast<unsigned char>(at[i]);
  return ((seen | word) & kHighBits) == 0;
}

inline PyObject* new_string(std::string_view text) {
  const size_t n = text.size();
  if (n > 1 && is_ascii(text.data(), n)) {
    PyObject* made = PyUnicode_New(static_cast<Py_ssize_t>(n), 127);
    if (made != nullptr) std::memcpy(PyUnicode_1BYTE_DATA(made), text.data(), n);
    return made;
  }
  return PyUnicode_DecodeUTF8(text.data(), static_cast<Py_ssize_t>(n), "strict");
}

// Names of members recur: the str of each short one is kept, so that it is made and hashed once.
class NameCache {
 public:
  // A new reference.
  PyObject* get(std::string_view name) {
    const size_t n = name.size();
    if (n == 0 || n > kLongest) return new_string(name);
    PyObject*& slot = slots_[slot_of(name)];
    if (slot != nullptr && static_cast<size_t>(PyUnicode_GET_LENGTH(slot)) == n &&
        std::memcmp(PyUnicode_1BYTE_DATA(slot), name.data(), n) == 0) {
      return Py_NewRef(slot);
    }
    PyObject* made = new_string(name);
    if (made != nullptr && PyUnicode_IS_COMPACT_ASCII(made)) {
      PyObject* old = slot;
      slot = Py_NewRef(made);
      Py_XDECREF(old);
    }
    return made;
  }

 private:
  static constexpr size_t kLongest = 48;
  static constexpr unsigned kBits = 11;

  static size_t slot_of(std::string_view name) {
    const char* at = name.data();
    const size_t n = name.size();
    uint64_t head = 0;
    uint64_t tail = 0;
    if (n >= 8) {
      std::memcpy(&head, at, 8);
      std::memcpy(&tail, at + n - 8, 8);
    } else if (n >= 4) {
      uint32_t half = 0;
      std::memcpy(&half, at, 4);
      head = half;
      std::memcpy(&half, at + n - 4, 4);
      tail = half;
    } else {
      head = static_cast<unsigned char>(at[0]) | static_cast<unsigned>(static_cast<unsigned char>(at[n / 2])) << 8;
      tail = static_cast<unsigned char>(at[n - 1]);
    }
    const uint64_t mixed = (head ^ std::rotl(tail, 29) ^ n) * 0x9E3779B97F4A7C15;
    return static_cast<size_t>(mixed >> (64 - kBits));
  }

  std::array<PyObject*, size_t{1} << kBits> slots_{};
};

NameCache names;

PyObject* decode_at(const char*& at, const char* end, int depth);

PyObject* decode_array(const ValueToken& token, int depth) {
  if (token.count > token.bytes.size()) return raise_damaged();  // before that much memory is taken
  Ref list(PyList_New(token.count));
  if (!list) return nullptr;
  const char* at = token.bytes.data();
  const char* end = at + token.bytes.size();
  for (uint32_t i = 0; i < token.count; ++i) {
    PyObject* item = decode_at(at, end, depth + 1);
    if (item == nullptr) return nullptr;
    PyList_SET_ITEM(list.get(), i, item);
  }
  return at == end ? list.release() : raise_damaged();
}

PyObject* decode_object(const ValueToken& token, int depth) {
  if (token.count > token.bytes.size() / 2) return raise_damaged();
  Ref dict(new_dict(token.count));
  if (!dict) return nullptr;
  const char* at = token.bytes.data();
  const char* end = at + token.bytes.size();
  ValueToken name;
  for (uint32_t i = 0; i < token.count; ++i) {
    if (!read_value(at, end, name) || name.type != ValueType::kString) return raise_damaged();
    const Ref key(names.get(name.bytes));
    if (!key) return raise_damaged();
    const Ref value(decode_at(at, end, depth + 1));
    if (!value || PyDict_SetItem(dict.get(), key.get(), value.get()) != 0) return nullptr;
  }
  return at == end ? dict.release() : raise_damaged();
}

PyObject* decode_at(const char*& at, const char* end, int depth) {
  ValueToken token;
  if (!read_value(at, end, token)) return raise_damaged();
  switch (token.type) {
    case ValueType::kNull:
      return Py_NewRef(Py_None);
    case ValueType::kBoolean:
      return Py_NewRef(token.boolean ? Py_True : Py_False);
    case ValueType::kInteger:
      return PyLong_FromLongLong(token.integer);
    case ValueType::kFloat:
      return PyFloat_FromDouble(token.real);
    case ValueType::kString:
      return decode_text(token.bytes);
    case ValueType::kBytes:
      return PyBytes_FromStringAndSize(token.bytes.data(), static_cast<Py_ssize_t>(token.bytes.size()));
    case ValueType::kArray:
      return depth < kMaxValueNesting ? decode_array(token, depth) : raise_damaged();
    case ValueType::kObject:
      return depth < kMaxValueNesting ? decode_object(token, depth) : raise_damaged();
  }
  return raise_damaged();
}

}  // namespace

PyObject* new_dict(uint32_t count) {
#if PY_VERSION_HEX < 0x030D0000
  // Saves the growing; the table is of the size that Python itself would reach.
  if (count > 5) return _PyDict_NewPresized(count);
#endif
  (void)count;
  return PyDict_New();
}

PyObject* decode_name(std::string_view utf8) {
  PyObject* text = names.get(utf8);
  return text != nullptr ? text : raise_damaged();
}

PyObject* decode(std::string_view value) {
  const char* at = value.data();
  const char* end = at + value.size();
  Ref result(decode_at(at, end, 0));
  if (!result) return nullptr;
  return at == end ? result.release() : raise_damaged();
}

PyObject* decode_text(std::string_view utf8) {
  PyObject* made = new_string(utf8);
  return made != nullptr ? made : raise_damaged();
}

}  // namespace strata::python
