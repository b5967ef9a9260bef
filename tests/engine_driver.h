// The engine and the oracle side by side: does random work on both, and compares them.
//
// Thread safety: none. Ownership: borrows file system and clock; owns its session.
#pragma once

#include <algorithm>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "db/session_impl.h"
#include "strata/branch.h"
#include "strata/bundle.h"
#include "strata/event.h"
#include "strata/json.h"
#include "strata/kv.h"
#include "strata/session.h"
#include "strata/space.h"
#include "strata/state.h"
#include "strata/value.h"
#include "testing/model_db.h"
#include "testing/random_ops.h"

namespace strata {

// Segments, units and caches so small that a short test goes over all of their ends.
struct DriverOptions {
  os::FileSystem* fs = nullptr;
  os::Clock* clock = nullptr;
  std::string folder = "db";
  uint64_t database_id = 0x5742415441444221;
  Durability durability = Durability::kBuffered;
  uint64_t segment_bytes = 16u << 10;
  uint64_t first_segment_bytes = 8u << 10;
  uint64_t unit_bytes = 48u << 10;
  uint64_t checkpoint_log_bytes = 24u << 10;
  size_t cache_bytes = 256u << 10;
  size_t rows_of_a_slice = branch::kRowsOfASlice;
};

class EngineDriver {
  using Kind = testing::RandomOp::Kind;

 public:
  explicit EngineDriver(const DriverOptions& options) : options_(options) {}

  Status open(bool read_only = false) {
    db::DatabaseOptions database;
    database.fs = options_.fs;
    database.clock = options_.clock;
    database.folder = options_.folder;
    database.database_id = options_.database_id;
    database.segment_bytes = options_.segment_bytes;
    database.first_segment_bytes = options_.first_segment_bytes;
    database.unit_bytes = options_.unit_bytes;
    database.checkpoint_log_bytes = options_.checkpoint_log_bytes;
    database.background = false;
    OpenOptions open;
    open.durability = options_.durability;
    open.read_only = read_only;
    open.cache_bytes = options_.cache_bytes;
    STRATA_ASSIGN(session_, db::SessionAccess::open(database, open));
    this->database().catalogue().set_rows_of_a_slice(options_.rows_of_a_slice);
    return Status::ok();
  }
  Status close() {
    const Status status = session_->close();
    session_.reset();
    return status;
  }
  bool is_open() const { return session_ != nullptr; }
  Session& session() { return *session_; }
  db::Database& database() { return db::SessionAccess::database(*session_); }
  // When a branch was last changed: kept history is counted back from then.
  uint64_t last_change() {
    uint64_t last = 0;
    for (const txn::BranchPtr& branch : database().catalogue().all()) {
      last = std::max(last, branch->visible.load().timestamp);
    }
    return last;
  }
  Result<uint64_t> timestamp() const {
    STRATA_ASSIGN(const DatabaseInfo info, session_->info());
    return info.commit_timestamp;
  }

  // Does it on the engine, and on the oracle if it succeeded. *changed: whether there is a new state.
  // Errors: the engine's; kConstraint_… of the engine's own; kInvalidArgument where the two disagree.
  Status run(const testing::RandomOp& op, testing::ModelDb* model, bool* changed) {
    *changed = false;
    versions_.clear();
    before_ = last_change();
    STRATA_ASSIGN(time_before_, timestamp());
    Result<bool> done = on_engine(op, *model);
    STRATA_TRY(done.status());
    if (!*done) return Status::ok();
    STRATA_ASSIGN(const uint64_t now, timestamp());
    *changed = true;
    on_model(op, now, model);
    return check_versions(op, *model);
  }

  std::string bundle_path() const { return options_.folder + "/copy.bundle"; }

