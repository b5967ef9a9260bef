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

// The stable codes. The words (code_name) are part of the public API and never change meaning. What stands above a code
// is its line in docs/errors.md, which tools/write_errors.py writes.
enum class Code : uint8_t {
  kOk = 0,

  // ---- not found ----
  // `read_only=True` on a folder that is missing or holds no database
  kDatabaseNotFound,
  // no branch has this name; also on a handle whose branch another handle deleted, until `branch_use`
  kBranchNotFound,
  // no space has this name on the current branch
  kSpaceNotFound,
  // `json_patch` of a document that does not exist
  kDocumentNotFound,
  // no collection of vectors has this name in the current space
  kCollectionNotFound,
  // no file has the name of the bundle to be imported
  kBundleNotFound,

  // ---- validation ----
  // arguments that do not go together
  kInvalidArgument,
  // a key of 0 or more than 1,024 bytes, or with a NUL
  kInvalidKey,
  // a lone surrogate, in a key, a name or a value
  kInvalidUnicode,
  // an integer outside of 64 bits in a value
  kIntegerOutOfRange,
  // containers more than 128 deep, or one that contains itself
  kNestingTooDeep,
  // a value of more than 64 MiB
  kValueTooLarge,
  // not 1 to 128 of `A-Z a-z 0-9 . _ / -`, beginning with a letter or digit
  kInvalidBranchName,
  // not 1 to 64 of `a-z 0-9 _ -`, beginning with a letter
  kInvalidSpaceName,
  // a number that is not allowed: a negative limit or time, an `as_of` that is not in microseconds
  kOutOfRange,
  // a cursor that `kv_list_paginated` did not return
  kInvalidCursor,
  // a path that no file can have
  kInvalidPathName,
  // not `"buffered"` or `"strict"`
  kUnknownDurability,
  // not `"serializable"` or `"snapshot"`
  kUnknownIsolation,
  // a JSONPath that is malformed; the message has the offset
  kInvalidPath,
  // a JSONPath to many places where one is needed
  kPathNotSingular,
  // a place that does not fit the document: a name in an array, an index above its length
  kPathConflict,
  // an operation of a patch without what it needs, of an unknown kind, or with a malformed pointer
  kInvalidPatch,
  // not `"cosine"`, `"euclidean"` or `"dot_product"`
  kUnknownMetric,
  // a vector with NaN, infinity or a number too large for float32, or of another shape than is needed
  kInvalidVector,
  // a vector of zeros, which has no direction, under cosine
  kZeroVector,
  // a filter that is no `{"field", "op", "value"}`, with an unknown op, or a value that the op cannot take
  kInvalidFilter,
  // an entry of a batch that is no `{"key", "vector", "metadata"?}`
  kInvalidEntry,
  // keys, vectors and metadata of a batch that are not equally many
  kLengthMismatch,
  // of a merge: not `"last_writer_wins"`, `"source"`, `"target"`, `"strict"` or a callable
  kUnknownStrategy,
  // of a merge: a callable answered what the entity cannot become: for a collection the value of neither side
  kInvalidResolution,
  // of a search: not one of `event`, `json`, `kv`, `state`, `vector`
  kUnknownPrimitive,
  // of a search: not `"keyword"`, `"hybrid"` or `"semantic"`
  kUnknownMode,
  // an embedder answered something other than one vector of finite numbers for each text, all of one length
  kInvalidEmbedding,
  // `branch_merge` with one branch twice
  kMergeIntoItself,

  // ---- conflict ----
  // a later commit changed what the transaction read or wrote: run it again, `db.run(fn)`; of a merge: a branch changed
  // each of ten times the callable ran
  kTransactionConflict,
  // `state_cas` found something else: `.current` is its value and `.current_version` its version, `None` and 0 if
  // there is nothing
  kCasMismatch,
  // a `test` of a patch met another value
  kPatchTestFailed,
  // `branch_merge(..., "strict")` where both branches changed the same: `.conflicts` lists it
  kMergeConflict,

  // ---- state ----
  // the handle is closed
  kClosed,
  // the handle was opened before `os.fork`, in the parent
  kForked,
  // not possible inside a transaction: commit or roll back first
  kInTransaction,
  // `begin` with a transaction open
  kTransactionActive,
  // `commit` or `rollback` without one
  kNoTransaction,
  // another thread or asyncio task has a transaction on this handle: use `db.session()`
  kTransactionOtherThread,
  // `compact` or `backup` called by the progress callback of one of them
  kCompactionActive,
  // another process has the database open; the message has its pid
  kDatabaseLocked,
  // written by a newer release
  kFormatTooNew,
  // a call or an argument of a later release
  kNotImplemented,
  // a vector's embedding comes back as a NumPy array, and NumPy is not installed
  kNumpyMissing,
  // the embedder raised an exception, which is the error's `__cause__`, or searched by meaning itself
  kEmbedderFailed,
  kWouldBlock,  // internal to the engine and its bindings: a call that may not wait would have to

  // ---- constraint ----
  // the name is taken
  kBranchExists,
  // the branch is `default` or the one this handle is on
  kBranchInUse,
  // the name is taken
  kSpaceExists,
  // the space is `default` or the one this handle is in
  kSpaceInUse,
  // it holds data: `space_delete(name, force=True)`
  kSpaceNotEmpty,
  // the name is taken
  kCollectionExists,
  // the name is taken
  kIndexExists,
  // a vector of another dimension than its collection
  kDimensionMismatch,
  // `as_of` lies before the kept history
  kHistoryTrimmed,
  // more than 1 GiB of writes in one transaction
  kTransactionTooLarge,
  // a JSONPath that would look at too much, or return more than 256 MiB: see limits.md
  kQueryTooCostly,
  // the branch is not as the exported one was at `since`, or was changed during the import: import the whole branch
  kDeltaMismatch,
  // the folder for a backup is not empty
  kBackupExists,

  // ---- access denied ----
  // the handle or the transaction only reads, or the database does since a write failed
  kReadOnly,
  // the operating system does not allow it
  kPermissionDenied,

  // ---- io ----
  // reading or writing a file failed; the message has the reason
  kIoError,
  // no room left
  kDiskFull,

  // ---- corruption ----
  // a checksum, a length or a reference does not fit; the message has the file and the place
  kCorruption,
  // the files are not those of a database
  kNotADatabase,
  // a bundle is cut short, changed, foreign, or holds what no branch can hold; nothing of it was imported
  kBundleDamaged,

  // ---- wrong type ----
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
