#include "arguments.h"

#include <datetime.h>

#include <algorithm>
#include <limits>
#include <string>

#include "convert.h"
#include "errors.h"

namespace strata::python {
namespace {

constexpr int64_t kLeastInteger = std::numeric_limits<int64_t>::min();
constexpr int64_t kGreatestInteger = std::numeric_limits<int64_t>::max();
constexpr int64_t kLeastTime = 100'000'000'000'000;  // a smaller one is seconds or milliseconds by mistake

bool is_absent(PyObject* given) { return given == nullptr || given == Py_None; }

bool refuse_type(const char* what, const char* wanted, PyObject* given) {
  raise_type(std::string(what) + " must be " + wanted + ", not " + type_name(given));
  return false;
}

// The datetime module's C interface; only who has imported it can give us one of its objects.
bool load_datetime() {
  if (PyDateTimeAPI == nullptr) PyDateTime_IMPORT;
  return PyDateTimeAPI != nullptr;
}

bool raise_out_of_range(const char* what, PyObject* number, int64_t least) {
  const Ref shown(PyObject_Str(number));
  const char* text = shown ? PyUnicode_AsUTF8(shown.get()) : nullptr;
  if (text == nullptr) PyErr_Clear();  // Python refuses to print a very long one
  const std::string value = text != nullptr ? std::string(text).substr(0, 30) : "too long to print";
  raise(Code::kOutOfRange,
        std::string(what) + " is " + value + "; " + std::to_string(least) + " to " + std::to_string(kGreatestInteger) +
            " is allowed",
        "give a number in that range");
  return false;
}

// The time of a datetime between 1970 and the end of time, else the nearer of the two.
bool datetime_argument(PyObject* given, AsOf* moment) {
  const bool naive = reinterpret_cast<PyDateTime_DateTime*>(given)->hastzinfo == 0;
  Ref aware = naive ? Ref(PyObject_CallMethod(given, "astimezone", nullptr)) : Ref::borrow(given);
  if (!aware) {
    // A local time at the edge of what datetime can hold.
    if (!PyErr_ExceptionMatches(PyExc_OverflowError) && !PyErr_ExceptionMatches(PyExc_ValueError)) return false;
    PyErr_Clear();
    *moment = PyDateTime_GET_YEAR(given) < 1971 ? 0 : static_cast<uint64_t>(kGreatestInteger);
    return true;
  }
  const Ref epoch(PyDateTimeAPI->DateTime_FromDateAndTime(1970, 1, 1, 0, 0, 0, 0, PyDateTime_TimeZone_UTC,
                                                          PyDateTimeAPI->DateTimeType));
  if (!epoch) return false;
  const Ref since(PyNumber_Subtract(aware.get(), epoch.get()));
  if (!since) return false;
  if (!PyDelta_Check(since.get())) return refuse_type("the difference of two datetimes", "timedelta", since.get());
  const int64_t days = PyDateTime_DELTA_GET_DAYS(since.get());
  const int64_t seconds = PyDateTime_DELTA_GET_SECONDS(since.get());
  const int64_t micros = PyDateTime_DELTA_GET_MICROSECONDS(since.get());
  *moment = static_cast<uint64_t>(std::max<int64_t>(0, (days * 86400 + seconds) * 1'000'000 + micros));
  return true;
}

}  // namespace

bool Arguments::parse_any(const Signature& signature, PyObject* const* given, Py_ssize_t count, PyObject* names) {
  const std::string method(signature.method);
  if (count > signature.positional) {
    raise_type(method + "() takes at most " + std::to_string(signature.positional) + " positional arguments (" +
               std::to_string(count) + " given)");
    return false;
  }
  for (Py_ssize_t i = 0; i < count; ++i) values_[static_cast<size_t>(i)] = given[i];
  const Py_ssize_t named = names != nullptr ? PyTuple_GET_SIZE(names) : 0;
  for (Py_ssize_t n = 0; n < named; ++n) {
    PyObject* name = PyTuple_GET_ITEM(names, n);
    size_t i = 0;
    while (i < kMostParameters && signature.names[i] != nullptr &&
           PyUnicode_CompareWithASCIIString(name, signature.names[i]) != 0) {
      ++i;
    }
    if (i == kMostParameters || signature.names[i] == nullptr) {
      const Ref shown(PyObject_ASCII(name));
      const char* text = shown ? PyUnicode_AsUTF8(shown.get()) : nullptr;
      if (text != nullptr)
        raise_type(method + "() got an unexpected keyword argument " + std::string(text).substr(0, 200));
      return false;
    }
    if (values_[i] != nullptr) {
      raise_type(method + "() got multiple values for argument '" + signature.names[i] + "'");
      return false;
    }
    values_[i] = given[count + n];
  }
  for (int i = 0; i < signature.required; ++i) {
    if (values_[static_cast<size_t>(i)] != nullptr) continue;
    raise_type(method + "() missing required argument '" + signature.names[static_cast<size_t>(i)] + "'");
    return false;
  }
  return true;
}

bool text_argument(PyObject* given, const char* what, std::string_view* text) {
  if (!PyUnicode_Check(given)) return refuse_type(what, "str", given);
  if (utf8_of(given, text)) return true;
  raise_surrogate(what, "$", given);
  return false;
}

bool optional_text(PyObject* given, const char* what, std::optional<std::string_view>* text) {
  text->reset();
  return is_absent(given) || text_argument(given, what, &text->emplace());
}

bool integer_argument(PyObject* given, const char* what, int64_t least, int64_t* number) {
  if (PyBool_Check(given)) return refuse_type(what, "int", given);
  const Ref index(PyNumber_Index(given));
  if (!index) {
    if (!PyErr_ExceptionMatches(PyExc_TypeError)) return false;
    PyErr_Clear();
    return refuse_type(what, "int", given);
  }
  int overflow = 0;
  *number = PyLong_AsLongLongAndOverflow(index.get(), &overflow);
  return (overflow == 0 && *number >= least) || raise_out_of_range(what, index.get(), least);
}

bool limit_argument(PyObject* given, std::optional<uint64_t>* limit) {
  limit->reset();
  if (is_absent(given)) return true;
  int64_t number = 0;
  if (!integer_argument(given, "limit", 0, &number)) return false;
  *limit = static_cast<uint64_t>(number);
  return true;
}

bool time_argument(PyObject* given, const char* what, AsOf* moment) {
  moment->reset();
  if (is_absent(given)) return true;
  if (!PyLong_Check(given)) {
    if (!load_datetime()) return false;
    if (PyDateTime_Check(given)) return datetime_argument(given, moment);
  }
  int64_t number = 0;
  if (!integer_argument(given, what, kLeastInteger, &number)) return false;
  if (number < kLeastTime) {
    raise(Code::kOutOfRange, std::string(what) + " is " + std::to_string(number) + ", which no commit can have",
          "microseconds since 1970, such as a timestamp of this database, or a datetime");
    return false;
  }
  *moment = static_cast<uint64_t>(number);
  return true;
}

bool duration_argument(PyObject* given, const char* what, std::optional<uint64_t>* micros) {
  micros->reset();
  if (is_absent(given)) return true;
  if (!load_datetime()) return false;
  if (!PyDelta_Check(given)) return refuse_type(what, "a timedelta or None", given);
  const int64_t days = PyDateTime_DELTA_GET_DAYS(given);
  if (days < 0) {
    raise(Code::kOutOfRange, std::string(what) + " is negative",
          "give a timedelta of 0 or more: it counts back from the last commit");
    return false;
  }
  const int64_t seconds = days * 86400 + PyDateTime_DELTA_GET_SECONDS(given);
  // The longest timedelta is longer than 64 bits of microseconds, and than anything there is to keep.
  const bool fits = seconds < kGreatestInteger / 1'000'000;
  *micros = fits ? static_cast<uint64_t>(seconds * 1'000'000 + PyDateTime_DELTA_GET_MICROSECONDS(given))
                 : static_cast<uint64_t>(kGreatestInteger);
  return true;
}

bool path_argument(PyObject* given, std::string* path) {
  const Ref text(PyOS_FSPath(given));
  if (!text) return false;
  if (!PyUnicode_Check(text.get())) {
    raise_type("path must be str or os.PathLike of str");
    return false;
  }
  const Ref bytes(PyUnicode_EncodeFSDefault(text.get()));
  if (bytes) path->assign(PyBytes_AS_STRING(bytes.get()), static_cast<size_t>(PyBytes_GET_SIZE(bytes.get())));
  if (bytes && !path->empty() && path->find('\0') == std::string::npos) return true;
  PyErr_Clear();
  const Ref shown(PyObject_ASCII(text.get()));
  const char* ascii = shown ? PyUnicode_AsUTF8(shown.get()) : nullptr;
  if (ascii == nullptr) return false;
  raise(Code::kInvalidPathName, std::string("path ") + std::string(ascii).substr(0, 300) + " is not a file name",
        "give the path of a folder: not empty, without NUL characters");
  return false;
}

bool flag_argument(PyObject* given, bool* flag) {
  const int truth = PyObject_IsTrue(given);
  *flag = truth == 1;
  return truth >= 0;
}

bool keys_argument(PyObject* given, Ref* list, std::vector<std::string_view>* keys, const char* what) {
  if (PyUnicode_Check(given) || PyBytes_Check(given) || PyDict_Check(given)) {
    return refuse_type(what, "a list of str", given);
  }
  *list = Ref(PySequence_List(given));
  if (!*list) return false;
  const auto count = static_cast<size_t>(PyList_GET_SIZE(list->get()));
  keys->resize(count);
  for (size_t i = 0; i < count; ++i) {
    if (!text_argument(PyList_GET_ITEM(list->get(), static_cast<Py_ssize_t>(i)), "key", &(*keys)[i])) return false;
  }
  return true;
}

bool progress_argument(PyObject* given, PyObject** callable) {
  *callable = nullptr;
  if (is_absent(given) || PyBool_Check(given)) return true;
  if (!PyCallable_Check(given)) return refuse_type("progress", "a callable or True", given);
  *callable = given;
  return true;
}

bool report(PyObject* progress, size_t done, size_t total) {
  return progress == nullptr || static_cast<bool>(Ref(PyObject_CallFunction(
                                    progress, "nn", static_cast<Py_ssize_t>(done), static_cast<Py_ssize_t>(total))));
}

}  // namespace strata::python
