// Merge patches (RFC 7396) and patches (RFC 6902) on encoded documents.
//
// Thread safety: pure functions. Ownership: results lie in the writer or string that is passed.
// Documents may be bytes of any origin (kCorruption); patches and the values in them must be valid.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "model/json_path.h"
#include "strata/status.h"
#include "strata/value.h"

namespace strata::model {

// Appends what `patch` makes of `target` (nothing: it is missing). Errors: those of the writer.
Status merge_json(std::optional<ValueView> target, ValueView patch, ValueWriter* out);

enum class PatchKind : uint8_t { kAdd, kRemove, kReplace, kMove, kCopy, kTest };

// "add" and so on; nothing for any other word.
std::optional<PatchKind> patch_kind(std::string_view word);

struct PatchOperation {
  PatchKind kind = PatchKind::kTest;
  const JsonPath* path = nullptr;
  const JsonPath* from = nullptr;  // of kMove and kCopy
  std::string_view value;          // of kAdd, kReplace and kTest
};

// The document after all operations, in *out. Errors, which name the operation: kPathConflict, kPatchTestFailed,
// kNestingTooDeep, kValueTooLarge.
Status patch_json(std::string_view document, std::span<const PatchOperation> operations, std::string* out);

}  // namespace strata::model
