#include "branch/bundle_check.h"

#include <algorithm>
#include <cstring>

#include "model/json_path.h"
#include "model/vector_codec.h"
#include "strata/value.h"

namespace strata::branch {
namespace {

using model::Tag;
using Refusal = BundleChecker::Refusal;

// Each takes the deletion of a whole space, so there are never many; what is remembered of them has to have a bound.
constexpr size_t kMostEventVersions = size_t{1} << 20;

Refusal refuse(const char* why) { return std::string(why); }
Refusal refuse_if(const Status& status, const char* why) {
  if (status.is_ok()) return std::nullopt;
  return std::string(why) + ": " + std::string(status.message());
}

Refusal check_user_key(Tag tag, std::string_view user) {
  switch (tag) {
    case Tag::kSpace:
      if (!user.empty()) return refuse("the entry of a space has more than a name");
      return std::nullopt;
    case Tag::kKv:
    case Tag::kState:
    case Tag::kJson:
      return refuse_if(check_key(user, "key"), "a bad key");
    case Tag::kEvent:
      if (user.size() != 8 || base::load_be64(user.data()) > INT64_MAX) return refuse("a bad sequence of an event");
      return std::nullopt;
    case Tag::kEventType:
      return refuse("an entry that follows from others");
    case Tag::kJsonIndex:
      return refuse_if(check_key(user, "index name"), "a bad name of an index");
    case Tag::kCollection:
      return refuse_if(check_key(user, "collection"), "a bad name of a collection");
    case Tag::kVector: {
      const auto name = model::split_vector_key(user);
      if (!name) return refuse("a bad key of a vector");
      if (Refusal refusal = refuse_if(check_key(name->collection, "collection"), "a bad key of a vector"))
        return refusal;
      return refuse_if(check_key(name->key), "a bad key of a vector");
    }
  }
  return refuse("it holds what this version of the library does not store; update the library");
}

Refusal check_index(ValueView value) {
  const auto text = value.read();
  model::JsonPath path;
  if (text.is_ok() && text->type == ValueType::kString && path.parse(text->bytes).is_ok() && path.singular()) {
    return std::nullopt;
  }
  return refuse("a bad path of an index");
}

}  // namespace

Refusal BundleChecker::head(const BundleHead& head, uint64_t latest) {
  head_ = head;
  vectors_.head(head);
  if (!model::check_branch_name(head.name)) return refuse("a bad name of a branch");
  if (head.taken_at > latest) return refuse("it is from the future, more than a day ahead of this clock");
  if (head.oldest > head.taken_at || head.trimmed_before > head.taken_at || head.since.value_or(0) > head.taken_at ||
      (head.since && *head.since < head.trimmed_before)) {
    return refuse("the times in its head contradict each other");
  }
  return std::nullopt;
}

Refusal BundleChecker::begin_key(const BundleEntry& entry) {
  if (Refusal refusal = end_of_key()) return refusal;
  if (any_ && entry.key <= key_) return refuse("keys out of order");
  key_ = entry.key;
  const auto parts = model::split_key(key_);
  if (!parts) return refuse("a bad key");
  parts_ = *parts;
  if (!model::check_space_name(parts_.space)) return refuse("a bad name of a space");
  if (Refusal refusal = check_user_key(parts_.tag, parts_.user)) return refusal;
  if (entry.tombstone && !head_.since) return refuse("a deletion of what was not there");
  if (parts_.tag != Tag::kEvent) return std::nullopt;
  const uint64_t sequence = base::load_be64(parts_.user.data());
  const bool follows = any_ && event_space_ == parts_.space && sequence == sequence_ + 1;
  previous_.clear();
  if (follows) std::swap(previous_, current_);
  current_.clear();
  // A delta goes on where the log ended, or begins anew.
  const bool begins = !any_ || event_space_ != parts_.space;
  if (!follows && (!begins || (sequence != 0 && !head_.since))) return refuse("an event log with a gap");
  sequence_ = sequence;
  event_space_ = parts_.space;
  return std::nullopt;
}

Refusal BundleChecker::end_of_key() {
  if (Refusal refusal = vectors_.end_of_vector()) return refusal;
  if (!any_ || parts_.tag != Tag::kEvent || previous_.empty() || current_.empty()) return std::nullopt;
  if (previous_.back().deleted && !current_.back().deleted) return refuse("an event log with a gap");
  return std::nullopt;
}

Refusal BundleChecker::times(const BundleEntry& entry) const {
  const bool late = entry.timestamp > head_.taken_at || entry.timestamp == 0;
  const bool early = head_.since && entry.timestamp <= *head_.since;
  const bool trimmed = (entry.same_key || entry.tombstone) && entry.timestamp <= head_.trimmed_before;
  if (late || early || trimmed || entry.version > INT64_MAX) return refuse("versions or timestamps out of order");
  return std::nullopt;
}

Refusal BundleChecker::entry(const BundleEntry& entry, CheckedEntry* checked) {
  if (!entry.same_key) {
    if (Refusal refusal = begin_key(entry)) return refusal;
  } else if (!any_ || (entry.tombstone && last_.tombstone)) {
    return refuse("a version of nothing");
  }
  if (Refusal refusal = times(entry)) return refusal;
  any_ = true;
  last_.tombstone = entry.tombstone;
  checked->entry = entry;
  checked->entry.key = key_;
  checked->tag = parts_.tag;
  checked->space = parts_.space;
  checked->linked = false;
  checked->unordered = false;
  return parts_.tag == Tag::kEvent ? event(checked) : value(checked);
}

Refusal BundleChecker::value(CheckedEntry* checked) {
  const BundleEntry& entry = checked->entry;
  if (checked->tag == Tag::kVector) return vectors_.vector(parts_, entry);
  if (checked->tag == Tag::kCollection) return vectors_.collection(parts_, entry);
  if (entry.tombstone) return std::nullopt;
  if (checked->tag == Tag::kSpace) {
    if (!entry.value.empty()) return refuse("the entry of a space has a value");
    return std::nullopt;
  }
  if (entry.value.size() > kMaxValueBytes) return refuse("a value longer than 64 MiB");
  if (Refusal refusal = refuse_if(ValueView(entry.value).validate(), "a bad value")) return refusal;
  return checked->tag == Tag::kJsonIndex ? check_index(ValueView(entry.value)) : std::nullopt;
}

Refusal BundleChecker::event(CheckedEntry* checked) {
  const BundleEntry& entry = checked->entry;
  EventVersion version;
  version.timestamp = entry.timestamp;
  version.deleted = entry.tombstone;
  checked->sequence = sequence_;
  if (current_.size() == kMostEventVersions) return refuse("an event with too many versions");
  if (!entry.tombstone) {
    model::EventRow& row = checked->event;
    if (!model::parse_event(entry.value, &row) || row.flags != model::kForeignOrigin || row.origin.database == 0) {
      return refuse("a bad event");
    }
    if (Refusal refusal = refuse_if(check_key(row.type, "event type"), "a bad event")) return refusal;
    if (row.payload.size() > kMaxValueBytes) return refuse("a payload longer than 64 MiB");
    const ValueView payload(row.payload);
    if (Refusal refusal = refuse_if(payload.validate(), "a bad payload")) return refusal;
    const auto token = payload.read();
    if (!token.is_ok() || token->type != ValueType::kObject) return refuse("a payload that is no object");
    if (row.origin.sequence > INT64_MAX || row.origin.timestamp > entry.timestamp || row.origin.timestamp == 0) {
      return refuse("a bad origin of an event");
    }
    if (Refusal refusal = link(checked, &version)) return refusal;
  }
  current_.push_back(version);
  return std::nullopt;
}

Refusal BundleChecker::link(CheckedEntry* checked, EventVersion* version) const {
  const model::EventRow& row = checked->event;
  std::memcpy(version->hash.data(), row.hash.data(), version->hash.size());
  const EventVersion none{0, false, false, model::kNoHash};
  const EventVersion* predecessor = &none;
  if (sequence_ > 0) {
    const auto later = [&](uint64_t time, const EventVersion& each) { return time < each.timestamp; };
    const auto behind = std::upper_bound(previous_.begin(), previous_.end(), version->timestamp, later);
    if (behind == previous_.begin()) {
      if (!head_.since) return refuse("an event without the one before it");
      return std::nullopt;  // it lies on the branch that the delta rests on
    }
    predecessor = &*(behind - 1);
    if (predecessor->deleted) return refuse("an event without the one before it");
  }
  const std::string_view before(predecessor->hash.data(), predecessor->hash.size());
  const auto hash = model::event_hash(before, sequence_, row.type, row.origin.timestamp, ValueView(row.payload));
  if (!hash.is_ok() || *hash != version->hash) return refuse("an event whose hash does not continue the chain");
  version->unordered = predecessor->unordered || row.origin.timestamp != version->timestamp;
  checked->linked = true;
  checked->unordered = version->unordered;
  return std::nullopt;
}

Refusal BundleChecker::commit(const BundleCommit& commit) {
  const bool early = commit.timestamp < head_.trimmed_before || (head_.since && commit.timestamp <= *head_.since);
  if (commit.timestamp > head_.taken_at || commit.timestamp == 0 || early) return refuse("commits out of order");
  if (commit.message) return refuse_if(model::check_text(*commit.message, "message"), "a bad message");
  return std::nullopt;
}

}  // namespace strata::branch