  // What the work changes, as a commit of that time.
  void on_model(const testing::RandomOp& op, uint64_t now, testing::ModelDb* model) const {
    switch (op.kind) {
      case Kind::kCreateBranch:
        return model->create_branch(op.branch, now);
      case Kind::kFork:
        return model->fork(op.source, op.branch, fork_timestamp_, now);
      case Kind::kRemoveBranch:
        return model->remove_branch(op.branch);
      case Kind::kCopy:
        return model->copy_branch(op.source, op.branch, now);
      case Kind::kDelta:
        return model->add_delta(model->branch(op.source), op.branch, now);
      case Kind::kRevert:
        return model->revert(op.branch, *op.as_of, now);
      case Kind::kCompact:
        return model->trim(before_ - *op.keep_micros);
      case Kind::kMerge:
        model->merge({op.source, op.branch, op.strategy}, time_before_, now);
        return;
      case Kind::kRemoveSpace:
        return model->remove_space(op.branch, op.space, now);
      default:
        return model->write(op.branch, op.writes, now);
    }
  }

 private:
  static Status disagreement(const std::string& text) { return Status::error(Code::kInvalidArgument, text); }

  // Whether a commit was made.
  Result<bool> on_engine(const testing::RandomOp& op, const testing::ModelDb& model) {
    switch (op.kind) {
      case Kind::kFlush:
        STRATA_TRY(session_->flush());
        return false;
      case Kind::kCheckpoint:
        STRATA_TRY(database().checkpoint());
        return false;
      case Kind::kCompact:
        STRATA_TRY(session_->compact(op.keep_micros, nullptr).status());
        return op.keep_micros.has_value();
      case Kind::kReopen:
        STRATA_TRY(close());
        STRATA_TRY(open());
        return false;
      case Kind::kCreateBranch:
      case Kind::kFork:
      case Kind::kRemoveBranch:
        return branch_op(op);
      case Kind::kMerge:
        STRATA_TRY(merge(op, model));
        return true;
      case Kind::kCopy:
        return copy_op(op, std::nullopt);
      case Kind::kDelta:
        return copy_op(op, op.as_of);
      case Kind::kRevert:
        return revert_op(op, model);
      default:
        return write_op(op, model);
    }
  }

  Result<bool> branch_op(const testing::RandomOp& op) {
    Call call(*session_, Call::kWait);
    STRATA_TRY(call.entered());
    STRATA_TRY(call.branch_use("default"));
    Branches branches(call);
    if (op.kind == Kind::kCreateBranch) {
      STRATA_TRY(branches.create(op.branch));
    } else if (op.kind == Kind::kRemoveBranch) {
      STRATA_TRY(branches.remove(op.branch));
    } else {
      STRATA_ASSIGN(const ForkResult forked, branches.fork(op.source, op.branch, op.as_of));
      fork_timestamp_ = forked.timestamp;
    }
    return true;
  }

  // First tried, then done: the same answer, and the oracle's.
  Status merge(const testing::RandomOp& op, const testing::ModelDb& model) {
    static constexpr MergeStrategy kStrategies[] = {MergeStrategy::kLastWriterWins, MergeStrategy::kSource,
                                                    MergeStrategy::kTarget};
    MergeRequest request;
    request.source = op.source;
    request.target = op.branch;
    request.strategy = kStrategies[static_cast<size_t>(op.strategy)];
    const testing::ModelMerge expected = model.try_merge({op.source, op.branch, op.strategy});
    Call call(*session_, Call::kWait);
    STRATA_TRY(call.entered());
    for (const bool dry_run : {true, false}) {
      request.dry_run = dry_run;
      MergeResult result;
      STRATA_TRY(Branches(call).merge(request, &result));
      const testing::ModelMerge found{result.keys_applied, result.spaces_merged, result.conflicts.size()};
      if (found == expected) continue;
      return disagreement("a merge applied " + std::to_string(found.keys_applied) + " keys in " +
                          std::to_string(found.spaces_merged) + " spaces with " + std::to_string(found.conflicts) +
                          " conflicts, not " + std::to_string(expected.keys_applied) + ", " +
                          std::to_string(expected.spaces_merged) + " and " + std::to_string(expected.conflicts));
    }
    return Status::ok();
  }

