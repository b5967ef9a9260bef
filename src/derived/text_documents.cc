#include "derived/text_documents.h"

#include "model/event_codec.h"
#include "model/vector_codec.h"

namespace strata::derived {
namespace {

using index::WordTable;

// Walks strings and names. Sink: path(parent, name) → path, text(table, path, string) → whether to go on.
template <typename Sink>
Status walk(ValueView value, uint32_t path, Sink& sink, bool* more) {
  STRATA_ASSIGN(const ValueToken token, value.read());
  if (token.type == ValueType::kString) {
    *more = sink.text(WordTable::kText, path, token.bytes);
    return Status::ok();
  }
  if (token.type != ValueType::kArray && token.type != ValueType::kObject) return Status::ok();
  ValueItems items(value);
  while (*more && items.next()) {
    uint32_t inner = path;
    if (token.type == ValueType::kObject) {
      *more = sink.text(WordTable::kNames, path, items.name());
      if (!*more) break;
      inner = sink.path(path, items.name());
    }
    // As deep as a value may be (kMaxValueNesting).
    STRATA_TRY(walk(items.value(), inner, sink, more));
  }
  return items.status();
}

struct BuilderSink {
  index::SegmentBuilder& builder;
  uint32_t path(uint32_t parent, std::string_view name) const { return builder.path(parent, name); }
  bool text(WordTable table, uint32_t path, std::string_view text) const {
    builder.add_string(table, path, text);
    return true;
  }
};

struct VisitorSink {
  const StringVisitor& visit;
  static uint32_t path(uint32_t, std::string_view) { return 0; }
  bool text(WordTable table, uint32_t, std::string_view text) const { return visit(table, text); }
};

}  // namespace

std::optional<DocumentKind> document_kind(model::Tag tag) {
  switch (tag) {
    case model::Tag::kKv:
      return DocumentKind::kKv;
    case model::Tag::kState:
      return DocumentKind::kState;
    case model::Tag::kJson:
      return DocumentKind::kJson;
    case model::Tag::kEvent:
      return DocumentKind::kEvent;
    case model::Tag::kVector:
      return DocumentKind::kVector;
    default:
      return std::nullopt;
  }
}

model::Tag document_tag(DocumentKind kind) {
  switch (kind) {
    case DocumentKind::kEvent:
      return model::Tag::kEvent;
    case DocumentKind::kJson:
      return model::Tag::kJson;
    case DocumentKind::kKv:
      return model::Tag::kKv;
    case DocumentKind::kState:
      return model::Tag::kState;
    case DocumentKind::kVector:
      return model::Tag::kVector;
  }
  return model::Tag::kKv;
}

Result<ValueView> searched_value(DocumentKind kind, std::string_view row_value) {
  if (kind == DocumentKind::kVector) {
    model::VectorView vector;
    STRATA_TRY(model::read_vector(row_value, &vector));
    return vector.metadata.empty() ? ValueView() : ValueView(vector.metadata);
  }
  if (kind != DocumentKind::kEvent) return ValueView(row_value);
  model::EventRow event;
  if (!model::parse_event(row_value, &event)) return Status::error(Code::kCorruption, "a row that is no event");
  return ValueView(event.payload);
}

Status add_strings(ValueView value, index::SegmentBuilder* builder) {
  BuilderSink sink{*builder};
  bool more = true;
  return walk(value, index::SegmentBuilder::kRoot, sink, &more);
}

Status visit_strings(ValueView value, const StringVisitor& visit) {
  VisitorSink sink{visit};
  bool more = true;
  return walk(value, 0, sink, &more);
}

}  // namespace strata::derived
