#include "primitives/event_log.h"

#include <algorithm>

#include "base/coding.h"
#include "txn/row.h"

namespace strata::primitives {
namespace {

using model::Tag;
using model::TreeKey;

// How many rows are looked at between two looks at whether enough passed a filter.
constexpr uint64_t kFilterStride = 256;

// REQUIRES: the key is an event's, or one of a type's.
Result<uint64_t> sequence_of(std::string_view tree_key) {
  if (tree_key.size() >= 8) return base::load_be64(tree_key.data() + tree_key.size() - 8);
  return Status::error(Code::kCorruption, "a key of an event log is cut short");
}

Status add_event(uint64_t sequence, const VersionedValue& value, EventList* events) {
  model::EventRow row;
  STRATA_TRY(model::read_event(value.value, sequence, &row));
  EventView event{sequence, row.type, row.payload, {}, std::nullopt};
  if (value.timestamp) {
    event.hash = row.hash;
    event.timestamp = row.origin.timestamp;
  }
  events->add(event);
  return Status::ok();
}

}  // namespace

TreeKey EventLog::key(uint64_t sequence) const { return TreeKey(context_.space, Tag::kEvent, sequence); }
TreeKey EventLog::type_key(std::string_view type, uint64_t sequence) const {
  return TreeKey(context_.space, Tag::kEventType, type, sequence);
}

// *after: one more than the greatest sequence that has a row in this tree, if that is more than it was.
Result<uint64_t> EventLog::last_of(const tree::Root& root, uint64_t* after, std::string_view* row) const {
  tree::Cursor cursor(context_.engine->forest(), root);
  STRATA_TRY(cursor.seek_before(TreeKey(context_.space, Tag::kEventType)));
  if (cursor.valid() && cursor.key() >= TreeKey(context_.space, Tag::kEvent).view()) {
    STRATA_ASSIGN(const uint64_t last, sequence_of(cursor.key()));
    *after = std::max(*after, last + 1);
    if (row != nullptr) *row = cursor.row();
  }
  return *after;
}

Result<uint64_t> EventLog::length() { return view_.past() ? past_length() : present_length(false, nullptr); }

Result<uint64_t> EventLog::end(std::string_view* last) {
  *last = {};
  std::string_view row_bytes;
  STRATA_ASSIGN(const uint64_t next, present_length(true, &row_bytes));
  if (row_bytes.empty() || view_.own_writes() != nullptr) return next;
  txn::RowView row;
  STRATA_TRY(txn::read_row(row_bytes, &row));
  model::EventRow event;
  if (model::parse_event(row.value, &event)) *last = row.value;  // a large one lies elsewhere
  return next;
}

Result<uint64_t> EventLog::present_length(bool writing, std::string_view* row) {
  uint64_t length = 0;
  STRATA_TRY(last_of(view_.head().present, &length, row).status());
  if (view_.tracked()) {
    // The last event and what comes behind it.
    const TreeKey end(context_.space, Tag::kEventType);
    const TreeKey last = length > 0 ? key(length - 1) : TreeKey(context_.space, Tag::kEvent);
    context_.transaction->note_range(last, end);
    if (writing) context_.transaction->rest_on_range(last, end);
  }
  return view_.own_writes() != nullptr ? with_own_writes(length) : length;
}

// The length with the open transaction's writes on top of `below` committed events: own events continue them, or begin
// anew at 0 after the space was deleted.
Result<uint64_t> EventLog::with_own_writes(uint64_t below) const {
  const txn::WriteSet& own = *view_.own_writes();
  if (own.empty()) return below;
  const auto is_there = [&](uint64_t sequence) {
    const txn::Write* write = own.find(key(sequence));
    return write != nullptr ? !write->tombstone : sequence < below;
  };
  Span span{0, below};
  if (below > 0 && !is_there(below - 1)) {
    span = {0, below - 1};
  } else {
    span = {below, below};
    for (uint64_t step = 1; is_there(span.end); step *= 2) span = {span.end + 1, span.end + step};
  }
  while (span.first < span.end) {
    const uint64_t middle = span.first + (span.end - span.first) / 2;
    (is_there(middle) ? span.first : span.end) = is_there(middle) ? middle + 1 : middle;
  }
  return span.first;
}

Result<uint64_t> EventLog::past_length() {
  uint64_t ever = 0;
  STRATA_TRY(last_of(view_.head().present, &ever).status());
  STRATA_TRY(last_of(view_.head().deleted, &ever).status());
  return halve({0, ever}, [&](uint64_t sequence) -> Result<bool> {
    STRATA_ASSIGN(const auto found, view_.get(key(sequence), false));
    return found.has_value();
  });
}

Result<uint64_t> EventLog::halve(Span span, const std::function<Result<bool>(uint64_t)>& holds) {
  while (span.first < span.end) {
    const uint64_t middle = span.first + (span.end - span.first) / 2;
    STRATA_ASSIGN(const bool held, holds(middle));
    (held ? span.first : span.end) = held ? middle + 1 : middle;
  }
  return span.first;
}

Result<bool> EventLog::get(uint64_t sequence, EventList* events) {
  STRATA_ASSIGN(const auto found, view_.get(key(sequence)));
  if (found) STRATA_TRY(add_event(sequence, *found, events));
  return found.has_value();
}

// ---- lists ----

// What a list still wants, and where it goes.
struct EventLog::Pull {
  const EventQuery& query;
  EventList* events;
  uint64_t left;

