#include "branch/fork.h"

#include "txn/row.h"

namespace strata::branch {

std::string encode_fork(const ForkParameters& parameters) {
  std::string bytes;
  base::put_u32(bytes, parameters.source);
  base::put_u64(bytes, parameters.timestamp);
  bytes += parameters.name;
  return bytes;
}

bool decode_fork(std::string_view bytes, ForkParameters* parameters) {
  base::Reader reader(bytes);
  if (!reader.read_u32(parameters->source) || !reader.read_u64(parameters->timestamp)) return false;
  parameters->name.assign(reader.position(), reader.remaining());
  return true;
}

Status check_kept(const txn::BranchState& branch, uint64_t as_of) {
  const uint64_t cut = branch.trimmed_before.load(std::memory_order_acquire);
  if (as_of >= cut) return Status::ok();
  return Status::error(
      Code::kHistoryTrimmed,
      "as_of " + std::to_string(as_of) + " lies before the kept history of branch '" + branch.origin.name + "'",
      "the oldest readable time is " + std::to_string(cut));
}

// What an entity that is no version of a key says of its predecessor.
constexpr storage::LogPosition kNoPointer = 0;

void add_overrides(storage::RecordBuilder* record, std::span<const RowOverride> overrides, uint64_t timestamp) {
  for (const RowOverride& change : overrides) {
    storage::Entity entity;
    entity.key = change.key;
    entity.value = change.row;
    entity.tombstone = change.row.empty();
    entity.version = 1;
    entity.timestamp = timestamp;
    entity.pointers = {&kNoPointer, 1};
    record->add_entity(entity);
  }
}

Result<RowOverrides> overrides_of(storage::LogPosition position, const storage::RecordView& view, uint64_t seed) {
  RowOverrides overrides;
  storage::EntityReader reader(position, view, seed);
  while (true) {
    STRATA_ASSIGN(const bool more, reader.next());
    if (!more) return overrides;
    overrides.push_back({std::string(reader.entity().key()), std::string(reader.entity().value())});
  }
}

Status apply_overrides(std::span<const RowOverride> overrides, uint64_t exclusive_since, txn::Head* head,
                       tree::Edit* edit) {
  for (const RowOverride& change : overrides) {
    bool removed = false;
    txn::RowView row;
    if (!change.row.empty()) STRATA_TRY(txn::read_row(change.row, &row));
    const bool in_present = !change.row.empty() && !row.tombstone;
    const bool in_deleted = !change.row.empty() && row.tombstone;
    if (!in_present) STRATA_TRY(edit->erase(head->present, change.key, exclusive_since, &removed));
    if (!in_deleted) STRATA_TRY(edit->erase(head->deleted, change.key, exclusive_since, &removed));
    if (change.row.empty()) continue;
    STRATA_TRY(edit->put(in_present ? head->present : head->deleted, change.key, change.row, exclusive_since));
  }
  return Status::ok();
}

void begin_head(txn::BranchState* branch, const txn::Head& from, const txn::Stamp& stamp) {
  txn::Head head = from;
  head.commit = stamp.commit;
  head.timestamp = stamp.timestamp;
  head.last_record = stamp.position;
  head.commits = 0;
  branch->tip = head;
  branch->visible.store(head);
  branch->exclusive_since = stamp.commit;
}

}  // namespace strata::branch
