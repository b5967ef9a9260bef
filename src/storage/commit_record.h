// The language of a commit record's body: what one commit did, entity by entity. Bytes only; docs/file_format.md gives
// every one of them.
//
// A body is: kind, branch, position of the branch's previous record, message, payload, entities. An entity (one key's
// new row or tombstone) has a checksum of its own, so that a read at its log position alone can be trusted: history is
// read entity by entity, not record by record.
//
// Thread safety: none; a builder, a view and a window belong to one thread.
// Ownership: RecordBuilder owns its buffer. EntityView, RecordView and what they point to live as long as the bytes
//   they were parsed from.
// Invariants:
//   1. A row's version v counts the row's records from 1; its record holds pointer_levels(v) pointers, level 0 first:
//      level l points to the newest older record of the row whose version is divisible by 4^l, 0 where there is none.
//   2. parse_* believe nothing: every length is checked against the bytes there are.
#pragma once

#include <bit>
#include <cstdint>
#include <memory>
#include <optional>
#include <span>
#include <string>
#include <string_view>

#include "storage/commit_log.h"
#include "storage/log_format.h"
#include "strata/status.h"

namespace strata::storage {

// ON DISK: never renumber.
enum class RecordKind : uint8_t {
  kCommit = 1,
  kBranchCreate = 2,
  kBranchFork = 3,
  kBranchDelete = 4,
  kHorizon = 5,
  kSpace = 6,
  kMergeBase = 7,
  kImportBegin = 8,
  kImportRows = 9,
  kImportLog = 10,
  kImportEnd = 11,
  kForkRows = 12,
};

// ON DISK: never renumber. Bits of an entity's and of a before-image's flags.
constexpr uint8_t kEntityTombstone = 1;
constexpr uint8_t kEntityHasBefore = 2;
constexpr uint8_t kBeforeTombstone = 1;
constexpr uint8_t kBeforeLarge = 2;

constexpr uint32_t kMaxPointers = 32;  // a version has 64 bits, a level takes two
constexpr uint32_t kEntityFixedBytes = 12;
constexpr size_t kMaxEntityKeyBytes = 0xffff;

// How many pointers the record of a version carries. REQUIRES: version > 0.
constexpr uint32_t pointer_levels(uint64_t version) { return static_cast<uint32_t>(std::countr_zero(version)) / 2 + 1; }
static_assert(pointer_levels(1) == 1 && pointer_levels(2) == 1 && pointer_levels(4) == 2 && pointer_levels(48) == 3);

// Where an entity's bytes lie in the log: `offset` is what add_entity returned, `record` what append did.
constexpr LogPosition entity_position(LogPosition record, uint32_t offset) {
  return record + kRecordHeaderBytes + offset;
}

// What the row was before the commit; carried by the first record of a row in each retention unit.
struct BeforeImage {
  bool tombstone = false;
  uint64_t timestamp = 0;
  uint64_t version = 0;
  LogPosition position = 0;  // of the record that wrote it
  bool large = false;        // the value stays where it is, at large_position
  std::string_view value;    // of a value that is not large
  LogPosition large_position = 0;
  uint64_t large_bytes = 0;
};

struct Entity {
  std::string_view key;
  std::string_view value;  // empty for a tombstone
  uint64_t version = 0;
  uint64_t timestamp = 0;
  bool tombstone = false;
  std::span<const LogPosition> pointers;  // pointer_levels(version) of them
  const BeforeImage* before = nullptr;
};

// Builds one body at a time in a buffer that it keeps.
class RecordBuilder {
 public:
  explicit RecordBuilder(uint64_t database_id) : database_id_(database_id) {}

  // Starts a body that will hold at most `entities` entities. `payload` is whatever a kind needs beside entities.
  void begin(RecordKind kind, uint64_t branch, LogPosition previous, uint64_t entities, std::string_view message = {},
             std::string_view payload = {});
  // Appends an entity and returns its offset in the body. REQUIRES: key.size() <= kMaxEntityKeyBytes, at most
  // kMaxPointers pointers, and a body below kMaxRecordBodyBytes (see body_bytes_with).
  uint32_t add_entity(const Entity& entity);
  // The body's size if this entity were added: an upper bound, for limits checked before anything is built.
  uint64_t body_bytes_with(const Entity& entity) const { return size_ + most_bytes(entity); }
  // The finished body; lives until the next begin.
  std::string_view finish();
  size_t size() const { return size_; }

 private:
  static uint64_t most_bytes(const Entity& entity);
  char* room(uint64_t bytes);

  const uint64_t database_id_;
  std::unique_ptr<char[]> buffer_;
  size_t capacity_ = 0;
  size_t size_ = 0;
  uint64_t announced_ = 0;
  size_t count_at_ = 0;  // where their number is written
  uint64_t added_ = 0;
};

class EntityView {
 public:
  bool tombstone() const { return tombstone_; }
  uint64_t version() const { return version_; }
  uint64_t timestamp() const { return timestamp_; }
  std::string_view key() const { return key_; }
  std::string_view value() const { return value_; }
  // Where the value begins, counted from the entity's first byte.
  uint32_t value_offset() const { return value_offset_; }
  uint32_t bytes() const { return bytes_; }
  uint32_t pointer_count() const { return pointer_count_; }
  LogPosition pointer(uint32_t level) const;  // REQUIRES: level < pointer_count()
  const std::optional<BeforeImage>& before() const { return before_; }

 private:
  friend bool parse_entity(std::string_view bytes, uint64_t database_id, EntityView* out);
  bool parse_fields(std::string_view entity);

  bool tombstone_ = false;
  uint32_t pointer_count_ = 0;
  uint32_t bytes_ = 0;
  uint32_t value_offset_ = 0;
  uint64_t version_ = 0;
  uint64_t timestamp_ = 0;
  const char* pointers_ = nullptr;
  std::string_view key_;
  std::string_view value_;
  std::optional<BeforeImage> before_;
};

// Parses the entity at the beginning of `bytes`, which may go on behind it. False if it is cut short or does not check.
bool parse_entity(std::string_view bytes, uint64_t database_id, EntityView* out);

struct RecordView {
  RecordKind kind = RecordKind::kCommit;
  uint64_t branch = 0;
  LogPosition previous = 0;
  std::string_view message;
  std::string_view payload;
  uint64_t entities = 0;
  std::string_view entity_bytes;
  uint32_t first_entity = 0;  // offset in the body
};

// Everything before the entities. `position` is the record's, for the error message. Errors: kCorruption.
Result<RecordView> parse_record(LogPosition position, std::string_view body);

// Walks the entities of a parsed record:
//   EntityReader reader(position, record, database_id);
//   while (true) { STRATA_ASSIGN(const bool more, reader.next()); if (!more) break; … reader.entity() … }
class EntityReader {
 public:
  EntityReader(LogPosition record_position, const RecordView& record, uint64_t database_id);
  // False behind the last. Errors: kCorruption.
  Result<bool> next();
  const EntityView& entity() const { return entity_; }
  uint32_t offset() const { return offset_; }  // in the body
  LogPosition position() const { return entity_position(record_, offset_); }

 private:
  const LogPosition record_;
  const uint64_t database_id_;
  uint64_t left_;
  std::string_view rest_;
  uint32_t offset_;
  EntityView entity_;
};

}  // namespace strata::storage
