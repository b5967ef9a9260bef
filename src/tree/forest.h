// The forest: all copy-on-write B+trees of one database, their nodes in one bounded cache over one node store.
//
// A tree is named by its Root alone: a value of 24 bytes. Published nodes never change, so whoever holds a Root (and
// keeps its nodes alive by a ReadGuard or a Pin) reads one unchanging state; a fork or a snapshot is a copied Root.
// Keys are byte strings in memcmp order, unique in a tree; rows are opaque bytes.
//
// Thread safety: reading (get, rank, Cursor, diff) in any thread, without locks, under a ReadGuard. Editing, retiring,
//   checkpoints, collection and audit are serialized by the caller (the commit lock).
//   Pins may be taken and dropped in any thread.
// Ownership: borrows the NodeStore. Views returned live as long as the ReadGuard under which they were obtained.
// Invariants:
//   1. A node is edited in place only by the Edit in which it was born (birth == the edit's stamp).
//   2. A replaced node born after `exclusive_since` is freed when no guard that might see it is left and no Pin lies in
//      [birth, retired). Every older node may be shared between trees: it is freed by collect() alone.
//   3. Inner nodes hold, for each child, its id, birth and number of keys; birth is checked when a child is loaded.
//   4. Clean nodes may be evicted at any time; dirty ones stay until a checkpoint wrote them.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/node_store.h"
#include "strata/status.h"

namespace strata::tree {

constexpr size_t kMaxKeyBytes = 2304;
constexpr size_t kMaxRowBytes = 4000;

struct Root {
  storage::NodeId id = 0;  // 0: the empty tree
  uint64_t birth = 0;
  uint64_t count = 0;  // keys
  bool operator==(const Root&) const = default;
};

class ForestImpl;
struct EditState;
struct EpochSlot;

// While one lives, no node that was reachable when it was made is freed or evicted from under its thread. Cheap
// (tens of nanoseconds), nests, must be dropped in the thread that made it; for one operation, not for minutes.
class ReadGuard {
 public:
  explicit ReadGuard(const class Forest& forest);
  ~ReadGuard();
  ReadGuard(const ReadGuard&) = delete;
  ReadGuard& operator=(const ReadGuard&) = delete;

 private:
  EpochSlot* slot_;
};

// Keeps the nodes of some roots, as of the commit `stamp`, alive for as long as it lives. Movable; may be dropped in
// any thread.
class Pin {
 public:
  Pin() = default;
  Pin(Pin&& other) noexcept;
  Pin& operator=(Pin&& other) noexcept;
  ~Pin();
  void reset();
  bool held() const { return impl_ != nullptr; }

 private:
  friend class Forest;
  ForestImpl* impl_ = nullptr;
  uint64_t ticket_ = 0;
};

// Walks the keys of one tree in order. Use under one ReadGuard, from making to last use.
class Cursor {
 public:
  Cursor(const class Forest& forest, const Root& root);
  ~Cursor();
  Cursor(const Cursor&) = delete;
  Cursor& operator=(const Cursor&) = delete;

  // Position at the first key >= key; at the last key < key; at the first or last key. Then valid() tells whether
  // there is one. Errors: corruption or I/O of a loaded node; the cursor is then not valid.
  Status seek(std::string_view key);
  Status seek_before(std::string_view key);
  Status seek_first();
  Status seek_last();
  Status next();  // REQUIRES: valid()
  Status prev();  // REQUIRES: valid()
  bool valid() const;
  std::string_view key() const;  // REQUIRES: valid(); until the next move
  std::string_view row() const;  // REQUIRES: valid(); as long as the guard

 private:
  struct State;
  std::unique_ptr<State> state_;
};

enum class Change : uint8_t { kAdded, kRemoved, kModified };
// Rows of both sides (empty where the key is absent). Return false to stop.
using DiffVisitor = std::function<bool(std::string_view key, Change change, std::string_view a, std::string_view b)>;

using NodeVisitor = std::function<Status(storage::NodeId id, char* bytes)>;

// Half-open range of keys; an empty `end` means "to the last".
struct KeyRange {
  std::string_view begin;
  std::string_view end;
};

// One commit's changes to any number of trees. Nothing is visible to anybody until the caller publishes the roots.
// Views into a tree that is being edited are valid until its next change. Trees are forked (their roots copied) from
// published roots, not in the middle of an edit that changes them.
class Edit {
 public:
  ~Edit();  // aborts if neither finish nor abort was called
  Edit(Edit&&) noexcept;
  // As Forest::get, and remembers the place: a put or erase of the same key in the same tree, called next, does not
  // search again. REQUIRES: one ReadGuard lives from a find to the change that follows it; `key` lives as long.
  Result<std::optional<std::string_view>> find(const Root& root, std::string_view key);
  // Inserts or replaces. `exclusive_since`: see Invariant 2, a property of the branch that owns the tree.
  // On error `root` is unchanged and the edit may only be aborted. REQUIRES: sizes within the limits.
  Status put(Root& root, std::string_view key, std::string_view row, uint64_t exclusive_since);
  // Removes; *removed tells whether the key was there. Underfull nodes are merged with a neighbour.
  Status erase(Root& root, std::string_view key, uint64_t exclusive_since, bool* removed);
  // Drops a whole tree that no other tree shares nodes with since `exclusive_since` (root becomes empty).
  Status clear(Root& root, uint64_t exclusive_since);
  // Copies every node of the tree that lies at or above page `first_page` to a new place and returns the new root.
  // Shared nodes are copied once over all calls in this edit. Old nodes are not retired: collect() frees them.
  // REQUIRES: this edit does nothing but relocate. Afterwards trees may share nodes as young as this edit: their
  // `exclusive_since` must be at least its stamp.
  Status relocate(Root& root, uint64_t first_page);
  // No more changes: another edit may begin although this one is neither finished nor aborted. Sealed edits are
  // finished in the order of their stamps, or aborted newest first.
  void seal();
  // After the caller has published the new roots: what was replaced is retired as of this edit's stamp, and freed at
  // once unless a guard or a pin is in the way.
  void finish();
  // Frees all nodes born in this edit.
  void abort();

