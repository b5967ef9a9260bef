#include "branch/merge.h"

#include <algorithm>
#include <set>

#include "branch/merge_record.h"
#include "txn/context.h"

namespace strata::branch {
namespace {

using model::Tag;

// Attempts without the lock; the next one is made under it.
constexpr int kFreeAttempts = 2;

// Whether users count what lies under the tag among their keys.
bool is_counted(Tag tag) { return !primitive_of(tag).empty() && tag != Tag::kCollection; }

// Works out everything that the merge changes.
class MergeRun {
 public:
  MergeRun(MergeWork& work, const MergePolicies& policies) : work_(work), factories_(policies) {}

  Status run() {
    Status status;
    const auto visit = [&](std::string_view key, tree::Change, std::string_view base, std::string_view source) {
      status = one(key, base, source);
      return status.is_ok();
    };
    const MergeSides& sides = work_.sides();
    STRATA_TRY(work_.forest().diff(sides.base, sides.source.present, tree::KeyRange{}, visit));
    STRATA_TRY(status);
    for (size_t tag = kMergeTags; tag-- > 0;) {
      // What spaces become depends on what the others did, even where no space itself was changed.
      if (tag == static_cast<size_t>(Tag::kSpace)) make(tag);
      const auto shared =
          std::find(policies_.begin() + static_cast<std::ptrdiff_t>(tag) + 1, policies_.end(), policies_[tag]);
      if (policies_[tag] != nullptr && shared == policies_.end()) STRATA_TRY(policies_[tag]->finish(work_));
    }
    return Status::ok();
  }

 private:
  void make(size_t tag) {
    if (policies_[tag] != nullptr || factories_[tag] == nullptr) return;
    for (size_t other = 0; other < kMergeTags; ++other) {
      if (factories_[other] == factories_[tag] && policies_[other] != nullptr) policies_[tag] = policies_[other];
    }
    if (policies_[tag] == nullptr) policies_[tag] = factories_[tag]();
  }

  Status one(std::string_view key, std::string_view base, std::string_view source) {
    STRATA_TRY(work_.ask());
    STRATA_ASSIGN(const model::SplitKey parts, parts_of(key));
    const auto tag = static_cast<size_t>(parts.tag);
    if (tag >= kMergeTags) return Status::error(Code::kCorruption, "a key of a tree has an unknown tag");
    make(tag);
    if (policies_[tag] == nullptr) return Status::ok();
    const Status merged = policies_[tag]->merge(work_, {key, parts, base, source});
    work_.values().forget();
    return merged;
  }

  MergeWork& work_;
  const MergePolicies& factories_;
  std::array<std::shared_ptr<MergePolicy>, kMergeTags> policies_;
};

class Merger {
 public:
  Merger(txn::Engine& engine, Catalogue& catalogue, const MergePolicies& policies, const MergeRequest& request,
         const KeepOn* keep_on)
      : engine_(engine), catalogue_(catalogue), policies_(policies), request_(request), keep_on_(keep_on) {}

  Status run(MergeResult* result) {
    STRATA_ASSIGN(source_, catalogue_.find(request_.source));
    STRATA_ASSIGN(target_, catalogue_.find(request_.target));
    if (source_ == target_) {
      return Status::error(Code::kMergeIntoItself,
                           "branch '" + std::string(request_.source) + "' cannot be merged into itself",
                           "name two branches");
    }
    for (int attempt = 0; attempt < kFreeAttempts || request_.dry_run; ++attempt) {
      STRATA_ASSIGN(const bool over, attempt_freely(result));
      if (over) return Status::ok();
    }
    STRATA_TRY(engine_.have_room());
    const txn::CommitLock held = engine_.lock();
    return attempt_locked(held, result);
  }

 private:
  // False: a branch was changed meanwhile.
  Result<bool> attempt_freely(MergeResult* result) {
    std::unique_ptr<MergeWork> work;
    {
      std::optional<tree::ReadGuard> guard;
      MergeSides sides;
      {
        const txn::CommitLock held = engine_.lock();
        guard.emplace(engine_.forest());
        STRATA_TRY(look(held, &sides));
      }
      STRATA_ASSIGN(work, work_out(sides, keep_on_, result));
    }
    if (!work) return true;
    STRATA_TRY(engine_.have_room());
    const txn::CommitLock held = engine_.lock();
    STRATA_TRY(engine_.settle(held));
    const bool unchanged =
        source_->tip.commit == work->sides().source.commit && target_->tip.commit == work->sides().target.commit;
    if (!unchanged) return false;
    STRATA_TRY(commit(held, *work, result));
    return true;
  }

