#include "storage/commit_record.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"
#include "base/checksum.h"
#include "base/coding.h"

namespace strata::storage {
namespace {

constexpr size_t kBodyHeadBytes = 20;
constexpr uint8_t kHasMessage = 1;  // ON DISK: never renumber, like all flags below

constexpr uint8_t kEntityTombstone = 1;
constexpr uint8_t kEntityBefore = 2;

constexpr uint8_t kBeforeTombstone = 1;
constexpr uint8_t kBeforeLarge = 2;

constexpr size_t kMostLoaded = 64 * 1024;
constexpr size_t kKeptAhead = 8 * 1024;  // of a window, behind the entity asked for
// The largest value and key, and the rest of an entity.
constexpr size_t kMaxEntityBytes = (size_t{64} << 20) + (size_t{128} << 10);

size_t before_size(const BeforeImage& before) {
  return 1 + 8 + base::varint_size(before.version) + 8 + base::varint_size(before.value.size()) + before.value.size();
}

char* store_bytes(char* at, std::string_view bytes) {
  if (!bytes.empty()) std::memcpy(at, bytes.data(), bytes.size());
  return at + bytes.size();
}

char* store_before(char* at, const BeforeImage& before) {
  *at++ = static_cast<char>((before.tombstone ? kBeforeTombstone : 0) | (before.large ? kBeforeLarge : 0));
  base::store_u64(at, before.timestamp);
  at = base::store_varint(at + 8, before.version);
  base::store_u64(at, before.position);
  at = base::store_varint(at + 8, before.value.size());
  return store_bytes(at, before.value);
}

bool read_before(base::Reader& reader, BeforeImage* before) {
  uint8_t flags = 0;
  if (!reader.read_u8(flags) || (flags & ~(kBeforeTombstone | kBeforeLarge)) != 0) return false;
  before->tombstone = (flags & kBeforeTombstone) != 0;
  before->large = (flags & kBeforeLarge) != 0;
  return reader.read_u64(before->timestamp) && reader.read_varint(before->version) && reader.read_u64(before->position) &&
         reader.read_string(before->value) && before->version != 0;
}

uint32_t entity_checksum(std::string_view entity, uint64_t seed) { return base::checksum(entity.substr(4), seed); }

}  // namespace

LogPosition EntityView::pointer(unsigned level) const {
  return level < pointer_count ? base::load_u64(pointer_bytes + 8 * level) : 0;
}

// ---- writing ----

void RecordBuilder::begin(RecordKind kind, uint32_t branch, LogPosition previous,
                          std::optional<std::string_view> message) {
  entities_ = 0;
  body_.clear();
  body_.push_back(static_cast<char>(kind));
  body_.push_back(static_cast<char>(message ? kHasMessage : 0));
  base::put_u16(body_, 0);
  base::put_u32(body_, 0);  // entities: known at the end
  base::put_u64(body_, previous);
  base::put_u32(body_, branch);
  if (message) base::put_string(body_, *message);
}

uint32_t RecordBuilder::add_entity(const NewEntity& entity) {
  STRATA_CHECK(entity.key.size() <= UINT16_MAX && entity.pointers.size() <= UINT8_MAX && entity.version != 0);
  const size_t start = body_.size();
  const size_t size = kEntityHeadBytes + base::varint_size(entity.version) + 8 + 8 * entity.pointers.size() +
                      (entity.before != nullptr ? before_size(*entity.before) : 0) + entity.key.size() +
                      entity.value.size();
  STRATA_CHECK(start + size <= UINT32_MAX);
  body_.resize(start + size);
  char* at = body_.data() + start;
  base::store_u32(at + 4, static_cast<uint32_t>(size));
  at[8] = static_cast<char>((entity.tombstone ? kEntityTombstone : 0) | (entity.before != nullptr ? kEntityBefore : 0));
  at[9] = static_cast<char>(entity.pointers.size());
  base::store_u16(at + 10, static_cast<uint16_t>(entity.key.size()));
  at = base::store_varint(at + kEntityHeadBytes, entity.version);
  base::store_u64(at, entity.timestamp);
  at += 8;
  for (const LogPosition pointer : entity.pointers) {
    base::store_u64(at, pointer);
    at += 8;
  }
  if (entity.before != nullptr) at = store_before(at, *entity.before);
  at = store_bytes(at, entity.key);
  at = store_bytes(at, entity.value);
  STRATA_ASSERT(at == body_.data() + start + size);
  const std::string_view bytes(body_.data() + start, size);
  base::store_u32(body_.data() + start, entity_checksum(bytes, seed_));
  ++entities_;
  return static_cast<uint32_t>(start);
}

std::string_view RecordBuilder::finish() {
  base::store_u32(body_.data() + 4, entities_);
  return body_;
}

// ---- reading ----

EntityRead parse_entity(std::string_view bytes, uint64_t seed, EntityView* entity, size_t* needed) {
  *needed = kEntityHeadBytes;
  if (bytes.size() < kEntityHeadBytes) return EntityRead::kTooShort;
  const uint32_t length = base::load_u32(bytes.data() + 4);
  if (length < kEntityHeadBytes || length > kMaxEntityBytes) return EntityRead::kDamaged;
  *needed = length;
  if (bytes.size() < length) return EntityRead::kTooShort;
  const std::string_view whole = bytes.substr(0, length);
  if (entity_checksum(whole, seed) != base::load_u32(whole.data())) return EntityRead::kDamaged;
  const uint8_t flags = static_cast<uint8_t>(whole[8]);
  if ((flags & ~(kEntityTombstone | kEntityBefore)) != 0) return EntityRead::kDamaged;
  entity->tombstone = (flags & kEntityTombstone) != 0;
  entity->pointer_count = static_cast<uint8_t>(whole[9]);
  const uint16_t key_bytes = base::load_u16(whole.data() + 10);
  base::Reader reader(whole.substr(kEntityHeadBytes));
  std::string_view pointers;
  if (!reader.read_varint(entity->version) || entity->version == 0 || !reader.read_u64(entity->timestamp) ||
      !reader.read_bytes(8 * size_t{entity->pointer_count}, pointers)) {
    return EntityRead::kDamaged;
  }
  entity->pointer_bytes = pointers.data();
  entity->before.reset();
  if ((flags & kEntityBefore) != 0) {
    BeforeImage before;
    if (!read_before(reader, &before)) return EntityRead::kDamaged;
    entity->before = before;
  }
  if (!reader.read_bytes(key_bytes, entity->key)) return EntityRead::kDamaged;
  entity->value = std::string_view(reader.position(), reader.remaining());
  return EntityRead::kOk;
}

bool parse_record(std::string_view body, uint64_t seed, RecordView* view) {
  base::Reader reader(body);
  uint8_t kind = 0;
  uint8_t flags = 0;
  uint16_t zero = 0;
  uint32_t count = 0;
  if (!reader.read_u8(kind) || !reader.read_u8(flags) || !reader.read_u16(zero) || !reader.read_u32(count) ||
      !reader.read_u64(view->previous) || !reader.read_u32(view->branch)) {
    return false;
  }
  if (kind < static_cast<uint8_t>(RecordKind::kCommit) || kind > static_cast<uint8_t>(RecordKind::kRetention)) return false;
  if ((flags & ~kHasMessage) != 0 || zero != 0) return false;
  view->kind = static_cast<RecordKind>(kind);
  view->message.reset();
  if ((flags & kHasMessage) != 0) {
    std::string_view message;
    if (!reader.read_string(message)) return false;
    view->message = message;
  }
  view->entities.clear();
  if (count > reader.remaining() / kEntityHeadBytes) return false;
  view->entities.reserve(count);
  for (uint32_t i = 0; i < count; ++i) {
    EntityView entity;
    size_t size = 0;
    const std::string_view rest(reader.position(), reader.remaining());
    if (parse_entity(rest, seed, &entity, &size) != EntityRead::kOk) return false;
    entity.offset = static_cast<uint32_t>(body.size() - rest.size());
    view->entities.push_back(entity);
    std::string_view skipped;
    if (!reader.read_bytes(size, skipped)) return false;
  }
  return reader.done();
}

// ---- windows ----

Status LogWindow::load(LogPosition from, size_t bytes) {
  held_ = 0;
  if (bytes_.size() < bytes) bytes_.resize(bytes);
  STRATA_ASSIGN(held_, log_.read_some(from, bytes, bytes_.data()));
  begin_ = from;
  return Status::ok();
}

EntityRead LogWindow::look(LogPosition position, EntityView* entity, size_t* needed) const {
  if (held_ == 0 || position < begin_ || position >= begin_ + held_) return EntityRead::kTooShort;
  const std::string_view held(bytes_.data() + (position - begin_), held_ - (position - begin_));
  return parse_entity(held, seed_, entity, needed);
}

Status LogWindow::read(LogPosition position, EntityView* entity) {
  size_t needed = kEntityHeadBytes;
  EntityRead result = look(position, entity, &needed);
  if (result == EntityRead::kTooShort) {
    // Older versions mostly lie before newer ones: a large window keeps what is before the place.
    size_t back = next_load_ < kMostLoaded ? 0 : kMostLoaded - kKeptAhead;
    if (needed > kKeptAhead) back = 0;
    back = std::min<size_t>(back, offset_of(position));
    STRATA_TRY(load(position - back, std::max(next_load_, back + needed)));
    next_load_ = std::min(next_load_ * 4, kMostLoaded);
    result = look(position, entity, &needed);
    if (result == EntityRead::kTooShort && needed > kEntityHeadBytes) {
      STRATA_TRY(load(position, needed));  // its length is known now
      result = look(position, entity, &needed);
    }
  }
  if (result == EntityRead::kOk) return Status::ok();
  return Status::corruption("log segment " + std::to_string(segment_of(position)), offset_of(position),
                            "no version of a key lies here");
}

}  // namespace strata::storage
