// What search reads of a row: the strings of its value and the names of its members, in order.
//
// Thread safety: pure functions. Ownership: borrows the bytes.
#pragma once

#include <functional>
#include <optional>
#include <string_view>

#include "index/text_writer.h"
#include "model/key_codec.h"
#include "strata/status.h"
#include "strata/value.h"

namespace strata::derived {

// Numbers of the kinds of documents in an index: in the order of the primitives' names.
enum class DocumentKind : uint8_t { kEvent, kJson, kKv, kState, kVector };
constexpr size_t kDocumentKinds = 5;

std::optional<DocumentKind> document_kind(model::Tag tag);
model::Tag document_tag(DocumentKind kind);

// The part of a row's value that is searched. Errors: kCorruption.
Result<ValueView> searched_value(DocumentKind kind, std::string_view row_value);

// Adds the strings of a value to the document under way.
Status add_strings(ValueView value, index::SegmentBuilder* builder);

// Hands out the strings of a value, names among them; false from `visit` ends it.
using StringVisitor = std::function<bool(index::WordTable table, std::string_view text)>;
Status visit_strings(ValueView value, const StringVisitor& visit);

}  // namespace strata::derived
