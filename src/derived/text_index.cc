#include "derived/text_index.h"

#include <algorithm>

#include "derived/text_change.h"
#include "derived/text_matcher.h"
#include "txn/history.h"
#include "txn/row.h"

namespace strata::derived {
namespace {

using index::DocumentIdentity;

// How much is taken in before the nodes are let go of for a moment, so that nobody waits for a reader that indexes
// much: in rows, and bytes that are worth one.
constexpr uint64_t kRowsAtOnce = 2000;
constexpr uint64_t kBytesOfARow = 2048;
// A snapshot of another branch is no start for a state with so many times fewer keys.
constexpr uint64_t kTooDifferent = 4;
// What a row costs beside its bytes.
constexpr uint64_t kRowCosts = 64;

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

// What one pass over rows of a tree takes in, under a ReadGuard.
class RowPass {
 public:
  RowPass(txn::Engine& engine, TextChange* change, txn::Patience* patience)
      : history_(engine), change_(*change), patience_(*patience) {}

  Status add(const DocumentKey& document, const txn::RowView& row) {
    std::string_view value = row.value;
    if (row.large) {
      STRATA_ASSIGN(value, history_.value_of(row));
    }
    rows_ += value.size() / kBytesOfARow;
    STRATA_TRY(patience_.spend(value.size()));
    return change_.add(document.kind, document.key, {row.position(), row.timestamp}, value);
  }
  // For each row, added or not. Whether it should be the last one of the pass.
  Result<bool> next() {
    STRATA_TRY(patience_.spend(kRowCosts));
    return ++rows_ >= kRowsAtOnce;
  }

 private:
  txn::History history_;
  TextChange& change_;
  txn::Patience& patience_;
  uint64_t rows_ = 0;
};

// One pass of a diff.
struct DiffPass {
  TextChange& change;
  size_t space_bytes;
  RowPass rows;
  Status status;
  bool fits = true;  // the base is what it should be
  std::string last;  // key that the pass was cut at; empty: it came to the end

  bool take(std::string_view key, tree::Change what, std::string_view row_bytes) {
    const auto document = document_key(key, space_bytes);
    if (document) status = take_document(*document, what, row_bytes);
    if (!status || !fits) return false;
    const auto enough = rows.next();
    if (!enough) status = enough.status();
    if (!status) return false;
    if (*enough) last.assign(key);
    return !*enough;
  }

