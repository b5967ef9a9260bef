// The private writes of one transaction (or one call): for each key its last value or its deletion.
//
// Found by hash, ordered only when somebody asks, so that a put inside a transaction costs no tree.
// Thread safety: none. Ownership: copies keys and values into its own arena; views live until clear() or the end.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "strata/status.h"

namespace strata::txn {

struct Sealing;
struct Write;

// Completes a value that depends on its commit. Called under the commit lock for each such write, in key order, perhaps
// more than once. `bytes` is the write's own value, to be changed in place.
using Seal = Status (*)(const Sealing& commit, const Write& write, char* bytes);

struct Write {
  std::string_view key;  // tree key
  std::string_view value;
  bool tombstone = false;
  // A key that must be there with whatever value (a space's marker): such a write conflicts with nothing.
  bool ensured = false;
  // What the transaction's snapshot says: the version that the write will have, 0 when it deletes what is not there.
  uint64_t version = 0;
  Seal seal = nullptr;  // REQUIRES, if set: `value` lies in memory that may be changed
};

class WriteSet {
 public:
  WriteSet();
  ~WriteSet();
  WriteSet(const WriteSet&) = delete;
  WriteSet& operator=(const WriteSet&) = delete;

  // Null if the key was not written. Valid until the next put.
  const Write* find(std::string_view key) const;
  // Adds or replaces.
  void put(const Write& write);
  // All writes in key order. Valid until the next put.
  std::span<const Write> ordered() const;
  bool empty() const { return writes_.empty(); }
  size_t size() const { return writes_.size(); }
  // Bytes of keys and values handed in, replaced ones included: what bounds a transaction.
  uint64_t bytes() const { return bytes_; }
  void clear();

  // A mark to come back to when one call of several writes fails.
  struct Undo {
    Write before;
    bool existed = false;
  };
  // Keeps what put() replaces from now on; rewind() undoes it, newest first; forget() keeps the writes.
  void remember();
  void rewind();
  void forget();

 private:
  std::string_view store(std::string_view bytes);
  size_t slot_of(std::string_view key, uint64_t hash) const;
  void grow();

  mutable std::vector<Write> writes_;    // the first sorted_ of them in key order
  mutable std::vector<uint32_t> slots_;  // hash table of indexes into writes_, + 1; 0 is empty
  mutable size_t sorted_ = 0;
  mutable bool slots_stale_ = false;  // ordering moved the writes
  std::vector<std::unique_ptr<char[]>> blocks_;
  char* block_at_ = nullptr;
  size_t block_left_ = 0;
  uint64_t bytes_ = 0;
  std::vector<Undo> undo_;
  bool remembering_ = false;
  void rebuild_slots() const;
};

}  // namespace strata::txn
