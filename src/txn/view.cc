#include "txn/view.h"

#include "base/check.h"
#include "txn/patience.h"

namespace strata::txn {

View::View(const Context& context)
    : context_(context),
      guard_(context.engine->forest()),
      transaction_(context.transaction),
      history_(*context.engine) {}

Status View::open(AsOf as_of) {
  if (transaction_ != nullptr) {
    head_ = transaction_->base();
    if (!as_of) writes_ = &transaction_->writes();
  } else {
    STRATA_TRY(check_alive(*context_.branch));
    head_ = context_.branch->visible.load();
  }
  if (!as_of) return Status::ok();
  const uint64_t cut = context_.branch->trimmed_before.load(std::memory_order_acquire);
  if (*as_of < cut) {
    return Status::error(Code::kHistoryTrimmed,
                         "as_of " + std::to_string(*as_of) + " lies before the kept history of branch '" +
                             context_.branch->origin.name + "'",
                         "the oldest readable time is " + std::to_string(cut));
  }
  timestamp_ = *as_of;
  past_ = *as_of < (transaction_ != nullptr ? transaction_->timestamp() : head_.timestamp);
  return Status::ok();
}

VersionedValue View::own_write(const Write& write) const {
  VersionedValue value;
  value.value = write.value;
  value.version = write.version;
  value.deleted = write.tombstone;
  return value;
}

Result<std::optional<std::string_view>> View::find_row(std::string_view key) const {
  STRATA_ASSIGN(auto row, context_.engine->forest().get(head_.present, key));
  if (row) return row;
  return context_.engine->forest().get(head_.deleted, key);
}

// What a row says at the view's moment; nothing where the key was not alive.
Result<std::optional<VersionedValue>> View::resolve(std::string_view row_bytes, bool want_value) {
  RowView row;
  STRATA_TRY(read_row(row_bytes, &row));
  if (past_ && row.timestamp > timestamp_) {
    STRATA_ASSIGN(auto version, history_.at(row, timestamp_, want_value));
    if (!version || version->deleted) return std::optional<VersionedValue>();
    return version;
  }
  if (row.tombstone) return std::optional<VersionedValue>();
  VersionedValue value;
  value.version = row.version;
  value.timestamp = row.timestamp;
  if (want_value) {
    if (row.large) {
      STRATA_ASSIGN(value.value, history_.value_of(row));
    } else {
      value.value = row.value;
    }
  }
  return std::optional<VersionedValue>(value);
}

Result<std::optional<VersionedValue>> View::get(std::string_view key, bool want_value) {
  if (tracked()) transaction_->note_key(key);
  if (writes_ != nullptr) {
    if (const Write* write = writes_->find(key)) {
      if (write->tombstone) return std::optional<VersionedValue>();
      return std::optional<VersionedValue>(own_write(*write));
    }
  }
  Result<std::optional<std::string_view>> row =
      past_ ? find_row(key) : context_.engine->forest().get(head_.present, key);
  if (!row) return std::move(row).status();
  if (!*row) return std::optional<VersionedValue>();
  return resolve(**row, want_value);
}

Status View::ask() {
  constexpr uint64_t kWithoutWaiting = uint64_t{16} << 20;  // a few milliseconds
  ask_at_ = read_ + kAskEvery;
  if (locked_) return Status::ok();
  if (!context_.may_wait && read_ > kWithoutWaiting) {
    return Status::error(Code::kWouldBlock, "this reads very much");
  }
  return Patience(context_.keep_on).ask();
}

// The rows of up to two trees and the own writes, merged in key order, either way.
struct View::Merge {
  Merge(View& view, const ScanRange& scan_range)
      : owner(view),
        range(scan_range),
        present(view.context_.engine->forest(), view.head_.present),
        deleted(view.context_.engine->forest(), view.head_.deleted) {}

  Status start() {
    STRATA_TRY(start_tree(present));
    if (owner.past_) STRATA_TRY(start_tree(deleted));
    if (owner.writes_ != nullptr) {
      own = owner.writes_->ordered();
      const auto less = [](const Write& w, std::string_view key) { return w.key < key; };
      own_begin = static_cast<size_t>(std::lower_bound(own.begin(), own.end(), range.begin, less) - own.begin());
      own_end = static_cast<size_t>(std::lower_bound(own.begin(), own.end(), range.end, less) - own.begin());
    }
    return Status::ok();
  }

  Status start_tree(tree::Cursor& cursor) const {
    return range.reverse ? cursor.seek_before(range.end) : cursor.seek(range.begin);
  }
  bool inside(const tree::Cursor& cursor) const {
    return cursor.valid() && (range.reverse ? cursor.key() >= range.begin : cursor.key() < range.end);
  }
  bool before(std::string_view a, std::string_view b) const { return range.reverse ? a > b : a < b; }
  Status step(tree::Cursor& cursor) const { return range.reverse ? cursor.prev() : cursor.next(); }