  // The bundle stays, and is replaced by the next one.
  Result<bool> copy_op(const testing::RandomOp& op, AsOf since) {
    const std::string path = bundle_path();
    Bundles bundles(*session_);
    STRATA_ASSIGN(const ExportReport written, bundles.write(op.source, path, since, nullptr));
    STRATA_ASSIGN(const ImportReport read, bundles.import(path, op.branch, nullptr));
    if (written.entry_count == read.entry_count) return true;
    return disagreement("a bundle was written with " + std::to_string(written.entry_count) + " entries and read with " +
                        std::to_string(read.entry_count));
  }

  Result<bool> revert_op(const testing::RandomOp& op, const testing::ModelDb& model) {
    Call call(*session_, Call::kWait);
    STRATA_TRY(call.entered());
    STRATA_ASSIGN(const RevertResult reverted, Branches(call).revert(op.branch, *op.as_of));
    const bool changed = reverted.version != model.branch(op.branch).commits;
    if (changed != model.is_as_at(op.branch, *op.as_of)) return changed;
    return disagreement("going back was " + std::string(changed ? "a" : "no") + " commit");
  }

  Result<bool> write_op(const testing::RandomOp& op, const testing::ModelDb& model) {
    Call call(*session_, Call::kWait);
    STRATA_TRY(call.entered());
    STRATA_TRY(call.branch_use(op.branch));
    if (op.kind == Kind::kRemoveSpace) {
      STRATA_TRY(call.space_use("default"));
      STRATA_TRY(Spaces(call).remove(op.space, true));
      return true;
    }
    if (op.kind == Kind::kTransaction || op.kind == Kind::kRollback) {
      STRATA_TRY(call.begin(false, Isolation::kSerializable, std::nullopt));
      const Status written = write_each(call, op);
      if (!written.is_ok() || op.kind == Kind::kRollback) {
        STRATA_TRY(call.rollback());
        STRATA_TRY(written);
        return false;
      }
      STRATA_TRY(call.commit("random work").status());
    } else if (op.kind == Kind::kPutBatch) {
      STRATA_TRY(put_batch(call, op));
    } else {
      STRATA_TRY(write_each(call, op));
    }
    return model.changes(op.branch, op.writes);
  }

  Status write_each(Call& call, const testing::RandomOp& op) {
    for (const testing::ModelWrite& write : op.writes) {
      STRATA_TRY(call.space_use(write.space));
      if (write.value.has_value()) {
        STRATA_ASSIGN(const uint64_t answer, put(call, write));
        versions_.push_back(answer);
      } else {
        STRATA_TRY(erase(call, write));
        versions_.push_back(0);
      }
    }
    return Status::ok();
  }

  static Result<uint64_t> put(Call& call, const testing::ModelWrite& write) {
    switch (write.family) {
      case testing::ModelFamily::kEvent:
        return Events(call).append(write.key, *write.value);
      case testing::ModelFamily::kCell:
        return swap(call, write.key, *write.value);
      case testing::ModelFamily::kDocument:
        return put_document(call, write.key, *write.value);
      default:
        return Kv(call).put(write.key, *write.value);
    }
  }

  static Status erase(Call& call, const testing::ModelWrite& write) {
    if (write.family == testing::ModelFamily::kCell) return State(call).erase(write.key).status();
    if (write.family == testing::ModelFamily::kDocument) return Json(call).erase(write.key, "$").status();
    return Kv(call).erase(write.key).status();
  }

  // Whole, or the only member that documents of this work have, which comes to the same.
  static Result<uint64_t> put_document(Call& call, std::string_view key, std::string_view value) {
    if (value.size() % 2 == 0) return Json(call).set(key, "$", value);
    STRATA_ASSIGN(const auto member, ValueView(value).find("v"));
    return Json(call).set(key, "$.v", member->bytes());
  }

  Status put_batch(Call& call, const testing::RandomOp& op) {
    STRATA_TRY(call.space_use(op.writes[0].space));
    if (op.writes[0].family == testing::ModelFamily::kEvent) {
      std::vector<Events::Item> items;
      for (const auto& write : op.writes) items.push_back({write.key, *write.value});
      STRATA_ASSIGN(const uint64_t first, Events(call).append_batch(items));
      for (size_t i = 0; i < items.size(); ++i) versions_.push_back(first + i);
      return Status::ok();
    }
    std::vector<Kv::Item> items;
    for (const auto& write : op.writes) items.push_back({write.key, *write.value});
    STRATA_ASSIGN(versions_, Kv(call).put_batch(items));
    return Status::ok();
  }

