// Arguments of the methods: who gets which, and from Python objects to what the engine takes.
//
// The checks are those of the public API: a wrong type is a TypeError, a wrong value a ValidationError, and both name
// the argument. Every function here answers false with an exception set.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "python.h"
#include "strata/session.h"

namespace strata::python {

constexpr size_t kMostParameters = 8;

struct Signature {
  const char* method;
  int positional;  // how many may be given by position, the others only by name
  int required;    // how many must be given
  std::array<const char*, kMostParameters> names;
};

// The arguments of one call in the order of Signature::names, borrowed; null where one is left out.
class Arguments {
 public:
  bool parse(const Signature& signature, PyObject* const* given, Py_ssize_t count, PyObject* names) {
    if (names == nullptr && count >= signature.required && count <= signature.positional) {
      for (Py_ssize_t i = 0; i < count; ++i) values_[static_cast<size_t>(i)] = given[i];
      return true;
    }
    return parse_any(signature, given, count, names);
  }
  PyObject* operator[](size_t i) const { return values_[i]; }

 private:
  bool parse_any(const Signature& signature, PyObject* const* given, Py_ssize_t count, PyObject* names);

  std::array<PyObject*, kMostParameters> values_{};
};

// Null and None are "not given" in all that follow, except for text_argument.

// A str without lone surrogates; the view lives as long as the object.
bool text_argument(PyObject* given, const char* what, std::string_view* text);
bool optional_text(PyObject* given, const char* what, std::optional<std::string_view>* text);
// Anything with __index__ but bool, from `least` to 2^63 - 1.
bool integer_argument(PyObject* given, const char* what, int64_t least, int64_t* number);
bool limit_argument(PyObject* given, std::optional<uint64_t>* limit);
// Microseconds since 1970 or a datetime, a naive one being local time.
bool time_argument(PyObject* given, const char* what, AsOf* moment);
// A timedelta that is not negative, in microseconds.
bool duration_argument(PyObject* given, const char* what, std::optional<uint64_t>* micros);
// A path as the operating system takes it: str or os.PathLike of str.
bool path_argument(PyObject* given, std::string* path);
// What Python calls true.
bool flag_argument(PyObject* given, bool* flag);
// An iterable of str that is not itself a str, bytes or dict. The views live as long as *list.
bool keys_argument(PyObject* given, Ref* list, std::vector<std::string_view>* keys, const char* what = "keys");
// A callable `progress(done, total)`: *callable is it, borrowed, or null for None, True and False.
bool progress_argument(PyObject* given, PyObject** callable);
// Calls progress(done, total), unless it is null.
bool report(PyObject* progress, size_t done, size_t total);

}  // namespace strata::python
