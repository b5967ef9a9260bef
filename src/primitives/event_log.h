// One space's event log as a view shows it: how long it is, and its events by sequence, by type and by time.
//
// That sequences have no gaps makes it a list: its length is one step into the tree, and what rises along it is found
// by halving. Commit times rise; own timestamps do unless events came in by a merge or an import (kUnordered).
//
// Thread safety: one object a thread. Ownership: borrows context and view.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <string_view>

#include "model/event_codec.h"
#include "model/key_codec.h"
#include "strata/event.h"
#include "txn/context.h"
#include "txn/view.h"

namespace strata::primitives {

class EventLog {
 public:
  EventLog(const txn::Context& context, txn::View& view) : context_(context), view_(view) {}

  // The next sequence. Inside a transaction the end of the log counts as read.
  Result<uint64_t> length();
  // The same for who appends: inside a transaction the writes rest on the end of the log, at every isolation. Outside,
  // *last is the value of the last event, if it is at hand, as long as the view.
  Result<uint64_t> end(std::string_view* last);
  // Adds the event; false: there is none.
  Result<bool> get(uint64_t sequence, EventList* events);
  Status list(const EventQuery& query, EventList* events);
  Result<std::vector<std::string>> types();
  Result<EventVerdict> verify();

 private:
  // Sequences from `first` on, before `end`.
  struct Span {
    uint64_t first = 0;
    uint64_t end = 0;
  };
  struct Pull;
  model::TreeKey key(uint64_t sequence) const;
  model::TreeKey type_key(std::string_view type, uint64_t sequence) const;
  // *row: of the last event.
  Result<uint64_t> last_of(const tree::Root& root, uint64_t* after, std::string_view* row = nullptr) const;
  Result<uint64_t> present_length(bool writing, std::string_view* row);
  Result<uint64_t> with_own_writes(uint64_t below) const;
  Result<uint64_t> past_length();
  // The first sequence of `span` for which `holds` is false; it holds for all before that and for none behind it.
  Result<uint64_t> halve(Span span, const std::function<Result<bool>(uint64_t)>& holds);
  void note_from(uint64_t sequence);
  Result<Span> bounds(const EventQuery& query);
  Result<uint64_t> end_of_time(uint64_t until);
  Status pull_all(Span span, Pull* pull);
  Status pull_type(std::string_view type, Span span, Pull* pull);
  Result<std::optional<std::string>> next_type(std::string_view from);

  const txn::Context& context_;
  txn::View& view_;
};

}  // namespace strata::primitives