  // Writes a cell by a comparison with a version that it does not have, whose answer says which one it has.
  static Result<uint64_t> swap(Call& call, std::string_view cell, std::string_view value) {
    Expected expected;
    expected.version = UINT64_MAX;
    Mismatch found;
    const Status refused = State(call).compare_and_swap(cell, value, expected, &found).status();
    if (refused.is_ok()) return disagreement("a cell had a version that none has");
    if (refused.code() != Code::kCasMismatch) return refused;
    if (found.version % 2 == 0) {
      expected.version = found.version;
    } else {
      expected = {found.value, std::nullopt};
    }
    return State(call).compare_and_swap(cell, value, expected, &found);
  }

  // The versions and sequences that writes answered.
  Status check_versions(const testing::RandomOp& op, const testing::ModelDb& model) const {
    for (size_t i = 0; i < versions_.size(); ++i) {
      const testing::ModelWrite& write = op.writes[i];
      if (!write.value.has_value()) continue;
      if (write.family == testing::ModelFamily::kEvent) {
        const auto log = model.branch(op.branch).events(write.space, {});
        const bool there = versions_[i] < log.size() && log[versions_[i]]->payload == *write.value;
        if (!there) return disagreement("append of " + write.key + " answered " + std::to_string(versions_[i]));
        continue;
      }
      const testing::ModelVersion* expected = model.branch(op.branch).find(write.space, write.key, {}, write.family);
      // Put and erased in one transaction, after not being there: nothing was written.
      if (expected == nullptr) continue;
      if (expected->version != versions_[i] && expected->value.has_value()) {
        return disagreement("put of " + write.key + " answered version " + std::to_string(versions_[i]) + ", not " +
                            std::to_string(expected->version));
      }
    }
    return Status::ok();
  }

  const DriverOptions options_;
  std::unique_ptr<Session> session_;
  std::vector<uint64_t> versions_;
  uint64_t fork_timestamp_ = 0;
  uint64_t before_ = 0;       // the last change's time when the work began
  uint64_t time_before_ = 0;  // the last commit's, of whatever kind
};

// The reclaim oracle: what is in use is what a mark over all roots and pins reaches, once shared garbage was collected.
inline Status audit_nodes(db::Database& database) {
  const txn::CommitLock held = database.engine().lock();
  std::vector<tree::Root> roots = database.catalogue().roots(held);
  roots.push_back(database.engine().evacuated());
  STRATA_ASSIGN(const tree::Forest::Audit before, database.forest().audit(roots));
  STRATA_TRY(database.forest().collect(roots));
  STRATA_ASSIGN(const tree::Forest::Audit after, database.forest().audit(roots));
  if (!before.problems.empty()) return Status::error(Code::kInvalidArgument, "audit: " + before.problems[0]);
  if (!after.problems.empty()) {
    return Status::error(Code::kInvalidArgument, "audit after collection: " + after.problems[0]);
  }
  if (after.leaked_pages == 0) return Status::ok();
  return Status::error(Code::kInvalidArgument, std::to_string(after.leaked_pages) + " pages leaked");
}

// Compares what the engine answers with the oracle; says what differs first, or nothing.
class Comparison {
 public:
  Comparison(Session& session, const testing::ModelDb& model) : session_(session), model_(model) {}

  // Everything of the present, histories of all keys, and the past at each of the moments.
  std::optional<std::string> all(const std::vector<uint64_t>& moments) {
    const Status status = branches(moments);
    if (status.is_ok()) return std::nullopt;
    return status.to_string();
  }

 private:
  static constexpr size_t kEachOf = 5;  // of what takes a call each

  static Status differ(const std::string& where, const std::string& what) {
    return Status::error(Code::kInvalidArgument, where + ": " + what);
  }

  static std::string joined(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += " " + name;
    return text;
  }

