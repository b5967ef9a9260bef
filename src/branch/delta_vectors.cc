#include "branch/delta_vectors.h"

#include "model/key_codec.h"
#include "model/vector_codec.h"

namespace strata::branch {

using model::Tag;
using model::TreeKey;

DeltaVectors::DeltaVectors(txn::Engine& engine, const txn::Head& base, BundleHead head)
    : engine_(engine), base_(base), history_(engine) {
  // With the base it is a whole.
  head.since.reset();
  vectors_.head(head);
}

Result<BundleEntry> DeltaVectors::base_entry(std::string_view key) {
  BundleEntry entry;
  entry.key = key;
  entry.tombstone = true;
  STRATA_ASSIGN(const auto bytes, engine_.forest().get(base_.present, key));
  if (!bytes) return entry;
  txn::RowView row;
  STRATA_TRY(txn::read_row(*bytes, &row));
  entry.tombstone = false;
  entry.version = row.version;
  entry.timestamp = row.timestamp;
  STRATA_ASSIGN(entry.value, history_.value_of(row));
  return entry;
}

Result<DeltaVectors::Refusal> DeltaVectors::add_base_collection(std::string_view space, std::string_view name) {
  if (!known_.emplace(name).second) return Refusal();
  const tree::ReadGuard guard(engine_.forest());
  const TreeKey key(space, Tag::kCollection, name);
  STRATA_ASSIGN(const BundleEntry entry, base_entry(key));
  if (entry.tombstone) return Refusal();
  return vectors_.collection({space, Tag::kCollection, name}, entry);
}

Result<DeltaVectors::Refusal> DeltaVectors::begin_key(const CheckedEntry& checked, const model::SplitKey& parts) {
  if (Refusal refusal = vectors_.end_of_vector()) return refusal;
  if (parts.space != space_) {
    space_ = parts.space;
    known_.clear();
  }
  if (checked.tag == Tag::kCollection) {
    STRATA_ASSIGN(Refusal refusal, add_base_collection(parts.space, parts.user));
    if (refusal) return refusal;
    const tree::ReadGuard guard(engine_.forest());
    STRATA_ASSIGN(const BundleEntry entry, base_entry(checked.entry.key));
    if (!entry.tombstone) changed_.emplace(checked.entry.key);
  }
  if (checked.tag != Tag::kVector) return Refusal();
  const auto name = model::split_vector_key(parts.user);
  if (!name) return Refusal("a bad key of a vector");
  STRATA_ASSIGN(Refusal refusal, add_base_collection(parts.space, name->collection));
  if (refusal || !changed_.contains(std::string_view(TreeKey(parts.space, Tag::kCollection, name->collection)))) {
    return refusal;
  }
  const tree::ReadGuard guard(engine_.forest());
  STRATA_ASSIGN(const BundleEntry entry, base_entry(checked.entry.key));
  return entry.tombstone ? Refusal() : vectors_.vector(parts, entry);
}

Result<DeltaVectors::Refusal> DeltaVectors::add(const CheckedEntry& checked) {
  const auto parts = model::split_key(checked.entry.key);
  if (!parts) return Refusal("a bad key");
  if (!checked.entry.same_key) {
    STRATA_ASSIGN(Refusal refusal, begin_key(checked, *parts));
    if (refusal) return refusal;
  }
  if (checked.tag == Tag::kCollection) return vectors_.collection(*parts, checked.entry);
  if (checked.tag == Tag::kVector) return vectors_.vector(*parts, checked.entry);
  return Refusal();
}

Result<DeltaVectors::Refusal> DeltaVectors::end(const txn::Head& result) {
  if (Refusal refusal = vectors_.end_of_vector()) return refusal;
  // A collection that was defined anew has none of the vectors that it had before.
  const tree::ReadGuard guard(engine_.forest());
  for (const std::string& key : changed_) {
    const auto parts = model::split_key(key);
    if (!parts) return Refusal("a bad key");
    const model::KeySpan span = model::prefix_span(parts->space, Tag::kVector, std::string(parts->user) + '\0');
    bool outlived = false;
    tree::Cursor cursor(engine_.forest(), result.present);
    STRATA_TRY(cursor.seek(span.begin));
    while (!outlived && cursor.valid() && cursor.key() < span.end) {
      STRATA_ASSIGN(const auto before, engine_.forest().get(base_.present, cursor.key()));
      outlived = before && *before == cursor.row();
      STRATA_TRY(cursor.next());
    }
    if (outlived) return Refusal("a vector that outlives its collection");
  }
  return Refusal();
}

}  // namespace strata::branch
