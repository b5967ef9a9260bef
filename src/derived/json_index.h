// The indexes of documents: for each space of each branch that is asked by them, which documents have what at the place
// of an index, as of one root. A cache: it is made by the first question, brought up to date by the diff of two roots,
// and could be thrown away at any time. Its definitions are data of the branch and lie elsewhere.
//
// The entries of an index are a tree in a forest of their own, in memory: a fork begins with its parent's root, and
// what changes copies a path. As long as few documents differ from what a line knows nothing is changed at all: they
// are handed out as documents that may fit.
//
// What is found are candidates: all that fit are among them, others may be, and who asks looks at each.
//
// Thread safety: any thread; a question waits for nobody, and while one thread makes an index others do without.
// Ownership: borrows the engine. A line keeps the nodes of its root alive, until it was not asked for a while, until
//   release() or until its branch is deleted.
#pragma once

#include <atomic>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "base/mutex.h"
#include "derived/held_head.h"
#include "derived/json_index_change.h"
#include "model/json_index_code.h"
#include "storage/node_store.h"
#include "strata/key_list.h"
#include "txn/branch_state.h"

namespace strata::derived {

// Where the entries of all indexes lie.
struct JsonIndexStore {
  JsonIndexStore();
  const std::unique_ptr<storage::NodeStore> nodes;
  tree::Forest forest;
};

// What is known of a space of a branch. Immutable.
struct JsonIndexState {
  std::shared_ptr<JsonIndexStore> store;
  txn::Head head;        // of the documents
  bool adopted = false;  // of another branch, which may be ahead
  std::shared_ptr<const tree::Pin> pin;
  struct Part {
    JsonIndexPlacePtr place;
    tree::Root root;
  };
  std::vector<Part> parts;

  const Part* find(const JsonIndexPlace& place) const;
};

// Some indexes of a space of a branch.
struct JsonIndexRequest {
  txn::BranchPtr branch;
  std::string_view space;
  std::span<const JsonIndexPlacePtr> places;   // asked for
  std::span<const JsonIndexPlacePtr> defined;  // all that there are: others are not kept
};

// The indexes that were asked for, in the order of the request. For one operation: it keeps nodes from being freed.
class JsonIndexView {
 public:
  explicit JsonIndexView(std::shared_ptr<JsonIndexStore> store) : store_(std::move(store)), guard_(store_->forest) {}

  // How many entries have such codes: quick.
  Result<uint64_t> count(size_t place, const model::IndexCodes& codes) const;
  // Adds the keys of their documents, in the order of the codes.
  Status collect(size_t place, const model::IndexCodes& codes, KeyList* keys) const;
  // The documents of which the entries say nothing.
  const KeyList& changed() const { return changed_; }

 private:
  friend class JsonIndex;
  const std::shared_ptr<JsonIndexStore> store_;
  const tree::ReadGuard guard_;
  std::vector<tree::Root> roots_;
  KeyList changed_;
};

class JsonIndex {
 public:
  explicit JsonIndex(txn::Engine& engine) : engine_(engine) {}
  JsonIndex(const JsonIndex&) = delete;
  JsonIndex& operator=(const JsonIndex&) = delete;

  // How far what is known may be from what is asked about.
  struct Distance {
    uint64_t documents;  // that differ
    uint64_t commits;    // to any part of the database: so long are old nodes kept alive
  };
  // What is known of the documents of a head. Null: nothing, or it is too far away.
  // REQUIRES: the head's nodes are alive by a ReadGuard.
  Result<std::unique_ptr<JsonIndexView>> look(const JsonIndexRequest& request, const txn::Head& head,
                                              const Distance& most);
  // Brings it up to date. False: it cannot be done now. `keep_on` may be null; once it does not want to go on, the
  // answer is kInvalidArgument. REQUIRES: the calling thread holds no ReadGuard.
  Result<bool> catch_up(const JsonIndexRequest& request, const HeldHead& held, const KeepOn* keep_on);

  // Lets go of what nobody asks for. Cheap; now and then.
  void tick();
  // Lets go of everything, so that nothing is kept alive for it; the next question starts anew.
  void release();
  uint64_t memory_bytes() const;

 private:
  using StatePtr = std::shared_ptr<const JsonIndexState>;
  using LineKey = std::pair<uint32_t, std::string>;  // id of the branch, space
  struct Line {
    explicit Line(txn::BranchPtr of) : branch(std::move(of)) {}
    const txn::BranchPtr branch;
    std::atomic<uint64_t> used{0};  // tick
    // Guarded by the index's mutex.
    StatePtr state;
    bool building = false;  // by one thread, which alone replaces the state
    // Guarded by the editing mutex.
    uint64_t shared_until = 0;  // nodes of that edit or before may be another line's, too
    bool dropped = false;
  };
  using LinePtr = std::shared_ptr<Line>;
  using Lines = std::map<LineKey, LinePtr>;
  class Building;

  Line* kin_of(const txn::BranchState& branch, std::string_view space) const REQUIRES_LOCK(mutex_);
  LinePtr begin_building(const JsonIndexRequest& request, const txn::Head& head);
  Result<bool> build(Line* line, const JsonIndexRequest& request, const HeldHead& held, const KeepOn* keep_on);
  Result<bool> publish(Line* line, std::shared_ptr<JsonIndexState> state, size_t known, JsonIndexChange* of_known,
                       JsonIndexChange* of_missing);
  uint64_t now() const { return ticks_.load(std::memory_order_relaxed); }
  Lines::iterator drop(Lines::iterator at, std::vector<LinePtr>* dropped) REQUIRES_LOCK(editing_, mutex_);
  void drop_unused(std::vector<LinePtr>* dropped) REQUIRES_LOCK(editing_, mutex_);

  txn::Engine& engine_;
  std::atomic<uint64_t> ticks_{0};
  base::Mutex editing_;  // one thread changes entries; taken before mutex_
  uint64_t last_edit_ GUARDED_BY(editing_) = 0;
  bool garbage_ GUARDED_BY(editing_) = false;  // there are nodes that only a collection frees
  mutable base::Mutex mutex_;
  std::shared_ptr<JsonIndexStore> store_ GUARDED_BY(mutex_);
  Lines lines_ GUARDED_BY(mutex_);
};

}  // namespace strata::derived