  Status branches(const std::vector<uint64_t>& moments) {
    Call call(session_, Call::kWait);
    STRATA_TRY(call.entered());
    std::vector<std::string> expected;
    for (const auto& [name, branch] : model_.branches()) expected.push_back(name);
    STRATA_ASSIGN(const std::vector<std::string> names, Branches(call).list());
    if (names != expected)
      return differ("branches", std::to_string(names.size()) + " are there, not " + std::to_string(expected.size()));
    for (const auto& [name, branch] : model_.branches()) {
      STRATA_TRY(info(call, name, branch));
      STRATA_TRY(call.branch_use(name));
      STRATA_TRY(moment(call, name, branch, std::nullopt));
      for (const uint64_t at : moments) {
        if (at >= branch.trimmed_before) STRATA_TRY(moment(call, name, branch, at));
      }
      STRATA_TRY(histories(call, name, branch));
      STRATA_TRY(diffs(call, name, moments));
    }
    return call.branch_use("default");
  }

  // With the branch behind it in their list, now and at those moments that both still know.
  Status diffs(Call& call, const std::string& name, const std::vector<uint64_t>& moments) {
    auto other = model_.branches().upper_bound(name);
    if (other == model_.branches().end()) other = model_.branches().begin();
    const uint64_t known = std::max(other->second.trimmed_before, model_.branch(name).trimmed_before);
    STRATA_TRY(diff(call, name, other->first, std::nullopt));
    for (const uint64_t at : moments) {
      if (at >= known) STRATA_TRY(diff(call, name, other->first, at));
    }
    return Status::ok();
  }

  Status diff(Call& call, const std::string& a, const std::string& b, AsOf at) {
    const std::string where = "diff of " + a + " and " + b + " as of " + (at ? std::to_string(*at) : "now");
    STRATA_ASSIGN(const DiffResult found, Branches(call).diff({a, b, {}, at}));
    const testing::ModelDiff expected = model_.diff(a, b, at);
    if (testing::ModelDiff{found.added, found.removed, found.modified} == expected &&
        found.entries.size() == expected.added + expected.removed + expected.modified) {
      return Status::ok();
    }
    return differ(where, std::to_string(found.added) + ", " + std::to_string(found.removed) + ", " +
                             std::to_string(found.modified) + " added, removed and modified, not " +
                             std::to_string(expected.added) + ", " + std::to_string(expected.removed) + ", " +
                             std::to_string(expected.modified));
  }

  Status info(Call& call, const std::string& name, const testing::ModelBranch& branch) {
    STRATA_ASSIGN(const std::optional<BranchInfo> found, Branches(call).get(name));
    if (!found.has_value()) return differ(name, "no information");
    if (found->key_count != branch.key_count()) {
      return differ(name,
                    "key_count " + std::to_string(found->key_count) + ", not " + std::to_string(branch.key_count()));
    }
    if (found->version != branch.commits) {
      return differ(name, "version " + std::to_string(found->version) + ", not " + std::to_string(branch.commits));
    }
    if (found->parent != branch.parent) return differ(name, "another parent");
    if (found->fork_timestamp != branch.fork_timestamp) return differ(name, "another fork_timestamp");
    STRATA_ASSIGN(const std::vector<CommitInfo> commits, Branches(call).log(name, std::nullopt));
    const std::vector<uint64_t> times = branch.log();
    bool same_log = commits.size() == times.size();
    for (size_t i = 0; same_log && i < times.size(); ++i) same_log = commits[i].timestamp == times[i];
    if (!same_log) {
      return differ(name, "a log of " + std::to_string(commits.size()) + " commits, not of " +
                              std::to_string(times.size()) + ", cut at " + std::to_string(branch.trimmed_before));
    }
    if (branch.created_at != 0 && found->created_at != branch.created_at) return differ(name, "another created_at");
    return Status::ok();
  }

