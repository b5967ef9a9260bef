// Reading and changing one place of an encoded document. Both walk the binary form: a read decodes nothing on the way,
// a change copies what lies before and behind as bytes and writes anew only the sizes, counts and tables of the
// containers on the path.
//
// Thread safety: pure functions. Ownership: results borrow the document or lie in `out`.
// Documents may be bytes of any origin: damage is kCorruption. Values that are put in must be valid.
#pragma once

#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "model/json_path.h"
#include "model/value_seek.h"
#include "strata/status.h"
#include "strata/value.h"

namespace strata::model {

Status damaged_document();

// What lies at `path`. A step that does not fit finds nothing.
Seek find_json(std::string_view document, std::span<const JsonStep> path, std::string_view* found);

enum class JsonChange : uint8_t {
  kSet,      // replaces; appends at an array's length; makes objects for names that are missing on the way
  kAdd,      // RFC 6902, 4.1: a member or, moving the others back, an item; what it goes into must be there
  kReplace,  // must be there
  kRemove,   // must be there, and is not the root; `value` is not used
};

// The document after the change, in *out. No document: it is missing, which only kSet puts up with.
// Errors: kPathConflict, naming the place; kNestingTooDeep, kValueTooLarge, of the document as a whole.
// REQUIRES: *out holds neither `document` nor `value`.
Status edit_json(std::optional<std::string_view> document, std::span<const JsonStep> path, JsonChange change,
                 std::string_view value, std::string* out);

}  // namespace strata::model
