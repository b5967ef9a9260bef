#include "derived/vector_index.h"

#include <algorithm>
#include <set>

#include "model/key_codec.h"
#include "os/spare_memory.h"

namespace strata::derived {
namespace {

// Branches whose snapshots are kept, for each collection.
constexpr size_t kMostSlots = 64;
// How long a snapshot that nobody uses keeps its root: ten seconds of background work.
constexpr uint64_t kTicksPinned = 100;

}  // namespace

VectorIndex::VectorIndex(txn::Engine& engine, Worker& worker, VectorFiles* files, bool read_only)
    : engine_(engine), worker_(worker), files_(files), read_only_(read_only) {}

VectorIndex::CollectionPtr VectorIndex::collection(const CollectionKind& kind) {
  const base::MutexLock lock(mutex_);
  CollectionPtr& found = collections_[kind];
  if (found == nullptr) found = std::make_shared<Collection>(kind);
  return found;
}

std::vector<VectorIndex::CollectionPtr> VectorIndex::collections() const {
  const base::MutexLock lock(mutex_);
  std::vector<CollectionPtr> all;
  for (const auto& [kind, one] : collections_) all.push_back(one);
  return all;
}

// ---- snapshots ----

Result<std::shared_ptr<const VectorSnapshot>> VectorIndex::snapshot(const CollectionPlace& place, const txn::View& view,
                                                                    VectorReader* reader) {
  const CollectionPtr own = collection(place.kind);
  std::shared_ptr<const VectorSnapshot> found = find_current(*own, place, view.head());
  if (found == nullptr) {
    STRATA_ASSIGN(found, update(own, place, view.head(), reader));
  }
  if (view.own_writes() == nullptr) return found;
  std::vector<VectorChange> changes;
  for (const txn::Write& write : view.own_writes()->ordered()) {
    if (write.key < place.begin || write.key >= place.end) continue;
    VectorChange change;
    change.key = write.key.substr(place.begin.size());
    change.present = !write.tombstone;
    change.value = write.value;
    changes.push_back(std::move(change));
  }
  return changes.empty() ? Result<std::shared_ptr<const VectorSnapshot>>(std::move(found))
                         : apply_changes(place.kind, *found, changes, reader);
}

std::shared_ptr<const VectorSnapshot> VectorIndex::find_current(Collection& collection, const CollectionPlace& place,
                                                                const txn::Head& head) {
  const base::MutexLock lock(collection.mutex);
  Slot* same_root = nullptr;
  Slot* own = nullptr;
  for (Slot& slot : collection.slots) {
    // A root that no pin keeps may be another tree's by now.
    if (slot.root == head.present && slot.pin != nullptr) same_root = &slot;
    if (slot.branch_id == place.branch->origin.id) own = &slot;
  }
  if (same_root == nullptr) return nullptr;
  same_root->used = ticks_.load(std::memory_order_relaxed);
  std::shared_ptr<const VectorSnapshot> found = same_root->snapshot;
  // A fork that is like its parent: from now on it has its own.
  if (own == nullptr && collection.slots.size() < kMostSlots) {
    Slot slot = *same_root;
    slot.branch_id = place.branch->origin.id;
    slot.branch = place.branch;
    collection.slots.push_back(std::move(slot));
  }
  return found;
}

Result<std::shared_ptr<const VectorSnapshot>> VectorIndex::update(const CollectionPtr& collection,
                                                                  const CollectionPlace& place, const txn::Head& head,
                                                                  VectorReader* reader) {
  Collection& own = *collection;
  const base::MutexLock updating(own.updating);
  if (auto found = find_current(own, place, head)) return found;  // another thread was first
  Slot from;
  {
    const base::MutexLock lock(own.mutex);
    for (const Slot& slot : own.slots) {
      from = slot;  // of another branch: the last one used
      if (slot.branch_id == place.branch->origin.id) break;
    }
  }
  Slot made;
  made.branch_id = place.branch->origin.id;
  made.branch = place.branch;
  made.root = head.present;
  made.commit = head.commit;
  made.used = ticks_.load(std::memory_order_relaxed);
  if (from.pin != nullptr) {
    STRATA_ASSIGN(made.snapshot, changed_since(own, from, place, head, reader));
  } else {
    std::vector<SegmentPtr> segments;
    if (from.snapshot != nullptr) {
      for (const VectorPart& part : from.snapshot->parts) segments.push_back(part.segment);
    } else {
      segments = segments_from_files(own);
    }
    STRATA_ASSIGN(made.snapshot, matched(own, std::move(segments), place, head, reader));
  }
  made.pin = std::make_shared<tree::Pin>(engine_.forest().pin(head.commit, std::span(&head.present, 1)));
  std::shared_ptr<const VectorSnapshot> snapshot = made.snapshot;
  put_slot(own, std::move(made));
  work_if_due(collection, snapshot);
  return snapshot;
}

Result<std::shared_ptr<const VectorSnapshot>> VectorIndex::changed_since(Collection& collection, const Slot& from,
                                                                         const CollectionPlace& place,
                                                                         const txn::Head& head, VectorReader* reader) {
  std::vector<VectorChange> changes;
  Status damage;
  const auto visit = [&](std::string_view key, tree::Change, std::string_view, std::string_view now) {
    VectorChange change;
    change.key = key.substr(place.begin.size());
    if (!now.empty()) {
      txn::RowView row;
      damage = txn::read_row(now, &row);
      change.present = true;
      change.identity = {row.position(), row.timestamp};
      change.value_bytes = static_cast<uint32_t>(row.value_bytes());
    }
    changes.push_back(std::move(change));
    return damage.is_ok();
  };
  STRATA_TRY(engine_.forest().diff(from.root, head.present, {place.begin, place.end}, visit));
  STRATA_TRY(damage);
  if (changes.empty()) return from.snapshot;
  return apply_changes(collection.kind, *from.snapshot, changes, reader);
}

Result<std::shared_ptr<const VectorSnapshot>> VectorIndex::matched(Collection& collection,
                                                                   std::vector<SegmentPtr> segments,
                                                                   const CollectionPlace& place, const txn::Head& head,
                                                                   VectorReader* reader) {
  SnapshotMatcher matcher(std::move(segments));
  tree::Cursor cursor(engine_.forest(), head.present);
  STRATA_TRY(cursor.seek(place.begin));
  while (cursor.valid() && cursor.key() < place.end) {
    txn::RowView row;
    STRATA_TRY(txn::read_row(cursor.row(), &row));
    matcher.row(cursor.key().substr(place.begin.size()), {row.position(), row.timestamp},
                static_cast<uint32_t>(row.value_bytes()));
    STRATA_TRY(cursor.next());
  }
  std::vector<VectorChange> missing;
  const auto known = matcher.finish(&missing);
  return apply_changes(collection.kind, *known, missing, reader);
}

bool VectorIndex::is_gone(const Slot& slot) {
  const txn::BranchPtr branch = slot.branch.lock();
  return branch == nullptr || branch->deleted.load(std::memory_order_relaxed);
}

// Pins go without the lock.
std::vector<VectorIndex::Slot> VectorIndex::take_gone(Collection& collection) {
  const auto gone = std::stable_partition(collection.slots.begin(), collection.slots.end(),
                                          [](const Slot& slot) { return !is_gone(slot); });
  std::vector<Slot> taken(std::make_move_iterator(gone), std::make_move_iterator(collection.slots.end()));
  collection.slots.erase(gone, collection.slots.end());
  return taken;
}

void VectorIndex::put_slot(Collection& collection, Slot slot) {
  std::vector<Slot> dropped;
  const base::MutexLock lock(collection.mutex);
  dropped = take_gone(collection);
  std::vector<Slot>& slots = collection.slots;
  for (const Slot& old : slots) {
    // A transaction may look at a state that its branch has left behind.
    if (old.branch_id == slot.branch_id && old.pin != nullptr && old.commit > slot.commit) return;
  }
  std::erase_if(slots, [&](const Slot& old) { return old.branch_id == slot.branch_id; });
  if (slots.size() == kMostSlots) slots.erase(slots.begin());
  slots.push_back(std::move(slot));
}

VectorIndex::Description VectorIndex::describe(const CollectionKind& kind, const txn::BranchState& branch) const {
  Description description;
  CollectionPtr own;
  {
    const base::MutexLock lock(mutex_);
    const auto at = collections_.find(kind);
    if (at == collections_.end()) return description;
    own = at->second;
  }
  const base::MutexLock lock(own->mutex);
  for (const Slot& slot : own->slots) {
    if (slot.branch_id != branch.origin.id) continue;
    description.searched = true;
    description.memory_bytes = slot.snapshot->memory_bytes();
    for (const VectorPart& part : slot.snapshot->parts) description.has_graph |= part.segment->graph() != nullptr;
  }
  return description;
}

uint64_t VectorIndex::memory_bytes() const {
  std::map<const VectorSegment*, uint64_t> segments;
  uint64_t bytes = 0;
  for (const CollectionPtr& own : collections()) {
    const base::MutexLock lock(own->mutex);
    for (const Slot& slot : own->slots) {
      for (const VectorPart& part : slot.snapshot->parts) {
        segments[part.segment.get()] = part.segment->memory_bytes();
        bytes += part.live != nullptr ? part.live->memory_bytes() : 0;
      }
    }
  }
  for (const auto& [segment, size] : segments) bytes += size;
  return bytes;
}

void VectorIndex::tick() {
  const uint64_t now = ticks_.fetch_add(1, std::memory_order_relaxed) + 1;
  for (const CollectionPtr& own : collections()) {
    std::vector<Slot> dropped;
    std::vector<txn::BranchPtr> idle;
    {
      const base::MutexLock lock(own->mutex);
      dropped = take_gone(*own);
      for (Slot& slot : own->slots) {
        const uint64_t unused = now - slot.used;
        if (unused < kTicksPinned) continue;
        const txn::BranchPtr branch = slot.branch.lock();
        if (branch == nullptr || branch->visible.load().present == slot.root) continue;  // it holds nothing back
        if (unused % kTicksPinned == 0) idle.push_back(branch);
        if (slot.pin == nullptr) continue;
        dropped.push_back(slot);
        slot.pin.reset();
      }
    }
    for (const txn::BranchPtr& branch : idle) {
      if (is_empty_on(own->kind, *branch)) drop_slot_if_idle(*own, *branch);
    }
  }
}

bool VectorIndex::is_empty_on(const CollectionKind& kind, const txn::BranchState& branch) const {
  const size_t nul = kind.name.find('\0');
  const std::string_view name = kind.name;
  const model::KeySpan span =
      model::prefix_span(name.substr(0, nul), model::Tag::kVector, std::string(name.substr(nul + 1)) + '\0');
  const tree::ReadGuard guard(engine_.forest());
  tree::Cursor cursor(engine_.forest(), branch.visible.load().present);
  return cursor.seek(span.begin).is_ok() && !(cursor.valid() && cursor.key() < span.end);
}

void VectorIndex::drop_slot_if_idle(Collection& collection, const txn::BranchState& branch) {
  const uint64_t now = ticks_.load(std::memory_order_relaxed);
  std::vector<Slot> dropped;
  const base::MutexLock lock(collection.mutex);
  std::erase_if(collection.slots, [&](const Slot& slot) {
    const bool drops = slot.branch_id == branch.origin.id && now - slot.used >= kTicksPinned;
    if (drops) dropped.push_back(slot);
    return drops;
  });
}

// ---- in the background ----

bool VectorIndex::merge_is_due(const VectorSnapshot& snapshot) const {
  if (snapshot.parts.empty()) return false;
  uint64_t largest = 0;
  uint64_t dead = 0;
  const uint64_t all = snapshot.rows();
  for (const VectorPart& part : snapshot.parts) {
    largest = std::max<uint64_t>(largest, part.live_rows);
    dead += part.segment->rows() - part.live_rows;
  }
  const uint64_t beside = all - largest;
  return snapshot.parts.size() > 12 || beside > std::max<uint64_t>(8192, largest / 4) ||
         dead > std::max<uint64_t>(8192, all / 4);
}

void VectorIndex::work_if_due(const CollectionPtr& collection, const std::shared_ptr<const VectorSnapshot>& snapshot) {
  bool due = merge_is_due(*snapshot);
  for (const VectorPart& part : snapshot->parts) {
    due |= part.segment->rows() >= options_.graph_rows && part.segment->codes() != nullptr &&
           part.segment->graph() == nullptr;
  }
  if (!due) return;
  {
    const base::MutexLock lock(collection->mutex);
    if (collection->working) return;
    collection->working = true;
  }
  worker_.post([this, collection](const std::atomic<bool>& stop) { work(collection, stop); });
}

void VectorIndex::work(const CollectionPtr& collection, const std::atomic<bool>& stop) {
  std::vector<std::shared_ptr<const VectorSnapshot>> snapshots;
  {
    const base::MutexLock lock(collection->mutex);
    for (const Slot& slot : collection->slots) snapshots.push_back(slot.snapshot);
  }
  bool sound = true;
  for (const auto& snapshot : snapshots) {
    if (merge_is_due(*snapshot)) {
      // What cannot be read now is left as it is: searches say so themselves.
      sound = merge(*collection, snapshot, stop).is_ok() && sound;
      continue;
    }
    for (const VectorPart& part : snapshot->parts) {
      if (part.segment->rows() >= options_.graph_rows) sound = build_graph(*part.segment, stop) && sound;
    }
  }
  if (sound && !stop) save(*collection);
  const base::MutexLock lock(collection->mutex);
  collection->working = false;
}

bool VectorIndex::build_graph(const VectorSegment& segment, const std::atomic<bool>& stop) const {
  if (segment.graph() != nullptr || segment.codes() == nullptr) return true;
  const index::GraphOptions options;
  if (!os::has_spare_memory(index::HnswGraph::build_bytes(*segment.codes(), options))) return false;
  auto graph = index::HnswGraph::build(*segment.codes(), options, stop);
  if (graph == nullptr) return false;
  segment.set_graph(std::move(graph));
  return true;
}

Status VectorIndex::merge(Collection& collection, const std::shared_ptr<const VectorSnapshot>& snapshot,
                          const std::atomic<bool>& stop) {
  std::shared_ptr<VectorSegment> merged;
  {
    VectorReader reader(engine_);
    STRATA_ASSIGN(merged, merge_parts(collection.kind, snapshot->parts, &reader));
  }
  if (merged == nullptr) return Status::ok();
  // Until it has one, the parts that have one answer quicker.
  if (merged->rows() >= options_.graph_rows && !build_graph(*merged, stop)) return Status::ok();
  const base::MutexLock updating(collection.updating);
  std::vector<std::shared_ptr<const VectorSnapshot>> before;
  {
    const base::MutexLock lock(collection.mutex);
    for (const Slot& slot : collection.slots) before.push_back(slot.snapshot);
  }
  std::map<const VectorSnapshot*, std::shared_ptr<const VectorSnapshot>> after;
  for (const auto& one : before) {
    if (!after.contains(one.get())) after[one.get()] = replace_rows(*one, merged);
  }
  const base::MutexLock lock(collection.mutex);
  for (Slot& slot : collection.slots) {
    const auto at = after.find(slot.snapshot.get());
    if (at != after.end()) slot.snapshot = at->second;
  }
  return Status::ok();
}

// ---- files ----

std::vector<VectorIndex::SegmentPtr> VectorIndex::segments_from_files(Collection& collection) {
  std::vector<SegmentPtr> segments;
  if (files_ == nullptr || collection.read_files) return segments;
  collection.read_files = true;
  std::vector<std::string> useless;
  std::vector<VectorFiles::Kept> loaded = files_->load(collection.kind, &useless);
  {
    const base::MutexLock saving(collection.saving);
    for (VectorFiles::Kept& kept : loaded) {
      collection.files[kept.segment] = {kept.name, kept.segment->graph() != nullptr};
      segments.push_back(std::move(kept.segment));
    }
  }
  if (!read_only_) {
    // A file that cannot be removed is in nobody's way: it is not believed.
    for (const std::string& name : useless) (void)files_->remove(name);
  }
  return segments;
}

void VectorIndex::save(Collection& collection) {
  if (files_ == nullptr || read_only_) return;
  const base::MutexLock saving(collection.saving);
  std::set<SegmentPtr> wanted;
  {
    const base::MutexLock lock(collection.mutex);
    for (const Slot& slot : collection.slots) {
      for (const VectorPart& part : slot.snapshot->parts) {
        if (part.live_rows >= options_.saved_rows) wanted.insert(part.segment);
      }
    }
  }
  bool any_new = false;
  for (const SegmentPtr& segment : wanted) {
    const auto at = collection.files.find(segment);
    any_new |= at == collection.files.end() || at->second.has_graph != (segment->graph() != nullptr);
  }
  // Were a row that the log loses kept in a file, another could come to have its place and time.
  if (any_new && !engine_.flush()) return;
  std::map<SegmentPtr, SavedFile> kept;
  for (const SegmentPtr& segment : wanted) {
    const bool has_graph = segment->graph() != nullptr;
    const auto at = collection.files.find(segment);
    SavedFile file = at != collection.files.end() ? at->second : SavedFile{files_->fresh_name(), false};
    if (at == collection.files.end() || file.has_graph != has_graph) {
      // What is not kept is made again: an error here is nobody's loss.
      if (!files_->save(file.name, *segment)) continue;
      file.has_graph = has_graph;
    }
    kept.emplace(segment, std::move(file));
  }
  for (const auto& [segment, file] : collection.files) {
    if (!kept.contains(segment)) (void)files_->remove(file.name);
  }
  collection.files = std::move(kept);
}

// Of branches where the collection was deleted.
void VectorIndex::drop_empty(Collection& collection) {
  std::vector<Slot> slots;
  {
    const base::MutexLock lock(collection.mutex);
    slots = collection.slots;
  }
  std::erase_if(slots, [&](const Slot& slot) {
    const txn::BranchPtr branch = slot.branch.lock();
    return branch == nullptr || is_empty_on(collection.kind, *branch);
  });
  const base::MutexLock lock(collection.mutex);
  std::swap(collection.slots, slots);
}

void VectorIndex::remove_orphans(std::span<const txn::BranchPtr> branches) {
  if (files_ == nullptr || read_only_) return;
  for (const std::string& name : files_->names()) {
    const auto kind = files_->kind_of(name);
    const bool orphaned = kind && std::all_of(branches.begin(), branches.end(), [&](const txn::BranchPtr& branch) {
                            return is_empty_on(*kind, *branch);
                          });
    if (orphaned) (void)files_->remove(name);
  }
}

void VectorIndex::close() {
  for (const CollectionPtr& own : collections()) {
    bool searched = false;
    {
      const base::MutexLock lock(own->mutex);
      searched = !own->slots.empty();
    }
    drop_empty(*own);
    if (searched) save(*own);
    const base::MutexLock lock(own->mutex);
    for (Slot& slot : own->slots) slot.pin.reset();
  }
}

}  // namespace strata::derived