  View& owner;
  const ScanRange& range;
  tree::Cursor present;
  tree::Cursor deleted;
  std::span<const Write> own;
  size_t own_begin = 0;
  size_t own_end = 0;
};

// The present tree alone, as most scans want it: nothing to merge, and of keys alone no row to look at.
Status View::scan_present(const ScanRange& range, const Visitor& visit, Scanned* scanned) {
  tree::Cursor cursor(context_.engine->forest(), head_.present);
  uint64_t left = range.limit.value_or(UINT64_MAX);
  STRATA_TRY(range.reverse ? cursor.seek_before(range.end) : cursor.seek(range.begin));
  VersionedValue value;
  while (cursor.valid()) {
    const std::string_view key = cursor.key();
    if (range.reverse ? key < range.begin : key >= range.end) break;
    if (left == 0) {
      scanned->more = true;
      break;
    }
    if (range.want_values) {
      STRATA_ASSIGN(const auto found, resolve(cursor.row(), true));
      if (!found) return Status::error(Code::kCorruption, "a deleted row among those of the present");
      value = *found;
    }
    visit(key, value);
    STRATA_TRY(keep_on(key.size() + value.value.size()));
    if (range.limit && --left == 0 && tracked()) scanned->last.assign(key);
    STRATA_TRY(range.reverse ? cursor.prev() : cursor.next());
  }
  return Status::ok();
}

Status View::scan_merged(const ScanRange& range, const Visitor& visit, Scanned* scanned) {
  uint64_t left = range.limit.value_or(UINT64_MAX);
  Merge merge(*this, range);
  STRATA_TRY(merge.start());
  while (true) {
    const bool in_present = merge.inside(merge.present);
    const bool in_deleted = past_ && merge.inside(merge.deleted);
    const bool in_own = merge.own_begin < merge.own_end;
    if (!in_present && !in_deleted && !in_own) return Status::ok();
    const Write* write = in_own ? &merge.own[range.reverse ? merge.own_end - 1 : merge.own_begin] : nullptr;
    tree::Cursor* cursor = in_present ? &merge.present : nullptr;
    if (in_deleted && (cursor == nullptr || merge.before(merge.deleted.key(), cursor->key()))) cursor = &merge.deleted;
    const bool take_own = write != nullptr && (cursor == nullptr || !merge.before(cursor->key(), write->key));
    const bool same = take_own && cursor != nullptr && cursor->key() == write->key;

    std::optional<VersionedValue> value;
    std::string_view key;
    if (take_own) {
      key = write->key;
      if (!write->tombstone) value = own_write(*write);
    } else {
      key = cursor->key();
      STRATA_ASSIGN(value, resolve(cursor->row(), range.want_values));
    }
    if (value) {
      if (left == 0) {
        scanned->more = true;
        return Status::ok();
      }
      visit(key, *value);
      STRATA_TRY(keep_on(key.size() + value->value.size()));
      if (range.limit && --left == 0) scanned->last.assign(key);
    }
    if (take_own) (void)(range.reverse ? --merge.own_end : ++merge.own_begin);
    if (!take_own || same) STRATA_TRY(merge.step(*cursor));
  }
}

Result<bool> View::scan(const ScanRange& range, const Visitor& visit) {
  STRATA_ASSERT(!range.end.empty());
  Scanned scanned;
  if (range.limit != uint64_t{0} && range.begin < range.end) {
    const bool alone = !past_ && (writes_ == nullptr || writes_->empty());
    STRATA_TRY(alone ? scan_present(range, visit, &scanned) : scan_merged(range, visit, &scanned));
  }
  if (tracked() && range.limit != uint64_t{0}) {
    if (!scanned.more) {
      transaction_->note_range(range.begin, range.end);
    } else if (range.reverse) {
      transaction_->note_range(scanned.last, range.end);
    } else {
      scanned.last.push_back('\0');
      transaction_->note_range(range.begin, scanned.last);
    }
  }
  return scanned.more;
}

Result<uint64_t> View::count(std::string_view begin, std::string_view end) {
  if (past_) {
    uint64_t found = 0;
    ScanRange range{begin, end, std::nullopt, false, false};
    STRATA_TRY(scan(range, [&](std::string_view, const VersionedValue&) { ++found; }).status());
    return found;
  }
  if (tracked()) transaction_->note_range(begin, end);
  if (begin >= end) return uint64_t{0};
  tree::Forest& forest = context_.engine->forest();
  STRATA_ASSIGN(const uint64_t below_end, forest.rank(head_.present, end));
  STRATA_ASSIGN(const uint64_t below_begin, forest.rank(head_.present, begin));
  uint64_t found = below_end - below_begin;
  if (writes_ == nullptr) return found;
  for (const Write& write : writes_->ordered()) {
    if (write.key < begin || write.key >= end) continue;
    STRATA_ASSIGN(const auto row, forest.get(head_.present, write.key));
    if (row && write.tombstone) --found;
    if (!row && !write.tombstone) ++found;
  }
  return found;
}

Result<bool> View::history(std::string_view key, const History::Visitor& visit) {
  if (tracked()) transaction_->note_key(key);
  bool any = false;
  Status going;
  const History::Visitor noting = [&](const VersionedValue& version) {
    any = true;
    going = keep_on(version.value.size());
    return going.is_ok() && visit(version);
  };
  if (writes_ != nullptr) {
    const Write* write = writes_->find(key);
    if (write != nullptr && write->version != 0) {
      if (!noting(own_write(*write))) return true;
    }
  }
  STRATA_ASSIGN(const auto bytes, find_row(key));
  if (bytes) {
    RowView row;
    STRATA_TRY(read_row(*bytes, &row));
    const uint64_t cut = context_.branch->trimmed_before.load(std::memory_order_acquire);
    STRATA_TRY(history_.walk(row, past_ ? timestamp_ : UINT64_MAX, cut, noting));
    STRATA_TRY(going);
  }
  return any;
}

}  // namespace strata::txn
