#include <algorithm>
#include <map>
#include <set>
#include <string>
#include <tuple>
#include <vector>

#include "base/coding.h"
#include "model/event_codec.h"
#include "primitives/merge_policies.h"

namespace strata::primitives {
namespace {

using branch::MergeKey;
using branch::MergeWork;
using model::Tag;
using model::TreeKey;

using Origin = std::tuple<uint64_t, uint32_t, uint64_t, uint64_t>;

Origin origin_of(const model::EventRow& event) {
  return {event.origin.database, event.origin.branch, event.origin.sequence, event.origin.timestamp};
}

// What differs from the base in one log.
struct Differences {
  std::vector<std::pair<uint64_t, std::string_view>> events;  // sequence and row, of those it has
  bool only_more = true;                                      // events behind the last of the base's
};

class EventMerge : public branch::MergePolicy {
 public:
  Status merge(MergeWork&, const MergeKey& key) override {
    note(key.parts, key.base, key.source, &of_source_[std::string(key.parts.space)]);
    return Status::ok();
  }

  Status finish(MergeWork& work) override {
    for (const auto& [space, differences] : of_source_) {
      if (!differences.events.empty()) STRATA_TRY(append(work, space, differences));
    }
    return Status::ok();
  }

 private:
  static void note(const model::SplitKey& parts, std::string_view base, std::string_view row, Differences* found) {
    if (!base.empty()) found->only_more = false;
    if (!row.empty()) found->events.emplace_back(base::load_be64(parts.user.data()), row);
  }

  static Status add_origin(MergeWork& work, uint64_t sequence, std::string_view row, std::set<Origin>* known) {
    STRATA_TRY(work.ask());
    STRATA_ASSIGN(const std::string_view value, work.values().value(row));
    model::EventRow event;
    STRATA_TRY(model::read_event(value, sequence, &event));
    known->insert(origin_of(event));
    work.values().forget();
    return Status::ok();
  }

  static Status add_whole_log(MergeWork& work, const std::string& space, const tree::Root& root,
                              std::set<Origin>* known) {
    const model::KeySpan span = model::prefix_span(space, Tag::kEvent);
    tree::Cursor cursor(work.forest(), root);
    STRATA_TRY(cursor.seek(span.begin));
    while (cursor.valid() && cursor.key() < span.end) {
      STRATA_ASSIGN(const model::SplitKey parts, branch::parts_of(cursor.key()));
      STRATA_TRY(add_origin(work, base::load_be64(parts.user.data()), cursor.row(), known));
      STRATA_TRY(cursor.next());
    }
    return Status::ok();
  }

  // The origins that the new events could have and must not: those of the base, and those that the target has beyond
  // it. A log that only grew since the base has what the base has once, so then the base need not be looked at.
  static Status known_origins(MergeWork& work, const std::string& space, const Differences& source,
                              std::set<Origin>* known) {
    const tree::Root& base = work.sides().base;
    const tree::Root& target = work.sides().target.present;
    Differences in_target;
    Status status;
    const auto visit = [&](std::string_view key, tree::Change, std::string_view before, std::string_view row) {
      const auto parts = branch::parts_of(key);
      if (parts.is_ok()) note(*parts, before, row, &in_target);
      status = parts.is_ok() ? work.ask() : parts.status();
      return status.is_ok();
    };
    const model::KeySpan span = model::prefix_span(space, Tag::kEvent);
    STRATA_TRY(work.forest().diff(base, target, tree::KeyRange{span.begin, span.end}, visit));
    STRATA_TRY(status);
    if (!source.only_more) STRATA_TRY(add_whole_log(work, space, base, known));
    for (const auto& [sequence, row] : in_target.events) STRATA_TRY(add_origin(work, sequence, row, known));
    return Status::ok();
  }

  Status append(MergeWork& work, const std::string& space, const Differences& source) {
    std::set<Origin> known;
    STRATA_TRY(known_origins(work, space, source, &known));
    const tree::Root& target = work.sides().target.present;
    const model::KeySpan span = model::prefix_span(space, Tag::kEvent);
    STRATA_ASSIGN(const uint64_t end, work.forest().rank(target, span.end));
    STRATA_ASSIGN(const uint64_t begin, work.forest().rank(target, span.begin));
    uint64_t sequence = end - begin;
    base::Sha256::Digest hash = model::kNoHash;
    if (sequence > 0) STRATA_TRY(hash_of(work, space, sequence - 1, &hash));
    for (const auto& [of_source, row] : source.events) {
      STRATA_TRY(work.ask());
      STRATA_ASSIGN(const std::string_view value, work.values().value(row));
      model::EventRow event;
      STRATA_TRY(model::read_event(value, of_source, &event));
      if (known.contains(origin_of(event))) continue;
      STRATA_ASSIGN(hash, model::event_hash({hash.data(), hash.size()}, sequence, event.type, event.origin.timestamp,
                                            ValueView(event.payload)));
      event.hash = {hash.data(), hash.size()};
      event.flags |= model::kUnordered;
      built_.clear();
      model::build_event(event, &built_);
      STRATA_TRY(work.put(TreeKey(space, Tag::kEvent, sequence), built_));
      STRATA_TRY(work.put(TreeKey(space, Tag::kEventType, event.type, sequence), {}));
      work.values().forget();
      ++sequence;
    }
    return Status::ok();
  }

  static Status hash_of(MergeWork& work, const std::string& space, uint64_t sequence, base::Sha256::Digest* hash) {
    STRATA_ASSIGN(const std::string_view row, work.target_row(TreeKey(space, Tag::kEvent, sequence)));
    if (row.empty()) {
      return Status::error(Code::kCorruption,
                           "the event log of space '" + space + "' has a gap at event " + std::to_string(sequence));
    }
    STRATA_ASSIGN(const std::string_view value, work.values().value(row));
    model::EventRow event;
    STRATA_TRY(model::read_event(value, sequence, &event));
    std::copy(event.hash.begin(), event.hash.end(), hash->begin());
    work.values().forget();
    return Status::ok();
  }

  std::map<std::string, Differences> of_source_;
  std::string built_;
};

}  // namespace

std::unique_ptr<branch::MergePolicy> make_event_merge() { return std::make_unique<EventMerge>(); }

}  // namespace strata::primitives
