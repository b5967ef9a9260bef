// The past of a key: its row leads into the log, where the chain of its versions goes back.
//
// Thread safety: one object a thread; needs a ReadGuard for rows it is given.
// Ownership: borrows the engine; results borrow buffers of this object, until its next call.
#pragma once

#include <array>
#include <functional>
#include <optional>
#include <string>

#include "storage/log_window.h"
#include "strata/session.h"
#include "strata/status.h"
#include "txn/engine.h"
#include "txn/row.h"

namespace strata::txn {

class History {
 public:
  explicit History(Engine& engine);

  // The value of the row's own version: inline, from the log, or from what retention copied out of it.
  Result<std::string_view> value_of(const RowView& row);

  // The version that was current at `timestamp` (deleted versions too); nothing if there was none.
  // REQUIRES: timestamp is not before the branch's cut.
  Result<std::optional<VersionedValue>> at(const RowView& row, uint64_t timestamp, bool want_value);

  // The row's versions from `timestamp` on backwards, newest first, as far as they are kept: those replaced at or
  // before `cut`, and tombstones at or before it, are not shown. False from `visit` ends it.
  using Visitor = std::function<bool(const VersionedValue&)>;
  Status walk(const RowView& row, uint64_t timestamp, uint64_t cut, const Visitor& visit);

  // A row with the anchors that were current at `timestamp`, to be put into a tree again; false if there was none.
  Result<bool> row_at(const RowView& row, uint64_t timestamp, std::string* bytes);

 private:
  // One version on the way back: of a record, or the before-image that a record carries.
  struct Step {
    VersionedValue version;
    bool large_elsewhere = false;  // a before-image that only names the value's place
    bool in_log = false;           // the key's values stay in the log
    storage::LogPosition position = 0;
  };
  Status read(storage::LogPosition position, storage::EntityView* entity);
  Result<std::string_view> value_at(storage::LogPosition position, size_t value_bytes = 0);
  Result<std::string_view> evacuated_value(storage::LogPosition position);
  // Versions newer than `timestamp` lie above this position; older ones below it or in the record at it, except that
  // imported ones may lie above it too.
  Result<storage::LogPosition> bound(uint64_t timestamp);
  Status before_image(const storage::EntityView& entity, Step* step) const;
  // Descends the skip list to the newest version at or before `timestamp`; nothing: there is none.
  Result<std::optional<Step>> descend(const RowView& row, uint64_t timestamp);

  void note_pointers(const storage::EntityView& entity);

  Engine& engine_;
  storage::LogWindow window_;
  // Of the record that a descent has reached.
  std::array<storage::LogPosition, kMaxAnchors> pointers_{};
  unsigned pointer_count_ = 0;
  std::string value_buffer_;
  uint64_t bound_timestamp_ = 0;
  storage::LogPosition bound_position_ = 0;
  bool bound_known_ = false;
};

// The key under which an evacuated value's part is stored: position and part number, big-endian.
std::string evacuated_key(storage::LogPosition position, uint32_t part);
// Under this position, which no value has, lies the entry of the commit at the retention cut in its branch's log, once
// the record itself is gone: the record's position u64, then the entry as in a bundle. ON DISK: never change.
constexpr storage::LogPosition kCutEntry = 0;
// False: there is none. Needs a ReadGuard.
Result<bool> read_evacuated(const tree::Forest& forest, const tree::Root& evacuated, storage::LogPosition position,
                            std::string* value);

}  // namespace strata::txn
