#include "branch/diff_values.h"

#include "base/coding.h"
#include "model/event_codec.h"
#include "model/vector_codec.h"
#include "txn/row.h"

namespace strata::branch {

using model::Tag;

std::string_view primitive_of(Tag tag) {
  switch (tag) {
    case Tag::kKv:
      return "kv";
    case Tag::kState:
      return "state";
    case Tag::kJson:
      return "json";
    case Tag::kEvent:
      return "event";
    case Tag::kCollection:
      return "collection";
    case Tag::kVector:
      return "vector";
    default:
      return {};
  }
}

int primitive_rank(Tag tag) {
  switch (tag) {
    case Tag::kCollection:
      return 0;
    case Tag::kEvent:
      return 1;
    case Tag::kJson:
      return 2;
    case Tag::kKv:
      return 3;
    case Tag::kState:
      return 4;
    default:
      return 5;
  }
}

Result<model::SplitKey> parts_of(std::string_view tree_key) {
  const auto parts = model::split_key(tree_key);
  const bool whole = parts && (parts->tag != Tag::kEvent || parts->user.size() == 8) &&
                     (parts->tag != Tag::kVector || model::split_vector_key(parts->user));
  if (whole) return *parts;
  return Status::error(Code::kCorruption, "a key of a tree is damaged", "verify() lists all damage");
}

EntityName name_of(const model::SplitKey& parts) {
  EntityName name;
  name.space = parts.space;
  name.primitive = primitive_of(parts.tag);
  if (parts.tag == Tag::kEvent) {
    name.sequence = base::load_be64(parts.user.data());
  } else if (const auto vector = model::split_vector_key(parts.user); parts.tag == Tag::kVector && vector) {
    name.collection = vector->collection;
    name.key = vector->key;
  } else {
    name.key = parts.user;
  }
  return name;
}

bool same_value(Tag tag, std::string_view a, std::string_view b) {
  if (a == b) return true;
  if (tag != Tag::kVector) return same(ValueView(a), ValueView(b));
  model::VectorView x;
  model::VectorView y;
  if (!model::parse_vector(a, &x) || !model::parse_vector(b, &y)) return false;
  return std::string_view(x.floats, x.float_bytes()) == std::string_view(y.floats, y.float_bytes()) &&
         same(ValueView(x.metadata), ValueView(y.metadata));
}

Result<std::string_view> RowValues::value(std::string_view row) {
  txn::RowView view;
  STRATA_TRY(txn::read_row(row, &view));
  if (!view.large) return view.value;
  STRATA_ASSIGN(const std::string_view found, history_.value_of(view));
  return std::string_view(kept_.emplace_back(found));
}

Result<bool> RowValues::same(Tag tag, std::string_view a, std::string_view b) {
  if (a.empty() || b.empty()) return a.empty() == b.empty();
  if (a == b || tag == Tag::kSpace || tag == Tag::kEventType) return true;
  txn::RowView row_a;
  txn::RowView row_b;
  STRATA_TRY(txn::read_row(a, &row_a));
  STRATA_TRY(txn::read_row(b, &row_b));
  // A value that is the same but for the order of members is as long.
  if (tag != Tag::kEvent && row_a.value_bytes() != row_b.value_bytes()) return false;
  if (row_a.large && row_b.large && row_a.position() == row_b.position()) return true;
  STRATA_ASSIGN(const std::string_view value_a, value(a));
  STRATA_ASSIGN(const std::string_view value_b, value(b));
  if (value_a == value_b) return true;
  if (tag != Tag::kEvent) return same_value(tag, value_a, value_b);
  model::EventRow event_a;
  model::EventRow event_b;
  STRATA_TRY(model::read_event(value_a, 0, &event_a));
  STRATA_TRY(model::read_event(value_b, 0, &event_b));
  return event_a.type == event_b.type && strata::same(ValueView(event_a.payload), ValueView(event_b.payload));
}

Status RowValues::show(const model::SplitKey& parts, std::string_view row, std::optional<std::string>* shown) {
  shown->reset();
  if (row.empty()) return Status::ok();
  STRATA_ASSIGN(const std::string_view found, value(row));
  if (parts.tag != Tag::kEvent) {
    shown->emplace(found);
    return Status::ok();
  }
  model::EventRow event;
  STRATA_TRY(model::read_event(found, base::load_be64(parts.user.data()), &event));
  ValueWriter writer;
  const bool fits = writer.begin_object(2) && writer.name("event_type") && writer.string(event.type) &&
                    writer.name("value") && writer.value(ValueView(event.payload)) && writer.end();
  if (!fits) return writer.error();
  shown->emplace(writer.result());
  return Status::ok();
}

}  // namespace strata::branch
