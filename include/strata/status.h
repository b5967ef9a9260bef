// Status and Result<T>: how every fallible function of the engine answers.
//
// A Status is OK or an error: a stable code, a message that names the offender, and a hint that says what to do.
// A miss ("no such key") is not an error: such functions return Result<std::optional<T>>.
//
// Thread safety: values; distinct objects may be used from distinct threads.
// Ownership: an OK status owns nothing (one null pointer); an error owns its text.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <variant>

namespace strata {

// What an error means to the caller; the bindings map each kind to one exception class.
enum class ErrorKind : uint8_t {
  kNotFound,
  kValidation,
  kConflict,
  kState,
  kConstraint,
  kAccessDenied,
  kIo,
  kCorruption,
  kType,  // a value of a type that is not stored (TypeError in Python)
};

// The stable codes. The words (code_name) are part of the public API and never change meaning.
enum class Code : uint8_t {
  kOk = 0,
  // not found
  kDatabaseNotFound,
  kBranchNotFound,
  kSpaceNotFound,
  kDocumentNotFound,
  // validation
  kInvalidArgument,
  kInvalidKey,
  kInvalidUnicode,
  kIntegerOutOfRange,
  kNestingTooDeep,
  kValueTooLarge,
  kInvalidBranchName,
  kInvalidSpaceName,
  kOutOfRange,
  kInvalidCursor,
  kInvalidPathName,
  kUnknownDurability,
  kUnknownIsolation,
  kInvalidPath,
  kPathNotSingular,
  kPathConflict,
  kInvalidPatch,
  // conflict
  kTransactionConflict,
  kCasMismatch,
  kPatchTestFailed,
  // state
  kClosed,
  kForked,
  kInTransaction,
  kTransactionActive,
  kNoTransaction,
  kTransactionOtherThread,
  kCompactionActive,
  kDatabaseLocked,
  kFormatTooNew,
  kNotImplemented,
  kWouldBlock,  // internal to the engine and its bindings: a call that may not wait would have to
  // constraint
  kBranchExists,
  kBranchInUse,
  kSpaceExists,
  kSpaceInUse,
  kSpaceNotEmpty,
  kHistoryTrimmed,
  kTransactionTooLarge,
  // access denied
  kReadOnly,
  kPermissionDenied,
  // io
  kIoError,
  kDiskFull,
  // corruption
  kCorruption,
  kNotADatabase,
  // wrong type
  kInvalidType,
  kCount_,
};

// The snake_case word of a code ("branch_not_found"), and what kind of error it is.
std::string_view code_name(Code code);
ErrorKind code_kind(Code code);

class [[nodiscard]] Status {
 public:
  Status() = default;  // OK
  static Status ok() { return Status(); }
  // REQUIRES: code != kOk.
  static Status error(Code code, std::string message, std::string hint = "");
  // Shorthand for damage found in stored bytes: names the file and the byte offset.
  static Status corruption(std::string_view file, uint64_t offset, std::string_view what);

  Status(const Status& other);
  Status& operator=(const Status& other);
  Status(Status&&) noexcept = default;
  Status& operator=(Status&&) noexcept = default;

  bool is_ok() const { return detail_ == nullptr; }
  explicit operator bool() const { return is_ok(); }
  Code code() const { return detail_ ? detail_->code : Code::kOk; }
  // Empty for OK. The views live as long as this object.
  std::string_view message() const { return detail_ ? std::string_view(detail_->message) : std::string_view(); }
  std::string_view hint() const { return detail_ ? std::string_view(detail_->hint) : std::string_view(); }
  // "message [code] (hint)", for logs and test output.
  std::string to_string() const;

 private:
  struct Detail {
    Code code;
    std::string message;
    std::string hint;
  };
  std::unique_ptr<Detail> detail_;
};

// A value or the error why there is none.
template <typename T>
class [[nodiscard]] Result {
 public:
  Result(T value) : state_(std::in_place_index<0>, std::move(value)) {}  // NOLINT: implicit on purpose
  // REQUIRES: !status.is_ok().
  Result(Status status) : state_(std::in_place_index<1>, std::move(status)) {}  // NOLINT: implicit on purpose

  bool is_ok() const { return state_.index() == 0; }
  explicit operator bool() const { return is_ok(); }

  // REQUIRES: is_ok().
  T& value() & { return *std::get_if<0>(&state_); }
  const T& value() const& { return *std::get_if<0>(&state_); }
  T&& value() && { return std::move(*std::get_if<0>(&state_)); }
  T& operator*() & { return value(); }
  const T& operator*() const& { return value(); }
  T&& operator*() && { return std::move(*this).value(); }
  T* operator->() { return std::get_if<0>(&state_); }
  const T* operator->() const { return std::get_if<0>(&state_); }

  // The error; OK when there is a value.
  Status status() const& { return is_ok() ? Status() : *std::get_if<1>(&state_); }
  Status status() && { return is_ok() ? Status() : std::move(*std::get_if<1>(&state_)); }

 private:
  std::variant<T, Status> state_;
};

}  // namespace strata

// Returns the error of a Status expression from the enclosing function.
#define STRATA_TRY(expression)                          \
  do {                                                  \
    ::strata::Status strata_status_ = (expression);     \
    if (!strata_status_.is_ok()) return strata_status_; \
  } while (0)

#define STRATA_CONCAT_INNER_(a, b) a##b
#define STRATA_CONCAT_(a, b) STRATA_CONCAT_INNER_(a, b)
// STRATA_ASSIGN(auto x, f()): declares x from a Result, or returns its error from the enclosing function.
#define STRATA_ASSIGN(target, expression) \
  STRATA_ASSIGN_IMPL_(STRATA_CONCAT_(strata_result_, __LINE__), target, expression)
#define STRATA_ASSIGN_IMPL_(result, target, expression)   \
  auto result = (expression);                             \
  if (!result.is_ok()) return std::move(result).status(); \
  target = std::move(result).value()
