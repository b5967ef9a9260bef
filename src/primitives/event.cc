#include "strata/event.h"

#include <algorithm>

#include "base/coding.h"
#include "branch/event_chain.h"
#include "model/event_codec.h"
#include "model/key_codec.h"
#include "primitives/event_log.h"
#include "primitives/space_marker.h"
#include "txn/context.h"
#include "txn/view.h"

namespace strata {
namespace {

using model::Tag;
using model::TreeKey;
using primitives::EventLog;

Status check_item(const Events::Item& item) {
  STRATA_TRY(model::check_key(item.type, "event type"));
  if (item.payload.size() > kMaxValueBytes) {
    return Status::error(Code::kValueTooLarge, "value at $ is larger than 64 MiB encoded",
                         "split it over several events");
  }
  STRATA_ASSIGN(const ValueToken payload, ValueView(item.payload).read());
  if (payload.type == ValueType::kObject) return Status::ok();
  return Status::error(Code::kInvalidType, "the payload of an event must be an object");
}

// Appends the value of the item's row, to be sealed at the commit; returns where it begins.
size_t build_value(const Events::Item& item, std::string* out) {
  const size_t at = out->size();
  model::EventRow row;
  row.type = item.type;
  row.payload = item.payload;
  model::build_event(row, out);
  return at;
}

txn::Write event_write(std::string_view key, std::string_view value) {
  txn::Write write;
  write.key = key;
  write.value = value;
  write.seal = branch::seal_new_event;
  return write;
}

// Keys and values of many events, ready but for the sequences.
class Batch {
 public:
  Batch(std::string_view space, std::span<const Events::Item> items) : by_type_(items.size()) {
    for (const Events::Item& item : items) {
      value_bounds_.push_back(build_value(item, &values_));
      keys_.append(TreeKey(space, Tag::kEvent, 0).view());
      type_keys_.append(TreeKey(space, Tag::kEventType, item.type, 0).view());
      type_key_ends_.push_back(type_keys_.size());
    }
    value_bounds_.push_back(values_.size());
    for (uint32_t i = 0; i < by_type_.size(); ++i) by_type_[i] = i;
    std::stable_sort(by_type_.begin(), by_type_.end(),
                     [&](uint32_t a, uint32_t b) { return items[a].type < items[b].type; });
  }
  void add_writes(uint64_t first, std::vector<txn::Write>* writes) {
    const size_t key_bytes = keys_.size() / by_type_.size();
    writes->reserve(2 * by_type_.size());
    for (size_t i = 0; i < by_type_.size(); ++i) {
      base::store_be64(&keys_[(i + 1) * key_bytes - 8], first + i);
      base::store_be64(&type_keys_[type_key_ends_[i] - 8], first + i);
      writes->push_back(event_write(part(keys_, i * key_bytes, (i + 1) * key_bytes),
                                    part(values_, value_bounds_[i], value_bounds_[i + 1])));
    }
    for (const uint32_t i : by_type_) {
      writes->emplace_back().key = part(type_keys_, i == 0 ? 0 : type_key_ends_[i - 1], type_key_ends_[i]);
    }
  }

 private:
  static std::string_view part(const std::string& whole, size_t begin, size_t end) {
    return std::string_view(whole).substr(begin, end - begin);
  }
  std::string values_;
  std::vector<size_t> value_bounds_;
  std::string keys_;
  std::string type_keys_;
  std::vector<size_t> type_key_ends_;
  std::vector<uint32_t> by_type_;
};

}  // namespace

Result<uint64_t> Events::append(std::string_view type, std::string_view payload) {
  const Item item{type, payload};
  STRATA_TRY(check_item(item));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  std::string value;
  build_value(item, &value);
  TreeKey key(context->space, Tag::kEvent, 0);
  TreeKey type_key(context->space, Tag::kEventType, type, 0);
  uint64_t sequence = 0;
  const auto decide = [&](txn::View& view, std::vector<txn::Write>* writes) -> Status {
    std::string_view last;
    STRATA_ASSIGN(sequence, EventLog(*context, view).end(&last));
    if (!last.empty()) branch::know_predecessor(last, value.data());
    key.set_sequence(sequence);
    type_key.set_sequence(sequence);
    writes->push_back(event_write(key, value));
    writes->emplace_back().key = type_key;
    return Status::ok();
  };
  const primitives::SpaceMarker marker(context->space);
  std::vector<uint64_t> versions;
  STRATA_TRY(txn::update(*context, "event_append", marker.ensured(), std::cref(decide), &versions));
  return sequence;
}

Result<uint64_t> Events::append_batch(std::span<const Item> items) {
  for (const Item& item : items) STRATA_TRY(check_item(item));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  if (items.empty()) return length(std::nullopt);  // where they would go was read, as with every append
  Batch batch(context->space, items);
  uint64_t first = 0;
  const auto decide = [&](txn::View& view, std::vector<txn::Write>* writes) -> Status {
    std::string_view last;
    STRATA_ASSIGN(first, EventLog(*context, view).end(&last));
    batch.add_writes(first, writes);
    return Status::ok();
  };
  const primitives::SpaceMarker marker(context->space);
  std::vector<uint64_t> versions;
  STRATA_TRY(txn::update(*context, "event_batch_append", marker.ensured(), std::cref(decide), &versions));
  return first;
}

Result<bool> Events::get(uint64_t sequence, AsOf as_of, EventList* events) {
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  return EventLog(*context, view).get(sequence, events);
}

Status Events::list(const EventQuery& query, EventList* events) {
  if (query.type) STRATA_TRY(model::check_key(*query.type, "event type"));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(query.as_of));
  return EventLog(*context, view).list(query, events);
}

Result<uint64_t> Events::length(AsOf as_of) {
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  return EventLog(*context, view).length();
}

Result<std::vector<std::string>> Events::types(AsOf as_of) {
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  return EventLog(*context, view).types();
}

Result<EventVerdict> Events::verify(AsOf as_of) {
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  return EventLog(*context, view).verify();
}

}  // namespace strata
