#include "storage/commit_record.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/checksum.h"
#include "base/coding.h"

namespace strata::storage {
namespace {

// ON DISK: never renumber. Bits of a body's flags.
constexpr uint8_t kBodyHasMessage = 1;
constexpr uint8_t kBodyHasPayload = 2;

// ON DISK: never renumber. Offsets in an entity.
constexpr size_t kEntityLengthAt = 4;
constexpr size_t kEntityFlagsAt = 8;
constexpr size_t kEntityPointersAt = 9;
constexpr size_t kEntityKeyBytesAt = 10;

constexpr size_t kBodyHeadBytes = 10;  // kind, flags, previous
constexpr size_t kFirstCapacity = 4096;

char* store_bytes(char* to, std::string_view bytes) {
  if (!bytes.empty()) std::memcpy(to, bytes.data(), bytes.size());
  return to + bytes.size();
}

char* store_string(char* to, std::string_view bytes) {
  return store_bytes(base::store_varint(to, bytes.size()), bytes);
}

char* store_position(char* to, uint64_t position) {
  base::store_u64(to, position);
  return to + 8;
}

char* store_before(char* to, const BeforeImage& before) {
  *to++ = static_cast<char>((before.tombstone ? kBeforeTombstone : 0) | (before.large ? kBeforeLarge : 0));
  to = store_position(to, before.timestamp);
  to = base::store_varint(to, before.version);
  to = store_position(to, before.position);
  if (!before.large) return store_string(to, before.value);
  to = base::store_varint(to, before.large_bytes);
  return store_position(to, before.large_position);
}

bool read_before(base::Reader& reader, BeforeImage* before) {
  uint8_t flags = 0;
  if (!reader.read_u8(flags) || flags > (kBeforeTombstone | kBeforeLarge)) return false;
  before->tombstone = (flags & kBeforeTombstone) != 0;
  before->large = (flags & kBeforeLarge) != 0;
  if (!reader.read_u64(before->timestamp) || !reader.read_varint(before->version)) return false;
  if (!reader.read_u64(before->position)) return false;
  if (!before->large) return reader.read_string(before->value);
  return reader.read_varint(before->large_bytes) && reader.read_u64(before->large_position);
}

std::string file_of(LogPosition position) { return segment_name(segment_of(position)); }

}  // namespace

void RecordBuilder::begin(RecordKind kind, uint64_t branch, LogPosition previous, uint64_t entities,
                          std::string_view message, std::string_view payload) {
  size_ = 0;
  announced_ = entities;
  added_ = 0;
  char* const start = room(kBodyHeadBytes + 4 * base::kMaxVarintBytes + message.size() + payload.size());
  char* to = start;
  *to++ = static_cast<char>(kind);
  *to++ = static_cast<char>((message.empty() ? 0 : kBodyHasMessage) | (payload.empty() ? 0 : kBodyHasPayload));
  to = store_position(to, previous);
  to = base::store_varint(to, branch);
  if (!message.empty()) to = store_string(to, message);
  if (!payload.empty()) to = store_string(to, payload);
  count_at_ = static_cast<size_t>(to - start);
  size_ = count_at_ + base::varint_size(entities);
}

uint32_t RecordBuilder::add_entity(const Entity& entity) {
  STRATA_ASSERT(added_ < announced_);
  STRATA_ASSERT(entity.pointers.size() == pointer_levels(entity.version));
  STRATA_CHECK(entity.key.size() <= kMaxEntityKeyBytes && entity.pointers.size() <= kMaxPointers);
  char* const start = room(most_bytes(entity));
  start[kEntityFlagsAt] =
      static_cast<char>((entity.tombstone ? kEntityTombstone : 0) | (entity.before != nullptr ? kEntityHasBefore : 0));
  start[kEntityPointersAt] = static_cast<char>(entity.pointers.size());
  base::store_u16(start + kEntityKeyBytesAt, static_cast<uint16_t>(entity.key.size()));
  char* to = base::store_varint(start + kEntityFixedBytes, entity.version);
  to = store_position(to, entity.timestamp);
  for (const LogPosition pointer : entity.pointers) to = store_position(to, pointer);
  if (entity.before != nullptr) to = store_before(to, *entity.before);
  to = store_bytes(to, entity.key);
  to = store_bytes(to, entity.value);
  const size_t bytes = static_cast<size_t>(to - start);
  STRATA_CHECK(size_ + bytes <= kMaxRecordBodyBytes);
  base::store_u32(start + kEntityLengthAt, static_cast<uint32_t>(bytes));
  base::store_u32(start, base::checksum({start + kEntityLengthAt, bytes - kEntityLengthAt}, database_id_));
  const auto offset = static_cast<uint32_t>(size_);
  size_ += bytes;
  ++added_;
  return offset;
}

std::string_view RecordBuilder::finish() {
  base::store_wide_varint(buffer_.get() + count_at_, added_, base::varint_size(announced_));
  return {buffer_.get(), size_};
}

uint64_t RecordBuilder::most_bytes(const Entity& entity) {
  uint64_t bytes = kEntityFixedBytes + base::kMaxVarintBytes + 8 + 8 * entity.pointers.size() + entity.key.size() +
                   entity.value.size();
  // Flags, timestamp, position, large position, two varints.
  if (entity.before != nullptr) bytes += 25 + 2 * base::kMaxVarintBytes + entity.before->value.size();
  return bytes;
}

char* RecordBuilder::room(uint64_t bytes) {
  if (capacity_ - size_ < bytes) {
    const size_t capacity = std::max({static_cast<size_t>(size_ + bytes), capacity_ * 2, kFirstCapacity});
    std::unique_ptr<char[]> larger(new char[capacity]);
    if (size_ > 0) std::memcpy(larger.get(), buffer_.get(), size_);
    buffer_ = std::move(larger);
    capacity_ = capacity;
  }
  return buffer_.get() + size_;
}

LogPosition EntityView::pointer(uint32_t level) const {
  STRATA_ASSERT(level < pointer_count_);
  return base::load_u64(pointers_ + size_t{8} * level);
}

bool parse_entity(std::string_view bytes, uint64_t database_id, EntityView* out) {
  if (bytes.size() < kEntityFixedBytes) return false;
  const uint32_t length = base::load_u32(bytes.data() + kEntityLengthAt);
  if (length < kEntityFixedBytes || length > bytes.size()) return false;
  const std::string_view entity = bytes.substr(0, length);
  if (base::checksum(entity.substr(kEntityLengthAt), database_id) != base::load_u32(entity.data())) return false;
  return out->parse_fields(entity);
}

bool EntityView::parse_fields(std::string_view entity) {
  const auto flags = static_cast<uint8_t>(entity[kEntityFlagsAt]);
  if (flags > (kEntityTombstone | kEntityHasBefore)) return false;
  tombstone_ = (flags & kEntityTombstone) != 0;
  pointer_count_ = static_cast<uint8_t>(entity[kEntityPointersAt]);
  const size_t key_bytes = base::load_u16(entity.data() + kEntityKeyBytesAt);
  base::Reader reader(entity.substr(kEntityFixedBytes));
  if (!reader.read_varint(version_) || !reader.read_u64(timestamp_)) return false;
  std::string_view pointers;
  if (pointer_count_ > kMaxPointers || !reader.read_bytes(size_t{8} * pointer_count_, pointers)) return false;
  pointers_ = pointers.data();
  before_.reset();
  if ((flags & kEntityHasBefore) != 0 && !read_before(reader, &before_.emplace())) return false;
  if (!reader.read_bytes(key_bytes, key_)) return false;
  value_offset_ = static_cast<uint32_t>(reader.position() - entity.data());
  bytes_ = static_cast<uint32_t>(entity.size());
  return reader.read_bytes(reader.remaining(), value_);
}

Result<RecordView> parse_record(LogPosition position, std::string_view body) {
  RecordView record;
  base::Reader reader(body);
  uint8_t kind = 0;
  uint8_t flags = 0;
  bool good = reader.read_u8(kind) && reader.read_u8(flags) && reader.read_u64(record.previous) &&
              reader.read_varint(record.branch);
  good = good && flags <= (kBodyHasMessage | kBodyHasPayload);
  if (good && (flags & kBodyHasMessage) != 0) good = reader.read_string(record.message);
  if (good && (flags & kBodyHasPayload) != 0) good = reader.read_string(record.payload);
  good = good && reader.read_varint(record.entities) && record.entities <= reader.remaining() / kEntityFixedBytes;
  if (!good) return Status::corruption(file_of(position), offset_of(position), "the record's body is malformed");
  record.kind = static_cast<RecordKind>(kind);
  record.first_entity = static_cast<uint32_t>(body.size() - reader.remaining());
  record.entity_bytes = body.substr(record.first_entity);
  return record;
}

EntityReader::EntityReader(LogPosition record_position, const RecordView& record, uint64_t database_id)
    : record_(record_position),
      database_id_(database_id),
      left_(record.entities),
      rest_(record.entity_bytes),
      offset_(record.first_entity) {}

Result<bool> EntityReader::next() {
  // The entity handed out last is skipped only now, so that offset() is its own.
  rest_.remove_prefix(entity_.bytes());
  offset_ += entity_.bytes();
  if (left_ == 0 && rest_.empty()) {
    entity_ = EntityView();
    return false;
  }
  if (left_ == 0 || !parse_entity(rest_, database_id_, &entity_)) {
    return Status::corruption(file_of(record_), offset_of(position()), "an entity of the record does not check");
  }
  --left_;
  return true;
}

}  // namespace strata::storage
