#include "derived/embedding_index.h"

#include <algorithm>
#include <array>
#include <set>

#include "model/vector_codec.h"
#include "txn/history.h"
#include "txn/row.h"

namespace strata::derived {
namespace {

// Rows looked at before the nodes are let go of for a moment.
constexpr size_t kRowsAtOnce = 2000;
// Commits of the database after which a snapshot that nobody searches is not worth its nodes.
constexpr uint64_t kFarBehind = 50'000;
// A snapshot of more parts becomes one, when nothing is lacking any more.
constexpr size_t kMostParts = 24;

constexpr std::array<std::string_view, kDocumentKinds> kKindNames = {"event", "json", "kv", "state", "vector"};

// The metadata of a row: {"primitive": name}.
std::string metadata_of(DocumentKind kind) {
  ValueWriter writer;
  const bool written = writer.begin_object(1) && writer.name("primitive") &&
                       writer.string(kKindNames[static_cast<size_t>(kind)]) && writer.end();
  return written ? std::string(writer.result()) : std::string();
}

std::optional<std::string> embedded_key_of(std::string_view tree_key, size_t space_bytes) {
  if (tree_key.size() < space_bytes + 2) return std::nullopt;
  const auto kind = document_kind(static_cast<model::Tag>(tree_key[space_bytes + 1]));
  if (!kind) return std::nullopt;
  return embedded_key(*kind, tree_key.substr(space_bytes + 2));
}

// Notes what became of a document. `row_value` null: it is gone.
Status note(const std::string& document, const std::string_view* row_value, TextNames* changes) {
  std::optional<TextName>& name = (*changes)[document];
  name.reset();
  if (row_value == nullptr) return Status::ok();
  STRATA_ASSIGN(const std::string text, embedded_text(embedded_kind(document), *row_value));
  if (!text.empty()) name = name_text(text);
  return Status::ok();
}

}  // namespace

std::string embedded_key(DocumentKind kind, std::string_view key) {
  std::string name(1, static_cast<char>(kind));
  return name.append(key);
}

DocumentKind embedded_kind(std::string_view embedded_key) { return static_cast<DocumentKind>(embedded_key[0]); }

// ---- lines ----

EmbeddingIndex::LinePtr EmbeddingIndex::line_of(const txn::BranchPtr& branch, std::string_view space) {
  std::vector<LinePtr> of_deleted;  // let go of without the lock
  const base::MutexLock lock(mutex_);
  const auto is_deleted = [&](const auto& entry) {
    if (!entry.second->branch->deleted.load(std::memory_order_acquire)) return false;
    of_deleted.push_back(entry.second);
    return true;
  };
  std::erase_if(lines_, is_deleted);
  LinePtr& line = lines_[LineKey(branch->origin.id, space)];
  if (line == nullptr) line = std::make_shared<Line>(branch);
  return line;
}

// Its own newest snapshot, else that of its parent, else that of any branch: what is the same need not be read.
EmbeddingSnapshotPtr EmbeddingIndex::start_of(const Line& line, std::string_view space) const {
  const base::MutexLock lock(mutex_);
  if (line.newest != nullptr) return line.newest;
  EmbeddingSnapshotPtr start;
  for (const auto& [key, other] : lines_) {
    if (key.second != space || other->newest == nullptr) continue;
    const bool parent = line.branch->origin.parent == other->branch->origin.name;
    if (parent || start == nullptr) start = other->newest;
    if (parent) break;
  }
  return start;
}

EmbeddingSnapshotPtr EmbeddingIndex::find(const txn::BranchState& branch, std::string_view space,
                                          const txn::Head& head) const {
  const base::MutexLock lock(mutex_);
  const auto line = lines_.find(LineKey(branch.origin.id, space));
  if (line == lines_.end()) return nullptr;
  const EmbeddingSnapshotPtr& newest = line->second->newest;
  const bool fits = newest != nullptr && newest->head.present == head.present && newest->waiting->empty();
  return fits ? newest : nullptr;
}

// ---- catching up ----

Result<EmbeddingSnapshotPtr> EmbeddingIndex::catch_up(const txn::BranchPtr& branch, std::string_view space,
                                                      const HeldHead& held, txn::Patience* patience) {
  const LinePtr line = line_of(branch, space);
  STRATA_TRY(patience->lock(line->building));
  const std::unique_lock<std::mutex> building(line->building.native(), std::adopt_lock);
  const EmbeddingSnapshotPtr base = start_of(*line, space);
  TextNames changes;
  STRATA_TRY(changes_since(base, space, held, patience, &changes));
  STRATA_ASSIGN(std::unique_ptr<EmbeddingSnapshot> made, changed(base.get(), changes, patience));
  made->head = held.head();
  made->pin = engine_.forest().pin(held.head().commit, {&held.head().present, 1});
  EmbeddingSnapshotPtr snapshot(std::move(made));
  EmbeddingSnapshotPtr before;  // let go of without the lock
  const base::MutexLock lock(mutex_);
  const bool newer = line->newest == nullptr || line->newest->head.commit <= snapshot->head.commit;
  if (newer && !released_ && !branch->deleted.load(std::memory_order_acquire))
    before = std::exchange(line->newest, snapshot);
  return snapshot;
}

Status EmbeddingIndex::changes_since(const EmbeddingSnapshotPtr& base, std::string_view space, const HeldHead& held,
                                     txn::Patience* patience, TextNames* changes) const {
  const model::KeySpan span = model::space_span(space);
  const tree::Root from = base != nullptr ? base->head.present : tree::Root();
  for (std::string begin = span.begin; !begin.empty();) {
    STRATA_TRY(patience->ask());
    const tree::ReadGuard guard(engine_.forest());
    txn::History history(engine_);
    Status status;
    size_t seen = 0;
    std::string last;
    const auto take = [&](std::string_view key, std::string_view row_bytes) -> Status {
      const auto document = embedded_key_of(key, space.size());
      if (!document) return Status::ok();
      if (row_bytes.empty()) return note(*document, nullptr, changes);
      txn::RowView row;
      STRATA_TRY(txn::read_row(row_bytes, &row));
      std::string_view value = row.value;
      if (row.large) {
        STRATA_ASSIGN(value, history.value_of(row));
      }
      STRATA_TRY(patience->spend(value.size()));
      return note(*document, &value, changes);
    };
    const auto visit = [&](std::string_view key, tree::Change, std::string_view, std::string_view row) {
      status = take(key, row);
      if (++seen == kRowsAtOnce) last.assign(key);
      return status.is_ok() && seen < kRowsAtOnce;
    };
    STRATA_TRY(engine_.forest().diff(from, held.head().present, {begin, span.end}, visit));
    STRATA_TRY(status);
    begin = last.empty() ? std::string() : last + '\0';
  }
  return Status::ok();
}

// A snapshot without a head: `base` (null: nothing) with changes applied, and with what the store has by now.
Result<std::unique_ptr<EmbeddingSnapshot>> EmbeddingIndex::changed(const EmbeddingSnapshot* base,
                                                                   const TextNames& changes,
                                                                   txn::Patience* patience) const {
  TextNames todo = base != nullptr ? *base->waiting : TextNames();
  for (const auto& [document, name] : changes) todo[document] = name;
  const uint32_t dimension = store_.dimension();
  auto waiting = std::make_shared<TextNames>();
  std::vector<std::string> values;
  values.reserve(todo.size());  // whose strings are borrowed
  std::vector<VectorChange> applied;
  std::vector<float> vector;
  for (const auto& [document, name] : todo) {
    STRATA_TRY(patience->spend(dimension * sizeof(float)));
    VectorChange& change = applied.emplace_back();
    change.key = document;
    if (!name) continue;
    if (dimension == 0 || !store_.read(*name, &vector)) {
      waiting->emplace(document, *name);
      continue;
    }
    std::string& value = values.emplace_back();
    model::build_vector(vector, metadata_of(embedded_kind(document)), &value);
    change.present = true;
    change.value = value;
  }
  auto snapshot = std::make_unique<EmbeddingSnapshot>();
  snapshot->vectors = base != nullptr ? base->vectors : std::make_shared<const VectorSnapshot>();
  if (dimension > 0 && !applied.empty()) {
    const CollectionKind kind{{}, dimension, VectorMetric::kCosine};
    VectorReader reader(engine_);  // of which nothing is asked: rows without a place in the log keep their components
    STRATA_ASSIGN(snapshot->vectors, apply_changes(kind, *snapshot->vectors, applied, &reader));
    if (waiting->empty() && snapshot->vectors->parts.size() > kMostParts) {
      STRATA_ASSIGN(auto merged, merge_parts(kind, snapshot->vectors->parts, &reader));
      auto whole = std::make_shared<VectorSnapshot>();
      whole->parts.push_back({merged, nullptr, merged->rows()});
      snapshot->vectors = std::move(whole);
    }
  }
  snapshot->waiting = std::move(waiting);
  return snapshot;
}

Result<EmbeddingSnapshotPtr> EmbeddingIndex::with_writes(const EmbeddingSnapshotPtr& base, std::string_view space,
                                                         const txn::View& view, txn::Patience* patience) const {
  if (view.own_writes() == nullptr || view.own_writes()->empty()) return base;
  const model::KeySpan span = model::space_span(space);
  TextNames changes;
  for (const txn::Write& write : view.own_writes()->ordered()) {
    if (write.key < span.begin || write.key >= span.end) continue;
    const auto document = embedded_key_of(write.key, space.size());
    if (!document) continue;
    const std::string_view value = write.value;
    STRATA_TRY(patience->spend(value.size()));
    STRATA_TRY(note(*document, write.tombstone ? nullptr : &value, &changes));
  }
  if (changes.empty()) return base;
  STRATA_ASSIGN(std::unique_ptr<EmbeddingSnapshot> made, changed(base.get(), changes, patience));
  return EmbeddingSnapshotPtr(std::move(made));
}

Result<EmbeddingSnapshotPtr> EmbeddingIndex::of_past(txn::View& view, std::string_view space,
                                                     txn::Patience* patience) const {
  const model::KeySpan span = model::space_span(space);
  TextNames documents;
  Status status;
  const auto visit = [&](std::string_view key, const VersionedValue& found) {
    const auto document = embedded_key_of(key, space.size());
    if (document && status) status = note(*document, &found.value, &documents);
  };
  STRATA_TRY(view.scan({span.begin, span.end, std::nullopt, false, true}, visit).status());
  STRATA_TRY(status);
  STRATA_ASSIGN(std::unique_ptr<EmbeddingSnapshot> made, changed(nullptr, documents, patience));
  return EmbeddingSnapshotPtr(std::move(made));
}

Result<EmbeddingSnapshotPtr> EmbeddingIndex::completed(const EmbeddingSnapshotPtr& snapshot,
                                                       txn::Patience* patience) const {
  if (snapshot->waiting->empty()) return snapshot;
  STRATA_ASSIGN(std::unique_ptr<EmbeddingSnapshot> made, changed(snapshot.get(), {}, patience));
  made->head = snapshot->head;
  return EmbeddingSnapshotPtr(std::move(made));
}

void EmbeddingIndex::let_go_of_old() {
  std::vector<EmbeddingSnapshotPtr> old;  // let go of without the lock
  const base::MutexLock lock(mutex_);
  for (const auto& [key, line] : lines_) {
    const bool gone = line->branch->deleted.load(std::memory_order_acquire);
    if (line->newest == nullptr) continue;
    if (gone || line->branch->visible.load().commit > line->newest->head.commit + kFarBehind) {
      old.push_back(std::move(line->newest));
      line->newest = nullptr;
    }
  }
}

void EmbeddingIndex::release() {
  std::map<LineKey, LinePtr> lines;
  const base::MutexLock lock(mutex_);
  released_ = true;
  lines.swap(lines_);
}

uint64_t EmbeddingIndex::memory_bytes() const {
  std::set<const VectorSegment*> counted;
  uint64_t bytes = 0;
  const base::MutexLock lock(mutex_);
  for (const auto& [key, line] : lines_) {
    if (line->newest == nullptr) continue;
    for (const VectorPart& part : line->newest->vectors->parts) {
      if (counted.insert(part.segment.get()).second) bytes += part.segment->memory_bytes();
      if (part.live != nullptr) bytes += part.live->memory_bytes();
    }
  }
  return bytes;
}

}  // namespace strata::derived