  Status moment(Call& call, const std::string& name, const testing::ModelBranch& branch, AsOf at) {
    const std::string where = name + " as of " + (at.has_value() ? std::to_string(*at) : "now");
    STRATA_ASSIGN(const std::vector<std::string> spaces, Spaces(call).list(at));
    if (spaces != branch.spaces(at))
      return differ(where, "spaces" + joined(spaces) + ", not" + joined(branch.spaces(at)));
    for (const std::string& space : spaces) {
      STRATA_TRY(call.space_use(space));
      KvScan scan;
      scan.as_of = at;
      RowList rows;
      STRATA_TRY(Kv(call).scan(scan, &rows));
      const auto expected = branch.scan(space, "", at);
      STRATA_ASSIGN(const uint64_t count, Kv(call).count("", at));
      if (count != expected.size() || rows.size() != expected.size()) {
        return differ(where, space + " has " + std::to_string(rows.size()) + " keys and counts " +
                                 std::to_string(count) + ", not " + std::to_string(expected.size()));
      }
      for (size_t i = 0; i < rows.size(); ++i) {
        const auto& [key, version] = expected[i];
        if (rows.key(i) != key) return differ(where, "key " + std::string(rows.key(i)) + " in place of " + key);
        STRATA_TRY(same(where + " " + space + "/" + key, rows, i, *version));
      }
      STRATA_TRY(cells(call, where + " " + space, branch, space, at));
      STRATA_TRY(documents(call, where + " " + space, branch, space, at));
      STRATA_TRY(events(call, where + " " + space, branch.events(space, at), at));
      STRATA_TRY(single_keys(call, where + " " + space + "/", branch, space, at));
      STRATA_TRY(single_events(call, where + " " + space, branch.events(space, at), at));
      if (at) STRATA_TRY(histories_of_space(call, where + " " + space + "/", branch, space, at));
    }
    for (const char* space : {"default", "notes", "a", "never"}) {
      STRATA_ASSIGN(const bool found, Spaces(call).exists(space, at));
      if (found != (std::find(spaces.begin(), spaces.end(), space) != spaces.end())) {
        return differ(where, std::string("whether there is a space ") + space);
      }
    }
    return Status::ok();
  }

  // What lists do not show, of some of the keys.
  static Status single_keys(Call& call, const std::string& where, const testing::ModelBranch& branch,
                            const std::string& space, AsOf at) {
    const std::vector<std::string> ever = branch.keys_ever(space);
    std::vector<std::string_view> asked;
    std::string value;
    for (size_t i = at.value_or(0) % kEachOf; i < ever.size(); i += kEachOf) {
      const testing::ModelVersion* expected = branch.get(space, ever[i], at);
      STRATA_ASSIGN(const bool exists, Kv(call).exists(ever[i], at));
      STRATA_ASSIGN(const auto found, Kv(call).get(ever[i], at, &value));
      const bool there = expected != nullptr;
      if (exists != there || found.has_value() != there) return differ(where + ever[i], "whether it is there");
      if (there && (value != *expected->value || found->version != expected->version ||
                    found->timestamp != expected->timestamp)) {
        return differ(where + ever[i], "another version");
      }
      asked.push_back(ever[i]);
    }
    RowList rows;
    STRATA_TRY(Kv(call).get_batch(asked, at, &rows));
    if (rows.size() != asked.size()) return differ(where, "a batch of another size");
    for (size_t i = 0; i < rows.size(); ++i) {
      const testing::ModelVersion* expected = branch.get(space, std::string(asked[i]), at);
      const bool there = rows.entry(i).version != 0;
      if (there != (expected != nullptr) || (there && rows.value(i) != *expected->value)) {
        return differ(where + std::string(asked[i]), "another value in a batch");
      }
    }
    return pages(call, where, branch, space, at);
  }

  static Status pages(Call& call, const std::string& where, const testing::ModelBranch& branch,
                      const std::string& space, AsOf at) {
    const std::string prefix = "key/1";
    std::vector<std::string> seen;
    std::optional<std::string> cursor;
    do {
      KeyList page;
      std::optional<std::string> next;
      STRATA_TRY(
          Kv(call).page(prefix, 3, cursor ? std::optional<std::string_view>(*cursor) : std::nullopt, at, &page, &next));
      for (size_t i = 0; i < page.size(); ++i) seen.emplace_back(page[i]);
      cursor = std::move(next);
    } while (cursor);
    const auto expected = branch.scan(space, prefix, at);
    bool equal = seen.size() == expected.size();
    for (size_t i = 0; equal && i < seen.size(); ++i) equal = seen[i] == expected[i].first;
    return equal ? Status::ok() : differ(where, "other pages of keys" + joined(seen));
  }

