#include "branch/event_chain.h"

#include <cstring>
#include <string>

#include "base/check.h"
#include "base/coding.h"
#include "model/event_codec.h"
#include "model/key_codec.h"
#include "txn/view.h"

namespace strata::branch {
namespace {

// In memory alone, and only until the seal: the event's hash is its predecessor's so far.
constexpr uint8_t kHoldsPredecessor = 0x80;

// What a new event takes over from the one before it.
struct Predecessor {
  base::Sha256::Digest hash = model::kNoHash;
  bool unordered = false;
};

Status load_predecessor(const txn::Sealing& commit, std::string_view space, uint64_t sequence,
                        Predecessor* predecessor) {
  if (sequence == 0) return Status::ok();
  const model::TreeKey key(space, model::Tag::kEvent, sequence - 1);
  std::string_view value;
  if (commit.before != nullptr && !commit.before->tombstone && commit.before->key == key.view()) {
    value = commit.before->value;
  } else {
    STRATA_ASSIGN(const auto found, commit.view.get(key));
    if (!found) {
      return Status::error(Code::kCorruption, "the event log of space '" + std::string(space) +
                                                  "' has a gap before event " + std::to_string(sequence));
    }
    value = found->value;
  }
  model::EventRow row;
  STRATA_TRY(model::read_event(value, sequence - 1, &row));
  std::memcpy(predecessor->hash.data(), row.hash.data(), row.hash.size());
  predecessor->unordered = (row.flags & model::kUnordered) != 0;
  return Status::ok();
}

}  // namespace

void know_predecessor(std::string_view value, char* bytes) {
  bytes[0] = static_cast<char>((static_cast<uint8_t>(value[0]) & model::kUnordered) | kHoldsPredecessor);
  std::memcpy(bytes + model::kEventHashOffset, value.data() + model::kEventHashOffset, base::Sha256::kBytes);
}

Status seal_new_event(const txn::Sealing& commit, const txn::Write& write, char* bytes) {
  const auto parts = model::split_key(write.key);
  STRATA_CHECK(parts && parts->tag == model::Tag::kEvent && parts->user.size() == 8);
  const uint64_t sequence = base::load_be64(parts->user.data());
  Predecessor predecessor;
  const auto flags = static_cast<uint8_t>(bytes[0]);
  if ((flags & kHoldsPredecessor) != 0) {
    std::memcpy(predecessor.hash.data(), bytes + model::kEventHashOffset, predecessor.hash.size());
    predecessor.unordered = (flags & model::kUnordered) != 0;
  } else {
    STRATA_TRY(load_predecessor(commit, parts->space, sequence, &predecessor));
  }
  bytes[0] = 0;
  model::EventRow row;
  STRATA_TRY(model::read_event(write.value, sequence, &row));
  STRATA_ASSIGN(const base::Sha256::Digest hash,
                model::event_hash({predecessor.hash.data(), predecessor.hash.size()}, sequence, row.type,
                                  commit.timestamp, ValueView(row.payload)));
  bytes[0] = static_cast<char>(predecessor.unordered ? model::kUnordered : 0);
  std::memcpy(bytes + model::kEventHashOffset, hash.data(), hash.size());
  base::store_u32(bytes + model::kEventBranchOffset, commit.branch);
  base::store_u64(bytes + model::kEventSequenceOffset, sequence);
  base::store_u64(bytes + model::kEventTimestampOffset, commit.timestamp);
  return Status::ok();
}

}  // namespace strata::branch
