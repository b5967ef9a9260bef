#include "strata/branch.h"

#include "branch/diff.h"
#include "branch/fork.h"
#include "branch/key_count.h"
#include "branch/log.h"
#include "branch/merge.h"
#include "branch/revert.h"
#include "db/branch_id.h"
#include "db/session_impl.h"
#include "model/key_codec.h"
#include "primitives/merge_policies.h"

namespace strata {
namespace {

// The key count of a branch's visible head.
Result<uint64_t> count_keys(const tree::Forest& forest, const txn::BranchState& branch) {
  const tree::ReadGuard guard(forest);
  return branch::key_count(forest, branch.visible.load().present);
}

constexpr branch::MergePolicies merge_policies() {
  branch::MergePolicies policies{};
  const auto of = [&](model::Tag tag) -> auto& { return policies[static_cast<size_t>(tag)]; };
  of(model::Tag::kSpace) = primitives::make_space_merge;
  of(model::Tag::kKv) = primitives::make_value_merge;
  of(model::Tag::kState) = primitives::make_value_merge;
  of(model::Tag::kJson) = primitives::make_json_merge;
  of(model::Tag::kJsonIndex) = primitives::make_index_merge;
  of(model::Tag::kEvent) = primitives::make_event_merge;
  of(model::Tag::kCollection) = primitives::make_vector_merge;
  of(model::Tag::kVector) = primitives::make_vector_merge;
  return policies;
}
constexpr branch::MergePolicies kMergePolicies = merge_policies();

Status refuse_read_only(bool read_only, std::string_view what) {
  if (!read_only) return Status::ok();
  return Status::error(Code::kReadOnly,
                       std::string(what) + " is not possible: the database was opened with read_only=True",
                       "open it without read_only");
}

}  // namespace

Status Branches::create(std::string_view name) {
  STRATA_TRY(call_.check_caller());
  STRATA_TRY(call_.check_no_transaction("branch_create"));
  auto& impl = call_.impl();
  STRATA_TRY(refuse_read_only(impl.read_only, "branch_create"));
  STRATA_TRY(model::check_branch_name(name));
  return impl.database->catalogue().create(name, call_.may_wait_);
}

Result<ForkResult> Branches::fork(std::string_view source, std::string_view destination, AsOf as_of) {
  STRATA_TRY(call_.check_caller());
  STRATA_TRY(call_.check_no_transaction("branch_fork"));
  auto& impl = call_.impl();
  STRATA_TRY(refuse_read_only(impl.read_only, "branch_fork"));
  STRATA_TRY(model::check_branch_name(destination));
  const auto made = impl.database->catalogue().fork(source, destination, as_of, call_.may_wait_);
  if (!made.is_ok()) {
    if (as_of) impl.database->collect_later();  // what it had put back already
    return made.status();
  }
  const auto& forked = *made;
  ForkResult result;
  result.source = source;
  result.destination = destination;
  result.timestamp = forked.timestamp;
  STRATA_ASSIGN(result.key_count, count_keys(impl.database->forest(), *forked.branch));
  return result;
}

Status Branches::remove(std::string_view name) {
  STRATA_TRY(call_.check_caller());
  STRATA_TRY(call_.check_no_transaction("branch_delete"));
  auto& impl = call_.impl();
  STRATA_TRY(refuse_read_only(impl.read_only, "branch_delete"));
  STRATA_TRY(impl.database->catalogue().find(name).status());
  if (name == branch::kDefaultBranch || name == impl.branch_name) {
    return Status::error(
        Code::kBranchInUse,
        "branch '" + std::string(name) + "' cannot be deleted: it is the default or in use by this handle",
        "branch_use another one first");
  }
  STRATA_TRY(impl.database->catalogue().remove(name, call_.may_wait_));
  // In memory nobody else comes round to it.
  return impl.database->in_memory() ? impl.database->collect_if_due() : Status::ok();
}

Result<std::optional<BranchInfo>> Branches::get(std::string_view name) {
  db::Database& database = *call_.impl().database;
  const auto found = database.catalogue().find(name);
  if (!found) return std::optional<BranchInfo>();
  const txn::BranchState& branch = **found;
  const txn::Head head = branch.visible.load();
  BranchInfo info;
  info.name = branch.origin.name;
  info.id = db::branch_id(database.engine().seed(), branch.origin.id);
  info.status = "active";
  info.created_at = branch.origin.created_at;
  info.updated_at = head.timestamp;
  info.version = head.commits;
  info.parent = branch.origin.parent;
  info.fork_timestamp = branch.origin.fork_timestamp;
  STRATA_ASSIGN(info.key_count, count_keys(database.forest(), branch));
  return std::optional<BranchInfo>(std::move(info));
}

Result<std::vector<std::string>> Branches::list() {
  std::vector<std::string> names;
  for (const txn::BranchPtr& branch : call_.impl().database->catalogue().all()) names.push_back(branch->origin.name);
  return names;
}

Result<bool> Branches::exists(std::string_view name) { return call_.impl().database->catalogue().find(name).is_ok(); }

Result<DiffResult> Branches::diff(const DiffQuery& query) {
  STRATA_TRY(call_.check_caller());
  STRATA_TRY(call_.check_no_transaction("branch_diff"));
  db::Database& database = *call_.impl().database;
  const tree::ReadGuard guard(database.forest());
  STRATA_ASSIGN(const txn::BranchPtr a, database.catalogue().find(query.a));
  STRATA_ASSIGN(const txn::BranchPtr b, database.catalogue().find(query.b));
  branch::DiffRequest request;
  request.limit = query.limit;
  request.as_of = query.as_of;
  request.keep_on = call_.keep_on_;
  do {  // until both were seen at one moment
    request.a = a->visible.load();
    request.b = b->visible.load();
  } while (request.a.commit != a->visible.load().commit);
  if (query.as_of) {
    STRATA_TRY(branch::check_kept(*a, *query.as_of));
    STRATA_TRY(branch::check_kept(*b, *query.as_of));
  }
  return branch::diff_heads(database.engine(), request);
}

Status Branches::merge(const MergeRequest& request, MergeResult* result) {
  STRATA_TRY(call_.check_caller());
  STRATA_TRY(call_.check_no_transaction("branch_merge"));
  auto& impl = call_.impl();
  if (!request.dry_run) STRATA_TRY(refuse_read_only(impl.read_only, "branch_merge"));
  // It waits for locks, and for room.
  if (!call_.may_wait_) return Status::error(Code::kWouldBlock, "a merge may have to wait");
  db::Database& database = *impl.database;
  return branch::merge_branches(database.engine(), database.catalogue(), kMergePolicies, request, call_.keep_on_,
                                result);
}

Result<std::vector<CommitInfo>> Branches::log(std::string_view name, std::optional<uint64_t> limit) {
  db::Database& database = *call_.impl().database;
  if (!call_.may_wait_) return Status::error(Code::kWouldBlock, "a log is read from the disk");
  STRATA_ASSIGN(const txn::BranchPtr branch, database.catalogue().find(name));
  std::vector<CommitInfo> commits;
  if (limit == uint64_t{0}) return commits;
  const tree::ReadGuard guard(database.forest());
  const auto visit = [&](const branch::BundleCommit& commit) {
    CommitInfo& info = commits.emplace_back();
    info.timestamp = commit.timestamp;
    if (commit.message) info.message = *commit.message;
    info.changes = commit.changes;
    return !limit || commits.size() < *limit;
  };
  const uint64_t cut = branch->trimmed_before.load(std::memory_order_acquire);
  STRATA_TRY(branch::LogWalk(database.engine(), branch->visible.load().last_record, cut).walk(visit));
  return commits;
}

Result<RevertResult> Branches::revert(std::string_view name, uint64_t to) {
  STRATA_TRY(call_.check_caller());
  STRATA_TRY(call_.check_no_transaction("branch_revert"));
  auto& impl = call_.impl();
  STRATA_TRY(refuse_read_only(impl.read_only, "branch_revert"));
  STRATA_ASSIGN(const txn::BranchPtr branch, impl.database->catalogue().find(name));
  if (!call_.may_wait_) return Status::error(Code::kWouldBlock, "going back reads much");
  STRATA_ASSIGN(const branch::Reverted reverted, branch::revert(impl.database->engine(), branch, to));
  return RevertResult{reverted.keys, reverted.version, reverted.timestamp};
}

}  // namespace strata