  static Status single_events(Call& call, const std::string& where,
                              const std::vector<const testing::ModelEvent*>& expected, AsOf at) {
    for (uint64_t sequence = at.value_or(0) % kEachOf; sequence < expected.size() + kEachOf; sequence += kEachOf) {
      EventList found;
      STRATA_ASSIGN(const bool there, Events(call).get(sequence, at, &found));
      if (there != (sequence < expected.size()) || (there && found[0].payload != expected[sequence]->payload)) {
        return differ(where, "another event " + std::to_string(sequence));
      }
    }
    if (expected.empty()) return Status::ok();
    EventQuery query;
    query.as_of = at;
    query.since = expected[expected.size() / 3]->timestamp;
    query.until = expected[expected.size() / 2]->timestamp;
    const auto chosen =
        static_cast<size_t>(std::count_if(expected.begin(), expected.end(), [&](const testing::ModelEvent* event) {
          return event->timestamp >= *query.since && event->timestamp <= *query.until;
        }));
    EventList some;
    STRATA_TRY(Events(call).list(query, &some));
    if (some.size() == chosen) return Status::ok();
    return differ(where, std::to_string(some.size()) + " events between " + std::to_string(*query.since) + " and " +
                             std::to_string(*query.until) + ", not " + std::to_string(chosen));
  }

  static Status documents(Call& call, const std::string& where, const testing::ModelBranch& branch,
                          const std::string& space, AsOf at) {
    KeyList rows;
    STRATA_TRY(Json(call).list("", std::nullopt, at, &rows));
    const auto expected = branch.scan(space, "", at, testing::ModelFamily::kDocument);
    if (rows.size() != expected.size()) {
      return differ(where, std::to_string(rows.size()) + " documents, not " + std::to_string(expected.size()));
    }
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto& [key, version] = expected[i];
      if (rows[i] != key) return differ(where, "document " + std::string(rows[i]) + " in place of " + key);
      std::string whole;
      std::string part;
      STRATA_ASSIGN(const auto found, Json(call).get(key, "$", at, &whole));
      if (!found || found->version != version->version || found->timestamp != version->timestamp) {
        return differ(where, "another version of document " + key);
      }
      STRATA_TRY(Json(call).get(key, "$.v", at, &part).status());
      STRATA_ASSIGN(const auto member, ValueView(*version->value).find("v"));
      if (whole != *version->value || part != member->bytes()) return differ(where, "another document " + key);
    }
    return Status::ok();
  }

