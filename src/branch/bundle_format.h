// The language of a bundle: a branch as one file. docs/bundle_format.md gives every byte.
//
// A header, blocks (each a checksum and a frame of zstd), a trailer with the totals and the SHA-256 of all before it.
// The blocks hold the head of the branch, then its entries by key, the versions of a key oldest first, then its
// commits, newest first.
//
// Thread safety: pure functions and values. Ownership: values; views borrow what they were read from.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "base/coding.h"
#include "base/sha256.h"
#include "strata/branch.h"
#include "strata/value.h"

namespace strata::branch {

// ON DISK, all of these: never change.
constexpr std::string_view kBundleMagic = "STRATABN";
constexpr std::string_view kBundleEndMagic = "STRATAEB";
constexpr uint32_t kBundleVersion = 1;
constexpr uint32_t kByteOrderMark = 0x01020304;
constexpr size_t kBundleHeaderBytes = 16;
constexpr size_t kBundleTrailerBytes = 72;
constexpr size_t kBlockHeaderBytes = 16;
enum class BlockKind : uint32_t { kHead = 1, kEntries = 2, kCommits = 3 };

// A block is ended when it holds so much, or when the next item would make it longer than any may be.
constexpr size_t kBlockBytes = size_t{256} << 10;
constexpr size_t kMaxBlockBytes = kMaxValueBytes + (size_t{64} << 10);

constexpr uint8_t kEntryTombstone = 1;
constexpr uint8_t kEntrySameKey = 2;  // another version of the key before

struct BundleHead {
  uint64_t database = 0;
  uint32_t branch = 0;
  std::string name;
  uint64_t oldest = 0;
  uint64_t trimmed_before = 0;
  uint64_t taken_at = 0;          // nothing in the bundle is later
  std::optional<uint64_t> since;  // of a delta
  base::Sha256::Digest base{};    // of the state at `since`
};

struct BundleEntry {
  std::string_view key;  // of the tree
  bool same_key = false;
  bool tombstone = false;
  uint64_t version = 0;
  uint64_t timestamp = 0;
  std::string_view value;
};

struct BundleCommit {
  uint64_t timestamp = 0;
  std::optional<std::string_view> message;
  CommitChanges changes;
};

struct BundleTotals {
  uint64_t blocks = 0;
  uint64_t bytes = 0;  // of all blocks, decompressed
  uint64_t entries = 0;
  uint64_t commits = 0;
};

void put_head(std::string& out, const BundleHead& head);
bool read_head(base::Reader& reader, BundleHead* head);

// `before`: the entry or commit before this one, in whatever block; null for the first of all.
void put_entry(std::string& out, const BundleEntry& entry, const BundleEntry* before);
bool read_entry(base::Reader& reader, const BundleEntry* before, BundleEntry* entry);
void put_commit(std::string& out, const BundleCommit& commit, const BundleCommit* before);
bool read_commit(base::Reader& reader, const BundleCommit* before, BundleCommit* commit);

// What a delta rests on: SHA-256 over the living entries of a state, in key order.
class StateDigest {
 public:
  void add(std::string_view key, uint64_t version, uint64_t timestamp, std::string_view value);
  base::Sha256::Digest finish() { return sha_.finish(); }

 private:
  base::Sha256 sha_;
};

}  // namespace strata::branch