  bool filters() const { return query.since || query.until; }
  // How many rows to look at next.
  std::optional<uint64_t> stride() const {
    if (left == UINT64_MAX) return std::nullopt;
    return filters() ? std::max(left, kFilterStride) : left;
  }
  // An event that is not committed has no time: it is later than any.
  Status take(uint64_t sequence, const VersionedValue& value) {
    if (left == 0) return Status::ok();
    if (filters()) {
      model::EventRow row;
      STRATA_TRY(model::read_event(value.value, sequence, &row));
      const uint64_t own = value.timestamp ? row.origin.timestamp : UINT64_MAX;
      if ((query.since && own < *query.since) || (query.until && own > *query.until)) return Status::ok();
    }
    if (left != UINT64_MAX) --left;
    return add_event(sequence, value, events);
  }
};

// What a list shows depends on every event from there on, and on those that are still to come.
void EventLog::note_from(uint64_t sequence) {
  if (view_.tracked()) context_.transaction->note_range(key(sequence), TreeKey(context_.space, Tag::kEventType));
  view_.stop_noting();
}

// The sequences that can be in the answer.
Result<EventLog::Span> EventLog::bounds(const EventQuery& query) {
  Span span{query.after ? *query.after + 1 : 0, UINT64_MAX};
  if (view_.past() || query.since || query.until) {
    STRATA_ASSIGN(const uint64_t all, length());
    if (view_.past()) span.end = all;
    if (query.since) {
      // No event is older than its first append, so none from before the commits of that time can be in the answer.
      STRATA_ASSIGN(const uint64_t first, halve({0, all}, [&](uint64_t sequence) -> Result<bool> {
                      STRATA_ASSIGN(const auto found, view_.get(key(sequence), false));
                      return found && found->timestamp && *found->timestamp < *query.since;
                    }));
      span.first = std::max(span.first, first);
    }
    if (query.until) {
      STRATA_ASSIGN(const uint64_t end, end_of_time(*query.until));
      span.end = std::min(span.end, end);
    }
  }
  return span;
}

// Where the events end whose own timestamp is not above `until`; UINT64_MAX where they may lie anywhere.
Result<uint64_t> EventLog::end_of_time(uint64_t until) {
  STRATA_ASSIGN(const uint64_t all, length());
  if (all == 0) return UINT64_MAX;
  STRATA_ASSIGN(const auto last, view_.get(key(all - 1)));
  model::EventRow row;
  if (!last || !model::parse_event(last->value, &row) || (row.flags & model::kUnordered) != 0) return UINT64_MAX;
  return halve({0, all}, [&](uint64_t sequence) -> Result<bool> {
    STRATA_ASSIGN(const auto found, view_.get(key(sequence), false));
    return found && found->timestamp && *found->timestamp <= until;
  });
}

Status EventLog::list(const EventQuery& query, EventList* events) {
  note_from(query.after ? *query.after + 1 : 0);
  Pull pull{query, events, query.limit.value_or(UINT64_MAX)};
  if (pull.left == 0) return Status::ok();
  STRATA_ASSIGN(const Span span, bounds(query));
  return query.type ? pull_type(*query.type, span, &pull) : pull_all(span, &pull);
}

Status EventLog::pull_all(Span span, Pull* pull) {
  bool more = true;
  while (more && pull->left > 0 && span.first < span.end) {
    const TreeKey begin = key(span.first);
    const TreeKey end = span.end == UINT64_MAX ? TreeKey(context_.space, Tag::kEventType) : key(span.end);
    Status status;
    const txn::ScanRange range{begin, end, pull->stride(), pull->query.reverse, true};
    STRATA_ASSIGN(more, view_.scan(range, [&](std::string_view row_key, const VersionedValue& value) {
      if (!status.is_ok()) return;
      const auto sequence = sequence_of(row_key);
      status = sequence.is_ok() ? pull->take(*sequence, value) : sequence.status();
      if (sequence.is_ok()) (pull->query.reverse ? span.end : span.first) = *sequence + (pull->query.reverse ? 0 : 1);
    }));
    STRATA_TRY(status);
  }
  return Status::ok();
}

Status EventLog::pull_type(std::string_view type, Span span, Pull* pull) {
  std::vector<uint64_t> sequences;
  bool more = true;
  while (more && pull->left > 0 && span.first < span.end) {
    const TreeKey begin = type_key(type, span.first);
    const TreeKey end = type_key(type, span.end);
    sequences.clear();
    Status status;
    const txn::ScanRange range{begin, end, pull->stride(), pull->query.reverse, false};
    STRATA_ASSIGN(more, view_.scan(range, [&](std::string_view row_key, const VersionedValue&) {
      const auto sequence = sequence_of(row_key);
      if (sequence.is_ok()) {
        sequences.push_back(*sequence);
      } else {
        status = sequence.status();
      }
    }));
    STRATA_TRY(status);
    for (const uint64_t sequence : sequences) {
      if (pull->left == 0) break;
      STRATA_ASSIGN(const auto found, view_.get(key(sequence)));
      if (!found) return Status::error(Code::kCorruption, "event " + std::to_string(sequence) + " is missing");
      STRATA_TRY(pull->take(sequence, *found));
      (pull->query.reverse ? span.end : span.first) = sequence + (pull->query.reverse ? 0 : 1);
    }
  }
  return Status::ok();
}

// ---- types ----

// The first type at or behind the key `from` that has a row, which in the past need not have been there yet.
Result<std::optional<std::string>> EventLog::next_type(std::string_view from) {
  const TreeKey end(context_.space, static_cast<Tag>(static_cast<uint8_t>(Tag::kEventType) + 1));
  std::string found;
  if (view_.past()) {
    for (const tree::Root& root : {view_.head().present, view_.head().deleted}) {
      tree::Cursor cursor(context_.engine->forest(), root);
      STRATA_TRY(cursor.seek(from));
      if (!cursor.valid() || cursor.key() >= end.view()) continue;
      if (found.empty() || cursor.key() < found) found.assign(cursor.key());
    }
  } else {
    const txn::ScanRange range{from, end, 1, false, false};
    STRATA_TRY(
        view_.scan(range, [&](std::string_view row_key, const VersionedValue&) { found.assign(row_key); }).status());
  }
  if (found.empty()) return std::optional<std::string>();
  const size_t name_at = context_.space.size() + 2;
  if (found.size() < name_at + 10) return Status::error(Code::kCorruption, "a key of an event log is cut short");
  return std::optional<std::string>(found.substr(name_at, found.size() - name_at - 9));
}

Result<std::vector<std::string>> EventLog::types() {
  note_from(0);
  std::vector<std::string> names;
  uint64_t end = UINT64_MAX;
  if (view_.past()) {
    STRATA_ASSIGN(end, past_length());
  }
  std::string from(TreeKey(context_.space, Tag::kEventType).view());
  while (true) {
    STRATA_ASSIGN(const std::optional<std::string> name, next_type(from));
    if (!name) return names;
    bool there = !view_.past();
    if (!there && end > 0) {
      const TreeKey first = type_key(*name, 0);
      const TreeKey behind = type_key(*name, end);
      const txn::ScanRange range{first, behind, 1, false, false};
      STRATA_TRY(view_.scan(range, [&](std::string_view, const VersionedValue&) { there = true; }).status());
    }
    if (there) names.push_back(*name);
    from = TreeKey(context_.space, Tag::kEventType, *name).view();
    from.push_back('\x01');  // behind the NUL that ends the type in its rows
  }
}

// ---- the chain ----

Result<EventVerdict> EventLog::verify() {
  EventVerdict verdict;
  base::Sha256::Digest previous = model::kNoHash;
  const auto look = [&](std::string_view row_key, const VersionedValue& value) {
    const uint64_t expected = verdict.length++;
    if (!value.timestamp || !verdict.valid) return;
    const auto sequence = sequence_of(row_key);
    model::EventRow row;
    bool good = sequence.is_ok() && *sequence == expected && model::parse_event(value.value, &row);
    if (good) {
      const auto hash = model::event_hash({previous.data(), previous.size()}, expected, row.type, row.origin.timestamp,
                                          ValueView(row.payload));
      good = hash.is_ok() && row.hash == std::string_view(hash->data(), hash->size());
    }
    if (good) {
      std::copy(row.hash.begin(), row.hash.end(), previous.begin());
    } else {
      verdict.valid = false;
      verdict.first_bad = expected;
    }
  };
  STRATA_ASSIGN(const Span span, bounds(EventQuery{}));
  const TreeKey begin = key(0);
  const TreeKey end = span.end == UINT64_MAX ? TreeKey(context_.space, Tag::kEventType) : key(span.end);
  if (span.end > 0) {
    STRATA_TRY(view_.scan({begin, end, std::nullopt, false, true}, look).status());
  }
  return verdict;
}

}  // namespace strata::primitives
