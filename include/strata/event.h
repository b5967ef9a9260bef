// Event log: one for each branch and space, append only. Sequences start at 0 and have no gaps; each event carries the
// SHA-256 chain over all before it. Types are named by the rules for keys (strata/kv.h), payloads are objects in the
// binary form of strata/value.h (REQUIRES: valid).
//
// Works on the session's current branch and space, in its open transaction or as a commit of its own. A single append
// takes the next sequence under the commit lock and conflicts with nothing; one in a transaction has told its sequence
// before the commit, so it conflicts with every other append to the same log.
// Thread safety, common errors: strata/session.h. Ownership: borrows the Call.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "strata/session.h"

namespace strata {

struct EventView {
  uint64_t sequence = 0;
  std::string_view type;
  std::string_view payload;
  std::string_view hash;              // 32 bytes; empty: of the open transaction, not committed yet
  std::optional<uint64_t> timestamp;  // of its first append, on whatever branch; nothing: not committed yet
};

// Events in one buffer. Views are valid until the next change of the object.
class EventList {
 public:
  size_t size() const { return entries_.size(); }
  bool empty() const { return entries_.empty(); }
  EventView operator[](size_t i) const {
    const Entry& entry = entries_[i];
    std::string_view rest = std::string_view(buffer_).substr(entry.offset);
    EventView event;
    event.sequence = entry.sequence;
    event.hash = take(&rest, entry.hash_bytes);
    event.type = take(&rest, entry.type_bytes);
    event.payload = take(&rest, entry.payload_bytes);
    if (entry.hash_bytes != 0) event.timestamp = entry.timestamp;
    return event;
  }
  void add(const EventView& event) {
    entries_.push_back({event.sequence, event.timestamp.value_or(0), buffer_.size(),
                        static_cast<uint32_t>(event.payload.size()), static_cast<uint16_t>(event.type.size()),
                        static_cast<uint16_t>(event.hash.size())});
    buffer_.append(event.hash).append(event.type).append(event.payload);
  }
  void clear() {
    entries_.clear();
    buffer_.clear();
  }
  size_t capacity() const { return buffer_.capacity() + entries_.capacity() * sizeof(Entry); }

 private:
  struct Entry {
    uint64_t sequence;
    uint64_t timestamp;
    uint64_t offset;
    uint32_t payload_bytes;
    uint16_t type_bytes;
    uint16_t hash_bytes;
  };
  static std::string_view take(std::string_view* rest, size_t n) {
    const std::string_view part = rest->substr(0, n);
    rest->remove_prefix(n);
    return part;
  }
  std::vector<Entry> entries_;
  std::string buffer_;
};

struct EventQuery {
  std::optional<std::string_view> type;  // nothing: all
  std::optional<uint64_t> limit;         // nothing: all
  std::optional<uint64_t> after;         // sequence > after, also with reverse
  bool reverse = false;                  // newest first
  AsOf since;                            // since <= the event's own timestamp <= until
  AsOf until;
  AsOf as_of;
};

struct EventVerdict {
  bool valid = true;
  uint64_t length = 0;
  std::optional<uint64_t> first_bad;  // the first sequence whose event does not fit the chain
};

class Events {
 public:
  explicit Events(Call& call) : call_(call) {}

  struct Item {
    std::string_view type;
    std::string_view payload;
  };
  // The event's sequence. Errors: kInvalidKey (the type), kInvalidType (a payload that is no object), kValueTooLarge,
  // kReadOnly, kTransactionTooLarge.
  Result<uint64_t> append(std::string_view type, std::string_view payload);
  // One commit, all or nothing. The first sequence; the others follow without gaps.
  Result<uint64_t> append_batch(std::span<const Item> items);
  // Adds the event to the list; false: there is none. kHistoryTrimmed, as all that follow.
  Result<bool> get(uint64_t sequence, AsOf as_of, EventList* events);
  // kInvalidKey.
  Status list(const EventQuery& query, EventList* events);
  Result<uint64_t> length(AsOf as_of);
  // Sorted by their bytes.
  Result<std::vector<std::string>> types(AsOf as_of);
  // Computes the chain of the committed events anew.
  Result<EventVerdict> verify(AsOf as_of);

 private:
  Call& call_;
};

}  // namespace strata
