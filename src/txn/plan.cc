#include "txn/plan.h"

#include "base/check.h"

namespace strata::txn {

uint64_t most_entity_bytes(const Write& write) {
  // Lengths, flags, numbers and positions of an entity and of its before-image, with room to spare.
  constexpr uint64_t kFixedBytes = 128 + 8 * kMaxAnchors;
  return kFixedBytes + write.key.size() + write.value.size() + kMaxInlineValueBytes;
}

Status plan_write(const tree::Forest& forest, const Head& tip, const Write& write, uint64_t trimmed_before,
                  tree::Edit* edit, PlannedWrite* planned) {
  *planned = PlannedWrite();
  planned->key = write.key;
  planned->value = write.value;
  planned->tombstone = write.tombstone;
  STRATA_ASSIGN(auto bytes, edit->find(tip.present, write.key));
  planned->had_present = bytes.has_value();
  if (!bytes && tip.deleted.id != 0) {
    STRATA_ASSIGN(bytes, forest.get(tip.deleted, write.key));
    planned->had_deleted = bytes.has_value();
  }
  planned->skipped = (write.tombstone && !planned->had_present) || (write.ensured && planned->had_present);
  if (!bytes || planned->skipped) return Status::ok();
  STRATA_TRY(read_row(*bytes, &planned->old));
  planned->counts_on = !(planned->old.tombstone && planned->old.timestamp <= trimmed_before);
  if (planned->counts_on) planned->version = planned->old.version + 1;
  return Status::ok();
}

void add_to_record(PlannedWrite* planned, uint64_t timestamp, storage::LogPosition unit_start,
                   storage::RecordBuilder* record) {
  STRATA_ASSERT(!planned->skipped);
  storage::LogPosition pointers[kMaxAnchors] = {};
  storage::BeforeImage before;
  storage::Entity entity;
  entity.key = planned->key;
  entity.value = planned->value;
  entity.tombstone = planned->tombstone;
  entity.version = planned->version;
  entity.timestamp = timestamp;
  const unsigned levels = storage::pointer_levels(planned->version);
  entity.pointers = std::span<const storage::LogPosition>(pointers, levels);
  if (planned->counts_on) {
    const RowView& old = planned->old;
    for (unsigned level = 0; level < levels; ++level) pointers[level] = old.anchor(level);
    if (old.position() < unit_start) {
      before.tombstone = old.tombstone;
      before.large = old.large;
      before.timestamp = old.timestamp;
      before.version = old.version;
      before.position = old.position();
      before.large_position = old.position();
      before.large_bytes = old.large_bytes;
      before.value = old.value;
      entity.before = &before;
    }
  }
  planned->entity_offset = record->add_entity(entity);
}

Status apply_write(const PlannedWrite& planned, uint64_t timestamp, storage::LogPosition position,
                   uint64_t exclusive_since, Head* head, tree::Edit* edit) {
  STRATA_ASSERT(!planned.skipped && position != 0);
  RowChange change;
  change.tombstone = planned.tombstone;
  change.timestamp = timestamp;
  change.version = planned.version;
  change.position = position;
  change.value = planned.value;
  change.in_log = has_in_log_tag(planned.key);
  char row[kMaxRowBytes];
  const size_t size = encode_row(change, planned.counts_on ? &planned.old : nullptr, row);
  const std::string_view bytes(row, size);
  // The present tree first: there the edit still stands at the key.
  bool removed = false;
  if (planned.tombstone) {
    STRATA_TRY(edit->erase(head->present, planned.key, exclusive_since, &removed));
    return edit->put(head->deleted, planned.key, bytes, exclusive_since);
  }
  STRATA_TRY(edit->put(head->present, planned.key, bytes, exclusive_since));
  if (!planned.had_deleted) return Status::ok();
  return edit->erase(head->deleted, planned.key, exclusive_since, &removed);
}

}  // namespace strata::txn
