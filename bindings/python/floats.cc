#include "floats.h"

#include <algorithm>
#include <bit>
#include <cstdint>
#include <cstring>

#include "errors.h"

namespace strata::python {
namespace {

// Of one array: what no memory could hold anyway.
constexpr size_t kMostComponents = size_t{1} << 36;
// Copying more than this lets other threads run.
constexpr size_t kLongBytes = size_t{1} << 18;
constexpr bool kLittle = std::endian::native == std::endian::little;

enum class Kind : uint8_t { kFloat, kBrainFloat, kSigned, kUnsigned };

// Where numbers lie, and how: at most two dimensions.
struct Source {
  const char* data = nullptr;
  int dimensions = 0;
  size_t shape[2] = {1, 1};
  Py_ssize_t strides[2] = {0, 0};  // in bytes
  Kind kind = Kind::kFloat;
  size_t size = 4;  // of a number
  bool swapped = false;
};

bool refuse_shape(const std::string& what, int64_t dimensions, int wanted) {
  raise(Code::kInvalidVector,
        what + " has " + std::to_string(dimensions) + " dimensions instead of " + std::to_string(wanted),
        wanted == 1 ? "give one row of numbers" : "give an array of n rows");
  return false;
}

bool refuse_content(const std::string& what, const std::string& found) {
  raise_type(what + " must hold int or float, not " + found);
  return false;
}

bool refuse_object(const std::string& what, PyObject* given) {
  raise_type(what + " must be an array of numbers, not " + type_name(given));
  return false;
}

// Puts a TypeError that says why an array cannot be read in the place of what its type raised.
bool refuse_exporter(const std::string& what, PyObject* given) {
  if (!PyErr_ExceptionMatches(PyExc_Exception) || PyErr_ExceptionMatches(PyExc_MemoryError)) return false;
  PyObject* type = nullptr;
  PyObject* error = nullptr;
  PyObject* trace = nullptr;
  PyErr_Fetch(&type, &error, &trace);
  const Ref type_ref(type);
  const Ref error_ref(error);
  const Ref trace_ref(trace);
  const Ref text(error != nullptr ? PyObject_Str(error) : nullptr);
  const char* shown = text ? PyUnicode_AsUTF8(text.get()) : nullptr;
  if (shown == nullptr) PyErr_Clear();
  raise_type(what + " of type " + type_name(given) + " cannot be read as an array of numbers: " +
             std::string(shown != nullptr ? shown : "its type gives no reason").substr(0, 200));
  return false;
}

// ---- numbers ----

float half_to_float(uint16_t half) {
  const uint32_t sign = uint32_t{half & 0x8000u} << 16;
  uint32_t exponent = (half >> 10) & 0x1Fu;
  uint32_t mantissa = half & 0x3FFu;
  if (exponent == 0x1F) return std::bit_cast<float>(sign | 0x7F800000u | mantissa << 13);
  if (exponent == 0) {
    const float magnitude = static_cast<float>(mantissa) * 0x1p-24F;
    return sign != 0 ? -magnitude : magnitude;
  }
  exponent += 127 - 15;
  mantissa <<= 13;
  return std::bit_cast<float>(sign | exponent << 23 | mantissa);
}

template <typename Number>
Number load(const char* from, bool swapped) {
  char bytes[sizeof(Number)];
  std::memcpy(bytes, from, sizeof(Number));
  if (swapped) std::reverse(bytes, bytes + sizeof(Number));
  Number number;
  std::memcpy(&number, bytes, sizeof(Number));
  return number;
}

template <typename Number>
void copy_row(const Source& source, const char* from, float* to) {
  const Py_ssize_t stride = source.strides[1];
  for (size_t i = 0; i < source.shape[1]; ++i, from += stride) {
    to[i] = static_cast<float>(load<Number>(from, source.swapped));
  }
}

void copy_row_of_16_bits(const Source& source, const char* from, float* to) {
  const bool brain = source.kind == Kind::kBrainFloat;
  for (size_t i = 0; i < source.shape[1]; ++i, from += source.strides[1]) {
    const auto bits = load<uint16_t>(from, source.swapped);
    to[i] = brain ? std::bit_cast<float>(uint32_t{bits} << 16) : half_to_float(bits);
  }
}

using CopyRow = void (*)(const Source&, const char*, float*);

// Null: there are no such numbers.
CopyRow row_copier(const Source& source) {
  const bool is_signed = source.kind == Kind::kSigned;
  const bool is_float = source.kind == Kind::kFloat;
  if (source.kind == Kind::kBrainFloat) return source.size == 2 ? &copy_row_of_16_bits : nullptr;
  if (is_float && source.size == sizeof(long double)) return &copy_row<long double>;
  switch (source.size) {
    case 1:
      return is_float ? nullptr : is_signed ? &copy_row<int8_t> : &copy_row<uint8_t>;
    case 2:
      return is_float ? &copy_row_of_16_bits : is_signed ? &copy_row<int16_t> : &copy_row<uint16_t>;
    case 4:
      return is_float ? &copy_row<float> : is_signed ? &copy_row<int32_t> : &copy_row<uint32_t>;
    case 8:
      return is_float ? &copy_row<double> : is_signed ? &copy_row<int64_t> : &copy_row<uint64_t>;
    default:
      return nullptr;
  }
}

void copy_rows(const Source& source, CopyRow copy, float* to) {
  const bool plain = source.kind == Kind::kFloat && source.size == 4 && !source.swapped &&
                     (source.strides[1] == 4 || source.shape[1] <= 1);
  for (size_t row = 0; row < source.shape[0]; ++row, to += source.shape[1]) {
    const char* from = source.data + static_cast<Py_ssize_t>(row) * source.strides[0];
    if (plain) {
      std::memcpy(to, from, 4 * source.shape[1]);
    } else {
      copy(source, from, to);
    }
  }
}

// Appends what lies there to *values.
bool append_source(const Source& source, const std::string& what, std::vector<float>* values) {
  const CopyRow copy = row_copier(source);
  if (copy == nullptr) return refuse_content(what, "numbers of " + std::to_string(source.size) + " bytes");
  const size_t rows = source.shape[0];
  const size_t columns = source.shape[1];
  if (rows == 0 || columns == 0) return true;
  if (rows > kMostComponents / columns) {
    raise(Code::kInvalidVector, what + " has more than 2^36 components", "give fewer rows at a time");
    return false;
  }
  const size_t start = values->size();
  values->resize(start + rows * columns);
  float* to = values->data() + start;
  if (rows * columns * source.size < kLongBytes) {
    copy_rows(source, copy, to);
  } else {
    const GilReleased released;
    copy_rows(source, copy, to);
  }
  return true;
}

// A vector is one row of a Source.
bool fit_dimensions(const std::string& what, int wanted, Source* source) {
  if (source->dimensions != wanted) return refuse_shape(what, source->dimensions, wanted);
  if (wanted == 1) {
    source->shape[1] = source->shape[0];
    source->strides[1] = source->strides[0];
    source->shape[0] = 1;
    source->strides[0] = 0;
  }
  return true;
}

// ---- buffers ----

class Buffer {
 public:
  Buffer() = default;
  ~Buffer() {
    if (open_) PyBuffer_Release(&view_);
  }
  Buffer(const Buffer&) = delete;
  Buffer& operator=(const Buffer&) = delete;
  // False with an exception set.
  bool open(PyObject* given) {
    open_ = PyObject_GetBuffer(given, &view_, PyBUF_STRIDED_RO | PyBUF_FORMAT) == 0;
    return open_;
  }
  const Py_buffer& view() const { return view_; }