 private:
  friend class Forest;
  explicit Edit(std::unique_ptr<EditState> state);
  std::unique_ptr<EditState> state_;  // null once finished, aborted or moved from
};

struct ForestStats {
  uint64_t resident_bytes = 0;
  uint64_t dirty_bytes = 0;
  uint64_t retired_nodes = 0;   // waiting for guards or pins
  uint64_t shared_garbage = 0;  // estimate: nodes dropped by a branch that only collect() can free
  uint64_t loads = 0;
  uint64_t evictions = 0;
};

struct ForestOptions {
  size_t cache_bytes = 256u << 20;
  bool evictable = true;  // false over the memory node store: nodes are never read back
};

class Forest {
 public:
  Forest(storage::NodeStore& store, const ForestOptions& options);
  ~Forest();
  Forest(const Forest&) = delete;
  Forest& operator=(const Forest&) = delete;

  // ---- reading, under a ReadGuard ----
  Result<std::optional<std::string_view>> get(const Root& root, std::string_view key) const;
  // The number of keys < key: a range's size is a difference of two. O(log n).
  Result<uint64_t> rank(const Root& root, std::string_view key) const;
  // Visits, in key order, the keys in `range` whose rows differ as bytes, going from a to b; shared nodes are skipped.
  Status diff(const Root& a, const Root& b, KeyRange range, const DiffVisitor& visit) const;

  // ---- keeping ----
  // REQUIRES: the roots are those of commit `stamp`, and alive by a ReadGuard, another Pin or the commit lock.
  Pin pin(uint64_t stamp, std::span<const Root> roots) const;

  // ---- editing, under the commit lock ----
  // `stamp`: the number of the commit, greater than any before.
  Edit edit(uint64_t stamp);
  // Frees what no guard and no pin holds any more. Called by finish() too; for idle times.
  void reclaim();
  // Returns when every guard that was entered before has been left. REQUIRES: the calling thread holds none.
  void wait_for_readers() const;
  // Frees every node that is reachable neither from these roots nor from a pin. Loads inner nodes only. Waits until the
  // guards that were entered before have been left. REQUIRES: the calling thread holds no guard, no checkpoint is
  // between begin and end, and all roots that may still be read without a pin are given.
  Status collect(std::span<const Root> roots);

  // ---- checkpoints ----
  // Of the dirty nodes as of commit `cut`: born at or before it, not retired by it. In steps of a few nodes each, so
  // that nobody waits long for the commit lock: begin, gather until it answers false, the store's commit, end until it
  // answers false, under that lock; forget without it. Between the steps everything but collect() may go on.
  // REQUIRES: a Pin on the roots of `cut` lives from begin until the last end.
  void begin_checkpoint(uint64_t cut);
  // Adds about `most` more of the nodes; false once there are no more.
  bool gather_checkpoint(size_t most, std::vector<storage::NodeImage>* images);
  // On success up to `most` more of them are clean; false once all are.
  bool end_checkpoint(bool success, size_t most);
  // The nodes written may be evicted. Not under the commit lock, before the next begin.
  void forget_checkpoint();

  // ---- examination ----
  ForestStats stats() const;
  // Bytes of nodes that wait for a checkpoint, without those that one is writing; cheap.
  uint64_t unwritten_bytes() const;
  // Walks every node of the roots (and of all pins), checks order, counts, fences, sizes and births, and compares with
  // what the store says is in use: the oracle of the reclaim rule. `leaked`: in use, reachable by nothing and on no
  // retire list. An unreachable-but-shared node is leaked until collect(). Under the commit lock.
  struct Audit {
    uint64_t nodes = 0;
    uint64_t leaked_pages = 0;
    std::vector<std::string> problems;  // anything here is a bug or damage
  };
  Result<Audit> audit(std::span<const Root> roots) const;
  // Reads every committed node of the roots from the store, past the cache. `progress(nodes done)`; false stops.
  // Appends a line for each problem. `*pages` counts pages read. Any thread; REQUIRES a Pin on the roots.
  Status verify(std::span<const Root> roots, std::vector<std::string>* problems, uint64_t* pages,
                const std::function<bool(uint64_t)>& progress) const;
  // Hands every node of the roots to `visit`, each once, as the store would keep it (its checksum is not set): from the
  // store, past the cache, where it has an image of the node. Errors: kCorruption, I/O, those of `visit`. Any thread;
  // REQUIRES a Pin on the roots.
  Status copy_nodes(std::span<const Root> roots, const NodeVisitor& visit) const;

 private:
  friend class ReadGuard;
  friend class Cursor;
  friend struct ForestTestPeer;
  std::unique_ptr<ForestImpl> impl_;
};

}  // namespace strata::tree
