#include "branch/bundle_format.h"

namespace strata::branch {
namespace {

constexpr uint8_t kHeadIsDelta = 1;       // ON DISK: never renumber
constexpr uint8_t kCommitHasMessage = 1;  // ON DISK: never renumber

}  // namespace

void put_head(std::string& out, const BundleHead& head) {
  out.push_back(static_cast<char>(head.since ? kHeadIsDelta : 0));
  base::put_u64(out, head.database);
  base::put_u32(out, head.branch);
  base::put_string(out, head.name);
  base::put_u64(out, head.oldest);
  base::put_u64(out, head.trimmed_before);
  base::put_u64(out, head.taken_at);
  if (!head.since) return;
  base::put_u64(out, *head.since);
  out.append(head.base.data(), head.base.size());
}

bool read_head(base::Reader& reader, BundleHead* head) {
  uint8_t flags = 0;
  std::string_view name;
  if (!reader.read_u8(flags) || flags > kHeadIsDelta || !reader.read_u64(head->database) ||
      !reader.read_u32(head->branch) || !reader.read_string(name) || !reader.read_u64(head->oldest) ||
      !reader.read_u64(head->trimmed_before) || !reader.read_u64(head->taken_at)) {
    return false;
  }
  head->name = name;
  head->since.reset();
  if ((flags & kHeadIsDelta) != 0) {
    uint64_t since = 0;
    std::string_view base;
    if (!reader.read_u64(since) || !reader.read_bytes(head->base.size(), base)) return false;
    head->since = since;
    base.copy(head->base.data(), base.size());
  }
  return reader.done();
}

void put_entry(std::string& out, const BundleEntry& entry, const BundleEntry* before) {
  out.push_back(static_cast<char>((entry.tombstone ? kEntryTombstone : 0) | (entry.same_key ? kEntrySameKey : 0)));
  if (!entry.same_key) {
    base::put_string(out, entry.key);
    base::put_varint(out, entry.version);
  }
  base::put_varint(out, entry.timestamp - (entry.same_key ? before->timestamp : 0));
  if (!entry.tombstone) base::put_string(out, entry.value);
}

bool read_entry(base::Reader& reader, const BundleEntry* before, BundleEntry* entry) {
  uint8_t flags = 0;
  uint64_t time = 0;
  if (!reader.read_u8(flags) || flags > (kEntryTombstone | kEntrySameKey)) return false;
  entry->tombstone = (flags & kEntryTombstone) != 0;
  entry->same_key = (flags & kEntrySameKey) != 0;
  entry->value = {};
  if (entry->same_key) {
    if (before == nullptr || before->version == UINT64_MAX || !reader.read_varint(time)) return false;
    if (time == 0 || time > UINT64_MAX - before->timestamp) return false;
    entry->key = before->key;
    entry->version = before->version + 1;
    entry->timestamp = before->timestamp + time;
  } else if (!reader.read_string(entry->key) || !reader.read_varint(entry->version) || entry->version == 0 ||
             !reader.read_varint(entry->timestamp)) {
    return false;
  }
  return entry->tombstone || reader.read_string(entry->value);
}

void put_commit(std::string& out, const BundleCommit& commit, const BundleCommit* before) {
  base::put_varint(out, before == nullptr ? commit.timestamp : before->timestamp - commit.timestamp);
  out.push_back(static_cast<char>(commit.message ? kCommitHasMessage : 0));
  if (commit.message) base::put_string(out, *commit.message);
  const CommitChanges& changes = commit.changes;
  for (const uint64_t count :
       {changes.collection, changes.event, changes.json, changes.kv, changes.state, changes.vector}) {
    base::put_varint(out, count);
  }
}

bool read_commit(base::Reader& reader, const BundleCommit* before, BundleCommit* commit) {
  uint64_t time = 0;
  uint8_t flags = 0;
  if (!reader.read_varint(time) || !reader.read_u8(flags) || flags > kCommitHasMessage) return false;
  if (before != nullptr && (time == 0 || time > before->timestamp)) return false;
  commit->timestamp = before == nullptr ? time : before->timestamp - time;
  commit->message.reset();
  if ((flags & kCommitHasMessage) != 0) {
    std::string_view message;
    if (!reader.read_string(message)) return false;
    commit->message = message;
  }
  CommitChanges& changes = commit->changes;
  for (uint64_t* count :
       {&changes.collection, &changes.event, &changes.json, &changes.kv, &changes.state, &changes.vector}) {
    // What Python shows as an int of the engine is below 2^63 everywhere.
    if (!reader.read_varint(*count) || *count > INT64_MAX) return false;
  }
  return true;
}

void StateDigest::add(std::string_view key, uint64_t version, uint64_t timestamp, std::string_view value) {
  std::string head;
  base::put_u32(head, static_cast<uint32_t>(key.size()));
  head.append(key);
  base::put_u64(head, version);
  base::put_u64(head, timestamp);
  base::put_u32(head, static_cast<uint32_t>(value.size()));
  sha_.add(head);
  sha_.add(value);
}

}  // namespace strata::branch