 private:
  Py_buffer view_{};
  bool open_ = false;
};

bool kind_of(char letter, Kind* kind) {
  if (std::strchr("efdg", letter) != nullptr) {
    *kind = Kind::kFloat;
  } else if (std::strchr("bhilqn", letter) != nullptr) {
    *kind = Kind::kSigned;
  } else if (std::strchr("BHILQN", letter) != nullptr) {
    *kind = Kind::kUnsigned;
  } else {
    return false;
  }
  return letter != 0;
}

// False: the items are no numbers.
bool read_format(const Py_buffer& view, Source* source) {
  const char* format = view.format != nullptr ? view.format : "B";
  if (*format == '<' || *format == '>' || *format == '!') {
    source->swapped = (*format == '<') != kLittle;
    ++format;
  } else if (*format == '@' || *format == '=') {
    ++format;
  }
  source->size = static_cast<size_t>(view.itemsize);
  return format[0] != 0 && format[1] == 0 && kind_of(format[0], &source->kind);
}

// `dimensions`: how many there shall be.
bool read_buffer(const Py_buffer& view, int dimensions, const std::string& what, Source* source) {
  if (!read_format(view, source)) {
    return refuse_content(what, "items of format '" + std::string(view.format != nullptr ? view.format : "") + "'");
  }
  source->data = static_cast<const char*>(view.buf);
  source->dimensions = view.ndim;
  // Some exporters, ctypes among them, give no strides whatever they were asked for.
  Py_ssize_t stride = view.itemsize;
  for (int i = view.ndim - 1; i >= 0; --i) {
    const Py_ssize_t length = view.shape != nullptr ? view.shape[i] : view.len / std::max<Py_ssize_t>(view.itemsize, 1);
    if (i < 2) {
      source->shape[i] = static_cast<size_t>(length);
      source->strides[i] = view.strides != nullptr ? view.strides[i] : stride;
    }
    stride *= length;
  }
  return dimensions == 0 || fit_dimensions(what, dimensions, source);
}

// ---- DLPack: the structures of its ABI, as its specification lays them down ----

struct DlDevice {
  int32_t type;
  int32_t id;
};
struct DlType {
  uint8_t code;
  uint8_t bits;
  uint16_t lanes;
};
struct DlTensor {
  void* data;
  DlDevice device;
  int32_t dimensions;
  DlType type;
  int64_t* shape;
  int64_t* strides;  // in items; null: row after row
  uint64_t byte_offset;
};
struct DlManagedTensor {
  DlTensor tensor;
  void* manager;
  void (*deleter)(DlManagedTensor*);
};
constexpr int32_t kDlCpu = 1;
constexpr int32_t kDlPinnedCpu = 3;
constexpr uint8_t kDlSigned = 0;
constexpr uint8_t kDlUnsigned = 1;
constexpr uint8_t kDlFloat = 2;
constexpr uint8_t kDlBrainFloat = 4;

bool read_tensor(const DlTensor& tensor, int dimensions, const std::string& what, Source* source) {
  if (tensor.device.type != kDlCpu && tensor.device.type != kDlPinnedCpu) {
    raise_type(what + " lies on another device than the CPU; copy it to the CPU first");
    return false;
  }
  switch (tensor.type.code) {
    case kDlSigned:
      source->kind = Kind::kSigned;
      break;
    case kDlUnsigned:
      source->kind = Kind::kUnsigned;
      break;
    case kDlFloat:
      source->kind = Kind::kFloat;
      break;
    case kDlBrainFloat:
      source->kind = Kind::kBrainFloat;
      break;
    default:
      return refuse_content(what, "items of another kind");
  }
  if (tensor.type.lanes != 1 || tensor.type.bits % 8 != 0) return refuse_content(what, "packed items");
  source->size = tensor.type.bits / 8;
  source->data = static_cast<const char*>(tensor.data) + tensor.byte_offset;
  source->dimensions = tensor.dimensions;
  Py_ssize_t stride = static_cast<Py_ssize_t>(source->size);
  for (int i = std::min(tensor.dimensions, 2) - 1; i >= 0; --i) {
    source->shape[i] = static_cast<size_t>(tensor.shape[i]);
    const bool given = tensor.strides != nullptr;
    source->strides[i] =
        given ? static_cast<Py_ssize_t>(tensor.strides[i]) * static_cast<Py_ssize_t>(source->size) : stride;
    stride *= static_cast<Py_ssize_t>(tensor.shape[i]);
  }
  return fit_dimensions(what, dimensions, source);
}

// ---- objects ----

// Appends an array of so many dimensions; *source is told its shape.
bool append_buffer(PyObject* given, int dimensions, const std::string& what, std::vector<float>* values,
                   Source* source) {
  Buffer buffer;
  if (!buffer.open(given)) return refuse_exporter(what, given);
  return read_buffer(buffer.view(), dimensions, what, source) && append_source(*source, what, values);
}

bool append_dlpack(PyObject* given, int dimensions, const std::string& what, std::vector<float>* values,
                   Source* source) {
  const Ref capsule(PyObject_CallMethod(given, "__dlpack__", nullptr));
  if (!capsule) return refuse_exporter(what, given);
  auto* managed = static_cast<DlManagedTensor*>(PyCapsule_GetPointer(capsule.get(), "dltensor"));
  if (managed == nullptr) return refuse_exporter(what, given);
  // From here on it is ours to delete; the name says so to the capsule.
  if (PyCapsule_SetName(capsule.get(), "used_dltensor") != 0) return false;
  const bool appended = read_tensor(managed->tensor, dimensions, what, source) && append_source(*source, what, values);
  if (managed->deleter != nullptr) managed->deleter(managed);
  return appended;
}

bool append_array(PyObject* given, int dimensions, const std::string& what, std::vector<float>* values,
                  Source* source) {
  // bytes are a buffer, but text by mistake rather than numbers.
  if (PyUnicode_Check(given) || PyBytes_Check(given)) return refuse_object(what, given);
  if (PyObject_CheckBuffer(given)) return append_buffer(given, dimensions, what, values, source);
  if (PyObject_HasAttrString(given, "__dlpack__")) return append_dlpack(given, dimensions, what, values, source);
  if (!PyObject_HasAttrString(given, "__array__") || PyType_Check(given)) return refuse_object(what, given);
  const Ref array(PyObject_CallMethod(given, "__array__", nullptr));
  if (!array) return refuse_exporter(what, given);
  if (!PyObject_CheckBuffer(array.get())) return refuse_object(what, given);
  return append_buffer(array.get(), dimensions, what, values, source);
}

// One number of a list.
bool append_number(PyObject* item, const std::string& what, std::vector<float>* values) {
  if (PyFloat_Check(item)) {
    values->push_back(static_cast<float>(PyFloat_AS_DOUBLE(item)));
    return true;
  }
  if (PyLong_Check(item) && !PyBool_Check(item)) {
    const double number = PyLong_AsDouble(item);
    if (number == -1 && PyErr_Occurred()) {
      PyErr_Clear();
      raise(Code::kInvalidVector, what + " holds NaN, infinity or a number too large for float32",
            "every component is a finite number");
      return false;
    }
    values->push_back(static_cast<float>(number));
    return true;
  }
  // A scalar of NumPy is a buffer without dimensions.
  if (PyObject_CheckBuffer(item)) {
    Buffer buffer;
    Source source;
    if (buffer.open(item) && buffer.view().ndim == 0 && read_format(buffer.view(), &source)) {
      source.data = static_cast<const char*>(buffer.view().buf);
      return append_source(source, what, values);
    }
    PyErr_Clear();
  }
  raise_type(what + " has an element of type " + type_name(item) + "; int or float is needed");
  return false;
}

bool append_list(PyObject* given, const std::string& what, std::vector<float>* values) {
  // Asking an element for its buffer may run Python code that changes a list.
  const Ref items(PySequence_Tuple(given));
  if (!items) return false;
  const Py_ssize_t count = PyTuple_GET_SIZE(items.get());
  if (values->capacity() - values->size() < static_cast<size_t>(count)) {
    values->reserve(std::max(values->size() + static_cast<size_t>(count), values->capacity() * 2));
  }
  for (Py_ssize_t i = 0; i < count; ++i) {
    if (!append_number(PyTuple_GET_ITEM(items.get(), i), what, values)) return false;
  }
  return true;
}

bool is_list(PyObject* given) { return PyList_Check(given) || PyTuple_Check(given); }

struct Numpy {
  PyObject* empty;
  PyObject* type;
};

// Looked up once; the references live as long as the process. Null with an exception set.
const Numpy* numpy() {
  static Numpy known{};
  if (known.empty != nullptr) return &known;
  const Ref module(PyImport_ImportModule("numpy"));
  if (!module) {
    if (!PyErr_ExceptionMatches(PyExc_ImportError)) return nullptr;
    PyErr_Clear();
    raise(Code::kNumpyMissing, "embeddings come back as NumPy arrays, and NumPy is not installed",
          "pip install numpy; writing and searching do not need it");
    return nullptr;
  }
  Ref empty(PyObject_GetAttrString(module.get(), "empty"));
  Ref type(PyObject_CallMethod(module.get(), "dtype", "s", "<f4"));
  if (!empty || !type) return nullptr;
  known = {empty.release(), type.release()};
  return &known;
}

}  // namespace

bool append_vector(PyObject* given, const std::string& what, std::vector<float>* values) {
  Source source;
  return is_list(given) ? append_list(given, what, values) : append_array(given, 1, what, values, &source);
}

bool rows_argument(PyObject* given, const std::string& what, FloatRows* rows) {
  if (!is_list(given)) {
    Source source;
    if (!append_array(given, 2, what, &rows->values, &source)) return false;
    rows->rows = source.shape[0];
    rows->columns = source.shape[1];
    return true;
  }
  const Ref items(PySequence_Tuple(given));
  if (!items) return false;
  rows->rows = static_cast<size_t>(PyTuple_GET_SIZE(items.get()));
  if (rows->rows == 0) return refuse_shape(what, 1, 2);
  for (size_t row = 0; row < rows->rows; ++row) {
    const size_t start = rows->values.size();
    const std::string name = what + "[" + std::to_string(row) + "]";
    PyObject* item = PyTuple_GET_ITEM(items.get(), static_cast<Py_ssize_t>(row));
    if (PyFloat_Check(item) || PyLong_Check(item)) return refuse_shape(what, 1, 2);
    if (!append_vector(item, name, &rows->values)) return false;
    const size_t columns = rows->values.size() - start;
    if (row == 0) rows->columns = columns;
    if (columns == rows->columns) continue;
    raise(Code::kInvalidVector,
          name + " has " + std::to_string(columns) + " components and " + what + "[0] " + std::to_string(rows->columns),
          "all rows are equally long");
    return false;
  }
  return true;
}

PyObject* array_of(std::string_view components) {
  const Numpy* known = numpy();
  if (known == nullptr) return nullptr;
  Ref array(PyObject_CallFunction(known->empty, "nO", static_cast<Py_ssize_t>(components.size() / 4), known->type));
  if (!array) return nullptr;
  Py_buffer view;
  if (PyObject_GetBuffer(array.get(), &view, PyBUF_WRITABLE) != 0) return nullptr;
  std::memcpy(view.buf, components.data(), std::min(components.size(), static_cast<size_t>(view.len)));
  PyBuffer_Release(&view);
  return array.release();
}

}  // namespace strata::python