  Status attempt_locked(const txn::CommitLock& held, MergeResult* result) {
    STRATA_TRY(engine_.settle(held));
    const tree::ReadGuard guard(engine_.forest());
    MergeSides sides;
    STRATA_TRY(look(held, &sides));
    STRATA_ASSIGN(const std::unique_ptr<MergeWork> work, work_out(sides, nullptr, result));
    return work ? commit(held, *work, result) : Status::ok();
  }

  Status look(const txn::CommitLock& held, MergeSides* sides) {
    STRATA_TRY(txn::check_alive(*source_));
    STRATA_TRY(txn::check_alive(*target_));
    sides->base = catalogue_.ancestor(held, *source_, *target_);
    sides->source = source_->visible.load();
    sides->target = target_->visible.load();
    return Status::ok();
  }

  // Null: there is nothing to be committed, and *result is the answer.
  Result<std::unique_ptr<MergeWork>> work_out(const MergeSides& sides, const KeepOn* keep_on, MergeResult* result) {
    attempt_ = request_;
    const MergeSeen seen{sides.source.commit, sides.target.commit};
    if (attempt_.answers != nullptr && !(attempt_.answered == seen)) attempt_.answers = nullptr;
    auto work = std::make_unique<MergeWork>(engine_, attempt_, sides, keep_on);
    STRATA_TRY(MergeRun(*work, policies_).run());
    *result = MergeResult();
    result->seen = seen;
    result->conflicts = work->take_conflicts();
    const bool unanswered = attempt_.strategy == MergeStrategy::kAnswers && attempt_.answers == nullptr;
    if (unanswered && !result->conflicts.empty()) return std::unique_ptr<MergeWork>();
    if (attempt_.strategy == MergeStrategy::kStrict && !result->conflicts.empty() && !request_.dry_run) {
      return refuse(result->conflicts);
    }
    result->done = true;
    std::set<std::string_view> spaces;
    for (const txn::Write& write : work->writes().ordered()) {
      STRATA_ASSIGN(const model::SplitKey parts, parts_of(write.key));
      if (is_counted(parts.tag)) ++result->keys_applied;
      spaces.insert(parts.space);
    }
    result->spaces_merged = spaces.size();
    result->version = sides.target.commits;
    result->timestamp = sides.target.timestamp;
    if (request_.dry_run) return std::unique_ptr<MergeWork>();
    return work;
  }

  Status refuse(const std::vector<MergeConflict>& conflicts) const {
    const EntityName& first = conflicts[0].entity;
    return Status::error(Code::kMergeConflict,
                         "merge of '" + std::string(request_.source) + "' into '" + std::string(request_.target) +
                             "': " + std::to_string(conflicts.size()) + " conflicts, the first at " +
                             std::string(first.primitive) + " '" + first.key + "' in space '" + first.space + "'",
                         "choose a strategy: source, target or last_writer_wins");
  }

  // REQUIRES: both branches are as the work saw them.
  Status commit(const txn::CommitLock& held, const MergeWork& work, MergeResult* result) {
    STRATA_TRY(txn::check_alive(*source_));
    const uint64_t now = engine_.last_timestamp(held);
    const std::string payload = encode_merge({source_->origin.id, now});
    txn::CommitRequest request;
    request.branch = &target_;
    request.writes = work.writes().ordered();
    request.payload = payload;
    request.even_if_empty = true;
    STRATA_ASSIGN(const txn::CommitOutcome outcome, engine_.commit(held, request));
    catalogue_.note_merge(held, *source_, *target_, now);
    result->timestamp = outcome.timestamp;
    result->version = target_->tip.commits;
    return Status::ok();
  }

  txn::Engine& engine_;
  Catalogue& catalogue_;
  const MergePolicies& policies_;
  const MergeRequest& request_;
  const KeepOn* keep_on_;
  MergeRequest attempt_;  // the request, without answers that are about another state
  txn::BranchPtr source_;
  txn::BranchPtr target_;
};

}  // namespace

Status merge_branches(txn::Engine& engine, Catalogue& catalogue, const MergePolicies& policies,
                      const MergeRequest& request, const KeepOn* keep_on, MergeResult* result) {
  return Merger(engine, catalogue, policies, request, keep_on).run(result);
}

}  // namespace strata::branch
