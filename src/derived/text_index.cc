#include "derived/text_index.h"

#include <algorithm>

#include "derived/text_change.h"
#include "txn/history.h"
#include "txn/row.h"

namespace strata::derived {
namespace {

using index::DocumentIdentity;

// Changes taken in before the nodes are let go of for a moment, so that nobody waits for a reader that indexes much.
constexpr size_t kChangesAtOnce = 2000;
// A snapshot of another branch is no start for a state with so many times fewer keys.
constexpr uint64_t kTooDifferent = 4;
// Commits of the database after which a snapshot that nobody searches is brought up to date.
constexpr uint64_t kFarBehind = 20'000;

// The document that a tree key is; nothing for keys that are not searched.
struct DocumentKey {
  DocumentKind kind;
  std::string_view key;
};
std::optional<DocumentKey> document_key(std::string_view tree_key, size_t space_bytes) {
  if (tree_key.size() < space_bytes + 2) return std::nullopt;
  const auto kind = document_kind(static_cast<model::Tag>(tree_key[space_bytes + 1]));
  if (!kind) return std::nullopt;
  return DocumentKey{*kind, tree_key.substr(space_bytes + 2)};
}

// One pass of a diff, up to kChangesAtOnce.
struct DiffPass {
  txn::Engine& engine;
  TextChange& change;
  size_t space_bytes;
  txn::History history;
  Status status;
  bool fits = true;  // the base is what it should be
  size_t seen = 0;
  std::string last;  // key that the pass was cut at; empty: it came to the end

  bool take(std::string_view key, tree::Change what, std::string_view row_bytes) {
    const auto document = document_key(key, space_bytes);
    if (document) {
      status = take_document(*document, what, row_bytes);
      if (!status || !fits) return false;
    }
    if (++seen < kChangesAtOnce) return true;
    last.assign(key);
    return false;
  }