  Status take_document(const DocumentKey& document, tree::Change what, std::string_view row_bytes) {
    if (what != tree::Change::kAdded) fits = change.remove(document.kind, document.key);
    if (!fits || what == tree::Change::kRemoved) return Status::ok();
    txn::RowView row;
    STRATA_TRY(txn::read_row(row_bytes, &row));
    return rows.add(document, row);
  }
};

}  // namespace

uint64_t TextSnapshot::documents() const {
  uint64_t total = 0;
  for (const uint64_t of_kind : statistics.documents) total += of_kind;
  return total;
}

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

// What a line without a snapshot starts from: that of its parent, else that of any branch.
TextSnapshotPtr TextIndex::base_for(const Line& line, const txn::Head& head) const {
  std::vector<TextSnapshotPtr> candidates;
  {
    const base::MutexLock lock(mutex_);
    for (const auto& [key, other] : lines_) {
      if (key.second != line.space || other->newest == nullptr) continue;
      const bool parent = line.branch->origin.parent == other->branch->origin.name;
      candidates.insert(parent ? candidates.begin() : candidates.end(), other->newest);
    }
  }
  const model::KeySpan span = model::space_span(line.space);
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
  changed_.store(true);
}

// ---- catching up ----

Result<TextSnapshotPtr> TextIndex::catch_up(const txn::BranchPtr& branch, std::string_view space, const HeldHead& held,
                                            txn::Patience* patience) {
  const LinePtr line = line_of(branch, space);
  STRATA_TRY(patience->lock(line->building));
  const std::unique_lock<std::mutex> building(line->building.native(), std::adopt_lock);
  const TextSnapshotPtr newest = newest_of(*line);
  if (newest != nullptr && newest->head.present == held.head().present) return newest;
  STRATA_ASSIGN(TextSnapshotPtr snapshot, make(*line, held, patience));
  if (!branch->deleted.load(std::memory_order_acquire)) publish(line.get(), snapshot);
  return snapshot;
}

Result<TextSnapshotPtr> TextIndex::make(const Line& line, const HeldHead& held, txn::Patience* patience) const {
  TextSnapshotPtr base = newest_of(line);
  const bool files = base == nullptr && files_ != nullptr && files_->has_spare(line.space);
  if (base == nullptr) base = base_for(line, held.head());
  std::vector<index::SegmentPtr> segments;
  if (base != nullptr) {
    STRATA_ASSIGN(TextSnapshotPtr snapshot, changed_since(*base, line.space, held, files, patience));
    if (snapshot != nullptr) return snapshot;
    for (const index::LiveSegment& segment : base->segments) segments.push_back(segment.segment);
  }
  if (files) {
    for (index::SegmentPtr& segment : files_->spare(line.space)) segments.push_back(std::move(segment));
  }
  return matched(std::move(segments), line.space, held, patience);
}

TextSnapshotPtr TextIndex::finish(std::unique_ptr<TextSnapshot> snapshot, const HeldHead& held) const {
  snapshot->head = held.head();
  snapshot->pin = engine_.forest().pin(held.head().commit, {&held.head().present, 1});
  return TextSnapshotPtr(std::move(snapshot));
}

// Null: the base does not fit, or differs much although it should be near.
Result<TextSnapshotPtr> TextIndex::changed_since(const TextSnapshot& base, std::string_view space, const HeldHead& held,
                                                 bool only_if_near, txn::Patience* patience) const {
  tree::Forest& forest = engine_.forest();
  const model::KeySpan span = model::space_span(space);
  TextChange change(&base);
  std::string begin = span.begin;
  while (!begin.empty()) {
    const tree::ReadGuard guard(forest);
    DiffPass pass{change, space.size(), RowPass(engine_, &change, patience), Status::ok(), true, {}};
    const auto visit = [&](std::string_view key, tree::Change what, std::string_view, std::string_view row) {
      return pass.take(key, what, row);
    };
    STRATA_TRY(forest.diff(base.head.present, held.head().present, {begin, span.end}, visit));
    STRATA_TRY(pass.status);
    if (!pass.fits || (only_if_near && !pass.last.empty())) return TextSnapshotPtr();
    begin = pass.last.empty() ? std::string() : pass.last + '\0';
  }
  return finish(change.finish(true), held);
}

// What the segments have of the state, and what else there is in it.
Result<TextSnapshotPtr> TextIndex::matched(std::vector<index::SegmentPtr> segments, std::string_view space,
                                           const HeldHead& held, txn::Patience* patience) const {
  TextMatcher matcher(std::move(segments));
  TextChange change(nullptr);
  for (size_t number = 0; number < kDocumentKinds; ++number) {
    const auto kind = static_cast<DocumentKind>(number);
    const model::KeySpan span = model::prefix_span(space, document_tag(kind));
    std::string begin = span.begin;
    while (!begin.empty()) {
      const tree::ReadGuard guard(engine_.forest());
      RowPass pass(engine_, &change, patience);
      tree::Cursor cursor(engine_.forest(), held.head().present);
      STRATA_TRY(cursor.seek(begin));
      begin.clear();
      for (bool enough = false; begin.empty() && cursor.valid() && cursor.key() < span.end;) {
        const DocumentKey document{kind, cursor.key().substr(span.begin.size())};
        txn::RowView row;
        STRATA_TRY(txn::read_row(cursor.row(), &row));
        if (!matcher.match(kind, document.key, {row.position(), row.timestamp})) STRATA_TRY(pass.add(document, row));
        STRATA_ASSIGN(enough, pass.next());
        if (enough) begin.assign(cursor.key()).push_back('\0');
        STRATA_TRY(cursor.next());
      }
    }
  }
  for (index::LiveSegment& segment : matcher.finish()) change.adopt(std::move(segment));
  return finish(change.finish(true), held);
}

Result<TextSnapshotPtr> TextIndex::with_writes(const TextSnapshotPtr& base, std::string_view space,
                                               const txn::View& view, txn::Patience* patience) const {
  if (view.own_writes() == nullptr || view.own_writes()->empty()) return base;
  const model::KeySpan span = model::space_span(space);
  TextChange change(base.get());
  bool changed = false;
  for (const txn::Write& write : view.own_writes()->ordered()) {
    if (write.key < span.begin || write.key >= span.end) continue;
    const auto document = document_key(write.key, space.size());
    if (!document) continue;
    changed = true;
    STRATA_TRY(patience->spend(write.value.size() + kRowCosts));
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

}  // namespace strata::derived
