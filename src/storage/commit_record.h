// The body of a log record: what a commit, a branch operation or a retention cut consists of.
//
// ON DISK: kind u8 | flags u8 | zero u16 | entities u32 | previous record of the branch u64 | branch u32 |
//   [message: varint length, bytes] | entities
// An entity is one version of one key and carries a checksum of its own, so that one read at its position, from any
// record, can be trusted:
//   checksum u32 | length u32 (whole entity) | flags u8 | pointers u8 | key length u16 | version varint | timestamp u64 |
//   pointers u64 × n | [before-image] | key | value
//   before-image: flags u8 | timestamp u64 | version varint | position u64 | value: varint length, bytes
// The first record of a key in a retention unit carries the version that it replaces as a before-image, so that whole
// units of old segments can be dropped.
//
// Thread safety: a builder belongs to one thread; the rest are pure functions. Ownership: views borrow the bytes they
// were read from.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "storage/commit_log.h"
#include "strata/status.h"

namespace strata::storage {

// ON DISK: never renumber.
enum class RecordKind : uint8_t {
  kCommit = 1,        // entities: versions of keys of the branch
  kBranchCreate = 2,  // entity: the branch's name
  kBranchFork = 3,    // entities: the name and the source; then rows that differ from the source's
  kBranchDelete = 4,
  kRetention = 5,  // entity: the cut
};
static_assert(static_cast<int>(RecordKind::kCommit) == 1 && static_cast<int>(RecordKind::kRetention) == 5);

// The version that a record replaces.
struct BeforeImage {
  bool tombstone = false;
  bool large = false;  // the value lies in the record at `position` alone
  uint64_t timestamp = 0;
  uint64_t version = 0;
  LogPosition position = 0;
  std::string_view value;
};

// What the builder is given.
struct NewEntity {
  std::string_view key;
  std::string_view value;
  bool tombstone = false;
  uint64_t version = 0;
  uint64_t timestamp = 0;
  std::span<const LogPosition> pointers;  // by level of the skip list
  const BeforeImage* before = nullptr;
};

// What a reader gets.
struct EntityView {
  uint32_t offset = 0;  // in the body; 0 when read alone
  bool tombstone = false;
  uint64_t version = 0;
  uint64_t timestamp = 0;
  unsigned pointer_count = 0;
  const char* pointer_bytes = nullptr;
  std::optional<BeforeImage> before;
  std::string_view key;
  std::string_view value;

  // 0 for a level in which the record takes no part.
  LogPosition pointer(unsigned level) const;
};

struct RecordView {
  RecordKind kind = RecordKind::kCommit;
  uint32_t branch = 0;
  LogPosition previous = 0;  // of the branch's record before this one; 0: none
  std::optional<std::string_view> message;
  std::vector<EntityView> entities;
};

constexpr size_t kEntityHeadBytes = 12;  // checksum, length, flags, pointers, key length

// Builds one body after another in a buffer that it keeps.
class RecordBuilder {
 public:
  // `seed`: the database id.
  explicit RecordBuilder(uint64_t seed) : seed_(seed) {}
  void begin(RecordKind kind, uint32_t branch, LogPosition previous, std::optional<std::string_view> message);
  // Returns the entity's offset in the body. REQUIRES: key up to 65,535 bytes, at most 255 pointers.
  uint32_t add_entity(const NewEntity& entity);
  // The body; valid until the next begin.
  std::string_view finish();
  size_t size() const { return body_.size(); }

 private:
  uint64_t seed_;
  uint32_t entities_ = 0;
  std::string body_;
};

// False: the bytes are no body of this database.
bool parse_record(std::string_view body, uint64_t seed, RecordView* view);
// One entity at the start of `bytes`. *needed: how many bytes it has, when `bytes` holds too few of them.
enum class EntityRead : uint8_t { kOk, kTooShort, kDamaged };
EntityRead parse_entity(std::string_view bytes, uint64_t seed, EntityView* entity, size_t* needed);

// Reads entities out of the log, few or many: it keeps the bytes around the last one, more of them with every miss, so
// that a chain of versions that lie near each other costs few reads.
class LogWindow {
 public:
  LogWindow(const CommitLog& log, uint64_t seed) : log_(log), seed_(seed) {}
  // The entity is valid until the next read. kCorruption names the position.
  Status read(LogPosition position, EntityView* entity);

 private:
  Status load(LogPosition from, size_t bytes);
  EntityRead look(LogPosition position, EntityView* entity, size_t* needed) const;

  const CommitLog& log_;
  uint64_t seed_;
  std::string bytes_;
  LogPosition begin_ = 0;
  size_t held_ = 0;
  size_t next_load_ = 512;
};

}  // namespace strata::storage
