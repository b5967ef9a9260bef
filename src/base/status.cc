#include "strata/status.h"

#include <array>

#include "base/check.h"

namespace strata {
namespace {

struct CodeRow {
  std::string_view name;
  ErrorKind kind;
};

constexpr std::array<CodeRow, static_cast<size_t>(Code::kCount_)> kCodes = {{
    {"ok", ErrorKind::kState},
    {"database_not_found", ErrorKind::kNotFound},
    {"branch_not_found", ErrorKind::kNotFound},
    {"space_not_found", ErrorKind::kNotFound},
    {"document_not_found", ErrorKind::kNotFound},
    {"collection_not_found", ErrorKind::kNotFound},
    {"bundle_not_found", ErrorKind::kNotFound},
    {"invalid_argument", ErrorKind::kValidation},
    {"invalid_key", ErrorKind::kValidation},
    {"invalid_unicode", ErrorKind::kValidation},
    {"integer_out_of_range", ErrorKind::kValidation},
    {"nesting_too_deep", ErrorKind::kValidation},
    {"value_too_large", ErrorKind::kValidation},
    {"invalid_branch_name", ErrorKind::kValidation},
    {"invalid_space_name", ErrorKind::kValidation},
    {"out_of_range", ErrorKind::kValidation},
    {"invalid_cursor", ErrorKind::kValidation},
    {"invalid_path_name", ErrorKind::kValidation},
    {"unknown_durability", ErrorKind::kValidation},
    {"unknown_isolation", ErrorKind::kValidation},
    {"invalid_path", ErrorKind::kValidation},
    {"path_not_singular", ErrorKind::kValidation},
    {"path_conflict", ErrorKind::kValidation},
    {"invalid_patch", ErrorKind::kValidation},
    {"unknown_metric", ErrorKind::kValidation},
    {"invalid_vector", ErrorKind::kValidation},
    {"zero_vector", ErrorKind::kValidation},
    {"invalid_filter", ErrorKind::kValidation},
    {"invalid_entry", ErrorKind::kValidation},
    {"length_mismatch", ErrorKind::kValidation},
    {"unknown_strategy", ErrorKind::kValidation},
    {"invalid_resolution", ErrorKind::kValidation},
    {"unknown_primitive", ErrorKind::kValidation},
    {"unknown_mode", ErrorKind::kValidation},
    {"invalid_embedding", ErrorKind::kValidation},
    {"merge_into_itself", ErrorKind::kValidation},
    {"transaction_conflict", ErrorKind::kConflict},
    {"cas_mismatch", ErrorKind::kConflict},
    {"patch_test_failed", ErrorKind::kConflict},
    {"merge_conflict", ErrorKind::kConflict},
    {"closed", ErrorKind::kState},
    {"forked", ErrorKind::kState},
    {"in_transaction", ErrorKind::kState},
    {"transaction_active", ErrorKind::kState},
    {"no_transaction", ErrorKind::kState},
    {"transaction_other_thread", ErrorKind::kState},
    {"compaction_active", ErrorKind::kState},
    {"database_locked", ErrorKind::kState},
    {"format_too_new", ErrorKind::kState},
    {"not_implemented", ErrorKind::kState},
    {"numpy_missing", ErrorKind::kState},
    {"embedder_failed", ErrorKind::kState},
    {"would_block", ErrorKind::kState},
    {"branch_exists", ErrorKind::kConstraint},
    {"branch_in_use", ErrorKind::kConstraint},
    {"space_exists", ErrorKind::kConstraint},
    {"space_in_use", ErrorKind::kConstraint},
    {"space_not_empty", ErrorKind::kConstraint},
    {"collection_exists", ErrorKind::kConstraint},
    {"index_exists", ErrorKind::kConstraint},
    {"dimension_mismatch", ErrorKind::kConstraint},
    {"history_trimmed", ErrorKind::kConstraint},
    {"transaction_too_large", ErrorKind::kConstraint},
    {"query_too_costly", ErrorKind::kConstraint},
    {"delta_mismatch", ErrorKind::kConstraint},
    {"backup_exists", ErrorKind::kConstraint},
    {"read_only", ErrorKind::kAccessDenied},
    {"permission_denied", ErrorKind::kAccessDenied},
    {"io_error", ErrorKind::kIo},
    {"disk_full", ErrorKind::kIo},
    {"corruption", ErrorKind::kCorruption},
    {"not_a_database", ErrorKind::kCorruption},
    {"bundle_damaged", ErrorKind::kCorruption},
    {"invalid_type", ErrorKind::kType},
}};
static_assert(!kCodes.back().name.empty(), "every code has a row");

// A message names what the caller gave, however long that was: this much of it is enough for a person.
constexpr size_t kMaxMessageBytes = 500;

// What to do about damage does not depend on where it is.
constexpr std::string_view kDamageHint = "restore the folder from a backup; verify() lists all damage";

void shorten(std::string* message) {
  if (message->size() <= kMaxMessageBytes) return;
  size_t size = kMaxMessageBytes;
  // Not inside a character of UTF-8.
  while (size > 0 && (static_cast<unsigned char>((*message)[size]) & 0xc0) == 0x80) --size;
  message->resize(size);
  *message += "...";
}

}  // namespace

std::string_view code_name(Code code) { return kCodes[static_cast<size_t>(code)].name; }
ErrorKind code_kind(Code code) { return kCodes[static_cast<size_t>(code)].kind; }

Status Status::error(Code code, std::string message, std::string hint) {
  STRATA_CHECK(code != Code::kOk && code < Code::kCount_);
  shorten(&message);
  if (code == Code::kCorruption && hint.empty()) hint = kDamageHint;
  Status status;
  status.detail_ = std::make_unique<Detail>(Detail{code, std::move(message), std::move(hint)});
  return status;
}

Status Status::corruption(std::string_view file, uint64_t offset, std::string_view what) {
  std::string message = "damaged data in ";
  message.append(file).append(" at byte ").append(std::to_string(offset)).append(": ").append(what);
  return error(Code::kCorruption, std::move(message));
}

Status::Status(const Status& other) : detail_(other.detail_ ? std::make_unique<Detail>(*other.detail_) : nullptr) {}

Status& Status::operator=(const Status& other) {
  if (this != &other) detail_ = other.detail_ ? std::make_unique<Detail>(*other.detail_) : nullptr;
  return *this;
}

std::string Status::to_string() const {
  if (is_ok()) return "ok";
  std::string text(message());
  text.append(" [").append(code_name(code())).append("]");
  if (!hint().empty()) text.append(" (").append(hint()).append(")");
  return text;
}

}  // namespace strata
