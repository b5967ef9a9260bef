// What one operation reads: the present of its branch, a moment of its past, or a transaction's snapshot with its own
// writes on top. Reads inside a transaction are noted for its validation.
//
// Thread safety: one object a thread and operation; takes no lock.
// Ownership: holds a ReadGuard; borrows the context. Results borrow buffers of this object, until its next call.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "strata/session.h"
#include "strata/status.h"
#include "tree/forest.h"
#include "txn/context.h"
#include "txn/history.h"

namespace strata::txn {

struct ScanRange {
  std::string_view begin;  // included
  std::string_view end;    // excluded; REQUIRES: not empty
  std::optional<uint64_t> limit;
  bool reverse = false;
  bool want_values = true;  // false: keys alone; what is handed out beside them means nothing
};

class View {
 public:
  explicit View(const Context& context);

  // Once, before anything else. Errors: kHistoryTrimmed.
  Status open(AsOf as_of);
  // Instead, for who holds the commit lock: a state that readers may not see yet.
  void open_at(const Head& head) {
    head_ = head;
    locked_ = true;
  }

  // The live version of a key; nothing if there is none.
  Result<std::optional<VersionedValue>> get(std::string_view key, bool want_value = true);
  // Hands the live keys of a range to `visit` in order. Returns whether more keys follow behind the limit.
  using Visitor = std::function<void(std::string_view key, const VersionedValue&)>;
  Result<bool> scan(const ScanRange& range, const Visitor& visit);
  Result<uint64_t> count(std::string_view begin, std::string_view end);
  // All kept versions up to the view's moment, newest first. False: there is none.
  Result<bool> history(std::string_view key, const History::Visitor& visit);

  const Head& head() const { return head_; }
  // Whether it reads a moment before the head, at which a row of the head need not be what was there.
  bool past() const { return past_; }
  // Whether what is read counts for the open transaction's validation.
  bool tracked() const { return transaction_ != nullptr && !past_ && noting_; }
  // What follows is not noted: for who has noted a range that all of it lies in.
  void stop_noting() { noting_ = false; }
  // The writes that lie on top of the head; null: none do.
  const WriteSet* own_writes() const { return writes_; }

 private:
  static constexpr uint64_t kAskEvery = uint64_t{1} << 20;
  struct Merge;
  // What a scan leaves behind: whether keys follow behind the limit, and where the limit cut it.
  struct Scanned {
    bool more = false;
    std::string last;
  };
  // For each row of a long operation. kWouldBlock where nobody may wait for much; kInvalidArgument where it is not
  // wanted any more.
  Status keep_on(size_t row_bytes) {
    constexpr size_t kRowCosts = 32;  // beside its bytes
    read_ += row_bytes + kRowCosts;
    return read_ < ask_at_ ? Status::ok() : ask();
  }
  Status ask();
  Status scan_present(const ScanRange& range, const Visitor& visit, Scanned* scanned);
  Status scan_merged(const ScanRange& range, const Visitor& visit, Scanned* scanned);
  VersionedValue own_write(const Write& write) const;
  Result<std::optional<VersionedValue>> resolve(std::string_view row_bytes, bool want_value);
  Result<std::optional<std::string_view>> find_row(std::string_view key) const;

  const Context& context_;
  tree::ReadGuard guard_;
  Transaction* transaction_;
  const WriteSet* writes_ = nullptr;
  Head head_;
  bool past_ = false;
  bool noting_ = true;
  bool locked_ = false;          // the commit lock is held: nobody is asked anything
  uint64_t read_ = 0;            // bytes, about
  uint64_t ask_at_ = kAskEvery;  // when so many were read
  uint64_t timestamp_ = 0;       // of the past
  History history_;
};

}  // namespace strata::txn