  Status take_document(const DocumentKey& document, tree::Change what, std::string_view row_bytes) {
    if (what != tree::Change::kAdded) fits = change.remove(document.kind, document.key);
    if (!fits || what == tree::Change::kRemoved) return Status::ok();
    txn::RowView row;
    STRATA_TRY(txn::read_row(row_bytes, &row));
    std::string_view value = row.value;
    if (row.large) {
      STRATA_ASSIGN(value, history.value_of(row));
    }
    return change.add(document.kind, document.key, {row.position(), row.timestamp}, value);
  }
};

}  // namespace

uint64_t TextSnapshot::documents() const {
  uint64_t total = 0;
  for (const uint64_t of_kind : statistics.documents) total += of_kind;
  return total;
}

HeldHead::HeldHead(txn::Engine& engine, const txn::Head& head)
    : engine_(engine), head_(head), pin_(engine.forest().pin(head.commit, {&head_.present, 1})) {
  ticket_ = engine.add_snapshot(head);
}

HeldHead::~HeldHead() { engine_.remove_snapshot(ticket_); }

// ---- lines ----

TextIndex::LinePtr TextIndex::line_of(const txn::BranchPtr& branch, std::string_view space) {
  std::vector<LinePtr> forgotten;  // let go of without the lock
  const base::MutexLock lock(mutex_);
  LinePtr& line = lines_[LineKey(branch->origin.id, space)];
  if (line != nullptr) return line;
  line = std::make_shared<Line>(branch, std::string(space));
  const LinePtr made = line;
  for (auto other = lines_.begin(); other != lines_.end();) {
    const bool gone = other->second != made && other->second->branch->deleted.load(std::memory_order_acquire);
    if (gone) forgotten.push_back(other->second);
    other = gone ? lines_.erase(other) : std::next(other);
  }
  return made;
}

TextSnapshotPtr TextIndex::newest_of(const Line& line) const {
  const base::MutexLock lock(mutex_);
  return line.newest;
}

TextSnapshotPtr TextIndex::find(const txn::BranchState& branch, std::string_view space, const txn::Head& head) const {
  const base::MutexLock lock(mutex_);
  const auto found = lines_.find(LineKey(branch.origin.id, space));
  if (found == lines_.end() || found->second->newest == nullptr) return nullptr;
  const TextSnapshotPtr& newest = found->second->newest;
  return newest->head.present == head.present ? newest : nullptr;
}

// What to start from: the line's own snapshot, else that of its parent, else that of any branch.
TextSnapshotPtr TextIndex::base_for(const Line& line, std::string_view space, const txn::Head& head) const {
  std::vector<TextSnapshotPtr> candidates;
  {
    const base::MutexLock lock(mutex_);
    if (line.newest != nullptr) return line.newest;
    for (const auto& [key, other] : lines_) {
      if (key.second != space || other->newest == nullptr) continue;
      const bool parent = line.branch->origin.parent == other->branch->origin.name;
      candidates.insert(parent ? candidates.begin() : candidates.end(), other->newest);
    }
  }
  const model::KeySpan span = model::space_span(space);
  const tree::ReadGuard guard(engine_.forest());
  const auto end = engine_.forest().rank(head.present, span.end);
  const auto begin = engine_.forest().rank(head.present, span.begin);
  if (!end || !begin) return nullptr;  // building says what is wrong
  for (const TextSnapshotPtr& candidate : candidates) {
    if (candidate->documents() / kTooDifferent <= *end - *begin) return candidate;
  }
  return nullptr;
}

void TextIndex::publish(Line* line, const TextSnapshotPtr& snapshot) {
  TextSnapshotPtr before;  // let go of without the lock
  const base::MutexLock lock(mutex_);
  if (line->newest != nullptr && line->newest->head.commit > snapshot->head.commit) return;
  before = std::exchange(line->newest, snapshot);
}

// ---- catching up ----

Result<TextSnapshotPtr> TextIndex::catch_up(const txn::BranchPtr& branch, std::string_view space,
                                            const HeldHead& held) {
  const LinePtr line = line_of(branch, space);
  const base::MutexLock building(line->building);
  const TextSnapshotPtr newest = newest_of(*line);
  if (newest != nullptr && newest->head.present == held.head().present) return newest;
  STRATA_ASSIGN(TextSnapshotPtr snapshot, build(base_for(*line, space, held.head()), space, held));
  if (snapshot == nullptr) {  // the base was not what it should be
    STRATA_ASSIGN(snapshot, build(nullptr, space, held));
  }
  if (!branch->deleted.load(std::memory_order_acquire)) publish(line.get(), snapshot);
  return snapshot;
}

// Null: the base does not fit.
Result<TextSnapshotPtr> TextIndex::build(const TextSnapshotPtr& base, std::string_view space,
                                         const HeldHead& held) const {
  tree::Forest& forest = engine_.forest();
  const model::KeySpan span = model::space_span(space);
  const tree::Root from = base != nullptr ? base->head.present : tree::Root();
  TextChange change(base.get());
  std::string begin = span.begin;
  while (!begin.empty()) {
    const tree::ReadGuard guard(forest);
    DiffPass pass{engine_, change, space.size(), txn::History(engine_), Status::ok(), true, 0, {}};
    const auto visit = [&](std::string_view key, tree::Change what, std::string_view, std::string_view row) {
      return pass.take(key, what, row);
    };
    STRATA_TRY(forest.diff(from, held.head().present, {begin, span.end}, visit));
    STRATA_TRY(pass.status);
    if (!pass.fits) return TextSnapshotPtr();
    begin = pass.last.empty() ? std::string() : pass.last + '\0';
  }
  std::unique_ptr<TextSnapshot> snapshot = change.finish(true);
  snapshot->head = held.head();
  snapshot->pin = forest.pin(held.head().commit, {&held.head().present, 1});
  return TextSnapshotPtr(std::move(snapshot));
}

Result<TextSnapshotPtr> TextIndex::with_writes(const TextSnapshotPtr& base, std::string_view space,
                                               const txn::View& view) const {
  if (view.own_writes() == nullptr || view.own_writes()->empty()) return base;
  const model::KeySpan span = model::space_span(space);
  TextChange change(base.get());
  bool changed = false;
  for (const txn::Write& write : view.own_writes()->ordered()) {
    if (write.key < span.begin || write.key >= span.end) continue;
    const auto document = document_key(write.key, space.size());
    if (!document) continue;
    changed = true;
    change.remove(document->kind, document->key);
    // Nothing else has this identity, and nobody keeps it.
    if (!write.tombstone) STRATA_TRY(change.add(document->kind, document->key, {}, write.value));
  }
  if (!changed) return base;
  return TextSnapshotPtr(change.finish(false));
}

Result<TextSnapshotPtr> TextIndex::of_past(txn::View& view, std::string_view space) {
  const model::KeySpan span = model::space_span(space);
  TextChange change(nullptr);
  Status status;
  const txn::ScanRange range{span.begin, span.end, std::nullopt, false, true};
  const auto visit = [&](std::string_view key, const VersionedValue& value) {
    const auto document = document_key(key, space.size());
    if (!document || !status) return;
    status = change.add(document->kind, document->key, {0, value.timestamp.value_or(0)}, value.value);
  };
  STRATA_TRY(view.scan(range, visit).status());
  STRATA_TRY(status);
  return TextSnapshotPtr(change.finish(false));
}

// ---- at leisure ----

void TextIndex::background_step() {
  std::vector<LinePtr> lines;
  std::vector<LinePtr> forgotten;  // let go of without the lock
  {
    const base::MutexLock lock(mutex_);
    for (auto line = lines_.begin(); line != lines_.end();) {
      const bool gone = line->second->branch->deleted.load(std::memory_order_acquire);
      (gone ? forgotten : lines).push_back(line->second);
      line = gone ? lines_.erase(line) : std::next(line);
    }
  }
  for (const LinePtr& line : lines) {
    follow(line);
    merge_large(line);
  }
}

// Keeps a snapshot from falling so far behind that the nodes it keeps alive weigh.
void TextIndex::follow(const LinePtr& line) {
  const TextSnapshotPtr newest = newest_of(*line);
  std::optional<HeldHead> held;
  {
    const tree::ReadGuard guard(engine_.forest());
    const txn::Head head = line->branch->visible.load();
    if (newest == nullptr || line->branch->deleted.load(std::memory_order_acquire) ||
        head.commit < newest->head.commit + kFarBehind) {
      return;
    }
    held.emplace(engine_, head);
  }
  (void)catch_up(line->branch, line->space, *held);  // a search will say what is wrong
}

void TextIndex::merge_large(const LinePtr& line) {
  const TextSnapshotPtr before = newest_of(*line);
  if (before == nullptr) return;
  const std::vector<size_t> chosen = TextChange::due(before->segments, UINT64_MAX);
  if (chosen.empty()) return;
  std::vector<index::LiveSegment> sources;
  sources.reserve(chosen.size());
  for (const size_t i : chosen) sources.push_back(before->segments[i]);
  const index::SegmentPtr merged = index::merge_segments(sources);
  if (merged == nullptr) return;

  // What happened meanwhile: documents died, or the sources were merged by others.
  const base::MutexLock building(line->building);
  const TextSnapshotPtr now = newest_of(*line);
  auto live = std::make_shared<index::Liveness>(merged->documents());
  auto after = std::make_unique<TextSnapshot>();
  size_t found = 0;
  for (const index::LiveSegment& segment : now->segments) {
    const auto source = std::find_if(sources.begin(), sources.end(),
                                     [&](const index::LiveSegment& s) { return s.segment == segment.segment; });
    if (source == sources.end()) {
      after->segments.push_back(segment);
      continue;
    }
    ++found;
    for (uint32_t document = 0; document < segment.segment->documents(); ++document) {
      if (!source->alive(document) || segment.alive(document)) continue;
      const uint32_t dead = merged->find(segment.segment->kind(document), segment.segment->key(document));
      if (dead != index::kNoDocument) live->kill(dead);
    }
  }
  if (found != sources.size()) return;
  after->segments.push_back({merged, std::move(live)});
  after->statistics = now->statistics;
  after->head = now->head;
  {
    const tree::ReadGuard guard(engine_.forest());
    after->pin = engine_.forest().pin(now->head.commit, {&now->head.present, 1});
  }
  publish(line.get(), TextSnapshotPtr(std::move(after)));
}

void TextIndex::release() {
  std::map<LineKey, LinePtr> lines;
  const base::MutexLock lock(mutex_);
  lines.swap(lines_);
}

uint64_t TextIndex::memory_bytes() const {
  std::vector<const index::TextSegment*> counted;
  uint64_t bytes = 0;
  const base::MutexLock lock(mutex_);
  for (const auto& [key, line] : lines_) {
    if (line->newest == nullptr) continue;
    for (const index::LiveSegment& segment : line->newest->segments) {
      if (segment.live != nullptr) bytes += segment.segment->documents() / 8;
      counted.push_back(segment.segment.get());
    }
  }
  std::sort(counted.begin(), counted.end());
  counted.erase(std::unique(counted.begin(), counted.end()), counted.end());
  for (const index::TextSegment* segment : counted) bytes += segment->bytes().size();
  return bytes;
}

}  // namespace strata::derived
