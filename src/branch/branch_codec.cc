#include "branch/branch_codec.h"

namespace strata::branch {
namespace {

constexpr uint8_t kHasParent = 1;         // ON DISK: never renumber
constexpr uint8_t kHasForkTimestamp = 2;  // ON DISK: never renumber

}  // namespace

void put_root(std::string& out, const tree::Root& root) {
  base::put_u64(out, root.id);
  base::put_u64(out, root.birth);
  base::put_u64(out, root.count);
}

bool read_root(base::Reader& reader, tree::Root* root) {
  return reader.read_u64(root->id) && reader.read_u64(root->birth) && reader.read_u64(root->count);
}

void put_branch(std::string& out, const BranchSnapshot& branch) {
  const txn::BranchOrigin& origin = branch.origin;
  std::string body;
  base::put_u32(body, origin.id);
  body.push_back(static_cast<char>((origin.parent ? kHasParent : 0) | (origin.fork_timestamp ? kHasForkTimestamp : 0)));
  base::put_string(body, origin.name);
  if (origin.parent) base::put_string(body, *origin.parent);
  if (origin.fork_timestamp) base::put_u64(body, *origin.fork_timestamp);
  base::put_u64(body, origin.created_at);
  base::put_u64(body, origin.oldest);
  base::put_u64(body, branch.trimmed_before);
  base::put_u64(body, branch.exclusive_since);
  put_root(body, branch.head.present);
  put_root(body, branch.head.deleted);
  base::put_u64(body, branch.head.commit);
  base::put_u64(body, branch.head.timestamp);
  base::put_u64(body, branch.head.last_record);
  base::put_u64(body, branch.head.commits);
  base::put_string(out, body);
}

bool read_branch(base::Reader& reader, BranchSnapshot* branch) {
  std::string_view body;
  if (!reader.read_string(body)) return false;
  base::Reader in(body);
  txn::BranchOrigin& origin = branch->origin;
  uint8_t flags = 0;
  std::string_view text;
  if (!in.read_u32(origin.id) || !in.read_u8(flags) || !in.read_string(text)) return false;
  origin.name = text;
  if ((flags & kHasParent) != 0) {
    if (!in.read_string(text)) return false;
    origin.parent = std::string(text);
  }
  if ((flags & kHasForkTimestamp) != 0) {
    uint64_t timestamp = 0;
    if (!in.read_u64(timestamp)) return false;
    origin.fork_timestamp = timestamp;
  }
  return in.read_u64(origin.created_at) && in.read_u64(origin.oldest) && in.read_u64(branch->trimmed_before) &&
         in.read_u64(branch->exclusive_since) && read_root(in, &branch->head.present) &&
         read_root(in, &branch->head.deleted) && in.read_u64(branch->head.commit) &&
         in.read_u64(branch->head.timestamp) && in.read_u64(branch->head.last_record) &&
         in.read_u64(branch->head.commits);
}

}  // namespace strata::branch