  static Status cells(Call& call, const std::string& where, const testing::ModelBranch& branch,
                      const std::string& space, AsOf at) {
    KeyList rows;
    STRATA_TRY(State(call).list("", at, &rows));
    const auto expected = branch.scan(space, "", at, testing::ModelFamily::kCell);
    if (rows.size() != expected.size()) {
      return differ(where, std::to_string(rows.size()) + " cells, not " + std::to_string(expected.size()));
    }
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto& [cell, version] = expected[i];
      if (rows[i] != cell) return differ(where, "cell " + std::string(rows[i]) + " in place of " + cell);
      std::string value;
      STRATA_ASSIGN(const auto found, State(call).get(cell, at, &value));
      if (!found || found->version != version->version || found->timestamp != version->timestamp) {
        return differ(where, "another version of cell " + cell);
      }
      if (value != *version->value) return differ(where, "another value in cell " + cell);
    }
    return Status::ok();
  }

  static Status events(Call& call, const std::string& where, const std::vector<const testing::ModelEvent*>& expected,
                       AsOf at) {
    STRATA_ASSIGN(const uint64_t length, Events(call).length(at));
    EventQuery query;
    query.as_of = at;
    EventList all;
    STRATA_TRY(Events(call).list(query, &all));
    if (length != expected.size() || all.size() != expected.size()) {
      return differ(where, std::to_string(all.size()) + " events and a length of " + std::to_string(length) + ", not " +
                               std::to_string(expected.size()));
    }
    std::map<std::string, std::vector<uint64_t>> of_type;
    for (size_t i = 0; i < all.size(); ++i) {
      const EventView event = all[i];
      if (event.sequence != i || event.type != expected[i]->type || event.payload != expected[i]->payload ||
          event.timestamp != expected[i]->timestamp) {
        return differ(where, "another event " + std::to_string(i));
      }
      of_type[expected[i]->type].push_back(i);
    }
    STRATA_ASSIGN(const std::vector<std::string> types, Events(call).types(at));
    if (types.size() != of_type.size()) return differ(where, "types" + joined(types));
    for (const auto& [type, sequences] : of_type) {
      query.type = type;
      EventList some;
      STRATA_TRY(Events(call).list(query, &some));
      bool equal = some.size() == sequences.size();
      for (size_t i = 0; equal && i < some.size(); ++i) equal = some[i].sequence == sequences[i];
      if (!equal) return differ(where, "other events of type " + type);
    }
    STRATA_ASSIGN(const EventVerdict verdict, Events(call).verify(at));
    if (!verdict.valid) return differ(where, "the chain breaks at event " + std::to_string(*verdict.first_bad));
    return Status::ok();
  }

  Status histories(Call& call, const std::string& name, const testing::ModelBranch& branch) {
    for (const std::string& space : branch.spaces({})) {
      STRATA_TRY(call.space_use(space));
      STRATA_TRY(histories_of_space(call, name + " " + space + "/", branch, space, std::nullopt));
    }
    return Status::ok();
  }

  // Of all now, of some as of then.
  static Status histories_of_space(Call& call, const std::string& what, const testing::ModelBranch& branch,
                                   const std::string& space, AsOf at) {
    using Family = testing::ModelFamily;
    const size_t step = at ? kEachOf : 1;
    for (const Family family : {Family::kKey, Family::kCell, Family::kDocument}) {
      const std::vector<std::string> ever = branch.keys_ever(space, family);
      for (size_t i = at.value_or(0) % step; i < ever.size(); i += step) {
        STRATA_TRY(history_of(call, what + ever[i], branch.history(space, ever[i], at, family), family, ever[i], at));
      }
    }
    return Status::ok();
  }

  static Status history_of(Call& call, const std::string& where, const std::vector<testing::ModelVersion>& expected,
                           testing::ModelFamily family, const std::string& key, AsOf at) {
    RowList rows;
    const auto known = family == testing::ModelFamily::kCell       ? State(call).history(key, at, &rows)
                       : family == testing::ModelFamily::kDocument ? Json(call).history(key, at, &rows)
                                                                   : Kv(call).history(key, at, &rows);
    STRATA_TRY(known.status());
    if (rows.size() != expected.size() || *known == expected.empty()) {
      return differ(where + " history",
                    std::to_string(rows.size()) + " versions, not " + std::to_string(expected.size()));
    }
    for (size_t i = 0; i < rows.size(); ++i) STRATA_TRY(same(where + " history", rows, i, expected[i]));
    return Status::ok();
  }

  static Status same(const std::string& where, const RowList& rows, size_t i, const testing::ModelVersion& expected) {
    const RowList::Entry& entry = rows.entry(i);
    if (entry.version != expected.version || entry.timestamp != expected.timestamp) {
      return differ(where, "version " + std::to_string(entry.version) + " of " + std::to_string(entry.timestamp) +
                               ", not " + std::to_string(expected.version) + " of " +
                               std::to_string(expected.timestamp));
    }
    if (entry.deleted == expected.value.has_value()) return differ(where, "deleted or not");
    if (expected.value.has_value() && rows.value(i) != *expected.value) return differ(where, "another value");
    return Status::ok();
  }

  Session& session_;
  const testing::ModelDb& model_;
};

}  // namespace strata
