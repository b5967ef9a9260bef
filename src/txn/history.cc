#include "txn/history.h"

#include <algorithm>

#include "base/check.h"

namespace strata::txn {

using storage::LogPosition;

std::string evacuated_key(LogPosition position, uint32_t part) {
  std::string key(12, '\0');
  base::store_be64(key.data(), position);
  for (int i = 0; i < 4; ++i) key[8 + i] = static_cast<char>(part >> (24 - 8 * i));
  return key;
}

namespace {

VersionedValue version_of(const storage::EntityView& entity) {
  VersionedValue version;
  version.value = entity.value();
  version.version = entity.version();
  version.timestamp = entity.timestamp();
  version.deleted = entity.tombstone();
  return version;
}

// The version before; 0: there is none.
LogPosition previous_of(const storage::EntityView& entity) {
  return entity.pointer_count() > 0 ? entity.pointer(0) : 0;
}

}  // namespace

History::History(Engine& engine) : engine_(engine), window_(engine.log(), engine.seed()) {}

Status History::read(LogPosition position, storage::EntityView* entity) {
  const Status status = window_.read_entity(position, entity);
  if (status.is_ok() || position >= engine_.log().begin()) return status;
  return Status::error(Code::kHistoryTrimmed, "the history that was being read was removed meanwhile",
                       "read again; time_range() tells the oldest readable time");
}

// ---- values ----

Result<bool> read_evacuated(const tree::Forest& forest, const tree::Root& evacuated, LogPosition position,
                            std::string* value) {
  value->clear();
  tree::Cursor cursor(forest, evacuated);
  const std::string first = evacuated_key(position, 0);
  STRATA_TRY(cursor.seek(first));
  bool found = false;
  while (cursor.valid() && cursor.key().substr(0, 8) == std::string_view(first).substr(0, 8)) {
    value->append(cursor.row());
    found = true;
    STRATA_TRY(cursor.next());
  }
  return found;
}

Result<std::string_view> History::evacuated_value(LogPosition position) {
  const tree::ReadGuard guard(engine_.forest());
  STRATA_ASSIGN(const bool found, read_evacuated(engine_.forest(), engine_.evacuated(), position, &value_buffer_));
  if (!found) {
    return Status::corruption("log segment " + std::to_string(storage::segment_of(position)),
                              storage::offset_of(position), "the segment of a large value is gone, and so is its copy");
  }
  return std::string_view(value_buffer_);
}

Result<std::string_view> History::value_at(LogPosition position, size_t value_bytes) {
  if (position < engine_.log().begin()) return evacuated_value(position);
  storage::EntityView entity;
  // What surrounds a value is seldom longer than half a kilobyte.
  const Status status = window_.read_entity(position, &entity, value_bytes + 512);
  if (status.is_ok()) return entity.value();
  if (position < engine_.log().begin()) return evacuated_value(position);  // dropped while it was being read
  return status;
}

Result<std::string_view> History::value_of(const RowView& row) {
  if (!row.large) return row.value;
  return value_at(row.position(), row.large_bytes);
}

Status History::before_image(const storage::EntityView& entity, Step* step) const {
  if (!entity.before()) {
    return Status::error(Code::kCorruption, "a version of a key is missing in the log", "verify() lists all damage");
  }
  const storage::BeforeImage& before = *entity.before();
  step->version.value = before.value;
  step->version.version = before.version;
  step->version.timestamp = before.timestamp;
  step->version.deleted = before.tombstone;
  step->large_elsewhere = before.large;
  step->position = before.position;
  return Status::ok();
}

// ---- one moment ----

Result<LogPosition> History::bound(uint64_t timestamp) {
  if (!bound_known_ || bound_timestamp_ != timestamp) {
    STRATA_ASSIGN(bound_position_, engine_.log().position_at(timestamp));
    bound_timestamp_ = timestamp;
    bound_known_ = true;
  }
  return bound_position_;
}

void History::note_pointers(const storage::EntityView& entity) {
  pointer_count_ = entity.pointer_count();
  for (unsigned level = 0; level < pointer_count_; ++level) pointers_[level] = entity.pointer(level);
}

// Every hop goes to the oldest known record that is still newer than the time, so none is passed over; the last one
// names its predecessor, which is the answer. What lies below the floor is never newer. What lies above it nearly
// always is: only imported versions are older than where they lie says, and their times tell.
Result<std::optional<History::Step>> History::descend(const RowView& row, uint64_t timestamp) {
  const LogPosition begin = engine_.log().begin();
  STRATA_ASSIGN(const LogPosition at_time, bound(timestamp));
  const LogPosition floor = std::max(at_time + 1, begin);
  pointer_count_ = row.anchors;
  for (unsigned level = 0; level < pointer_count_; ++level) pointers_[level] = row.anchor(level);
  LogPosition at = 0;      // the newer record reached so far
  LogPosition loaded = 0;  // what `entity` shows
  storage::EntityView entity;
  Step step;
  for (unsigned level = pointer_count_; level-- > 0;) {
    const LogPosition next = pointers_[level];
    if (next < floor) continue;
    if (at != 0 && next >= at) {
      return Status::error(Code::kCorruption, "a version of a key in the log leads forward in time");
    }
    STRATA_TRY(read(next, &entity));
    loaded = next;
    if (entity.timestamp() <= timestamp) continue;
    at = next;
    note_pointers(entity);
    level = pointer_count_;
  }
  if (at == 0) {
    // Its own record is gone, so it is older than the cut, and the caller would not have asked.
    return Status::error(Code::kCorruption, "a row of a tree is newer than its record in the log");
  }
  const LogPosition previous = pointer_count_ > 0 ? pointers_[0] : 0;
  if (previous == 0) return std::optional<Step>();
  const LogPosition wanted = previous >= begin ? previous : at;
  if (wanted >= at && wanted != at) {
    return Status::error(Code::kCorruption, "a version of a key in the log leads forward in time");
  }
  if (loaded != wanted) STRATA_TRY(read(wanted, &entity));
  step.in_log = has_in_log_tag(entity.key());
  if (wanted == at) {
    STRATA_TRY(before_image(entity, &step));
    return std::optional<Step>(step);
  }
  step.position = previous;
  step.version = version_of(entity);
  return std::optional<Step>(step);
}

Result<std::optional<VersionedValue>> History::at(const RowView& row, uint64_t timestamp, bool want_value) {
  STRATA_ASSERT(row.timestamp > timestamp);
  STRATA_ASSIGN(auto step, descend(row, timestamp));
  if (!step) return std::optional<VersionedValue>();
  if (want_value && step->large_elsewhere) {
    STRATA_ASSIGN(step->version.value, value_at(step->position));
  }
  return std::optional<VersionedValue>(step->version);
}

// ---- all of it ----

Status History::walk(const RowView& row, uint64_t timestamp, uint64_t cut, const Visitor& visit) {
  const LogPosition begin = engine_.log().begin();
  uint64_t replaced_at = UINT64_MAX;  // when the version at hand was replaced
  // False: the walk is over.
  const auto show = [&](const VersionedValue& version) {
    if (replaced_at <= cut) return false;
    replaced_at = *version.timestamp;
    if (version.deleted && *version.timestamp <= cut) return false;
    return *version.timestamp > timestamp || visit(version);
  };

  VersionedValue newest;
  newest.version = row.version;
  newest.timestamp = row.timestamp;
  newest.deleted = row.tombstone;
  if (row.timestamp <= timestamp) {
    STRATA_ASSIGN(newest.value, value_of(row));
  }
  if (!show(newest) || row.position() < begin || row.version == 1) return Status::ok();
  storage::EntityView entity;
  LogPosition at = row.position();
  STRATA_TRY(read(at, &entity));
  while (true) {
    const LogPosition previous = previous_of(entity);
    if (previous == 0 || replaced_at <= cut) return Status::ok();
    if (previous < begin) {
      Step step;
      STRATA_TRY(before_image(entity, &step));
      if (step.large_elsewhere) {
        STRATA_ASSIGN(step.version.value, value_at(step.position));
      }
      (void)show(step.version);
      return Status::ok();
    }
    if (previous >= at) return Status::error(Code::kCorruption, "a version of a key in the log leads forward in time");
    at = previous;
    STRATA_TRY(read(at, &entity));
    if (!show(version_of(entity))) return Status::ok();
  }
}

// ---- rows built again ----

Result<bool> History::row_at(const RowView& row, uint64_t timestamp, std::string* bytes) {
  bytes->clear();
  if (row.timestamp <= timestamp) {
    return Status::error(Code::kInvalidArgument, "the row is not newer than the time asked for");
  }
  STRATA_ASSIGN(const auto step, descend(row, timestamp));
  if (!step) return false;
  RowChange change;
  change.tombstone = step->version.deleted;
  change.timestamp = *step->version.timestamp;
  change.version = step->version.version;
  change.position = step->position;
  std::string value(step->version.value);
  if (step->large_elsewhere) {
    STRATA_ASSIGN(const std::string_view large, value_at(step->position));
    value.assign(large);
  }
  change.value = value;
  change.in_log = step->in_log;
  // Each anchor is the newest record at or before the version that takes part in the level.
  LogPosition anchors[kMaxAnchors] = {};
  storage::EntityView entity;
  const LogPosition begin = engine_.log().begin();
  const unsigned levels = anchor_count(change.version);
  LogPosition at = step->position;
  unsigned filled = 0;
  for (; filled < std::min(storage::pointer_levels(change.version), levels); ++filled) anchors[filled] = at;
  while (filled < levels && at >= begin) {
    STRATA_TRY(read(at, &entity));
    // Its highest pointer leads to the newest older record of that level or above.
    const unsigned top = entity.pointer_count();
    if (top == 0 || entity.pointer(top - 1) < begin) break;
    at = entity.pointer(top - 1);
    STRATA_TRY(read(at, &entity));
    for (; filled < std::min(storage::pointer_levels(entity.version()), levels); ++filled) anchors[filled] = at;
  }
  char row_bytes[kMaxRowBytes];
  bytes->assign(row_bytes, encode_row(change, anchors, row_bytes));
  return true;
}

}  // namespace strata::txn
