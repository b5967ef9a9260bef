// The engine and the oracle side by side: does random work on both.
//
// Thread safety: none. Ownership: borrows file system and clock; owns its session.
#pragma once

#include <algorithm>
#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "comparison.h"
#include "db/session_impl.h"
#include "model/vector_codec.h"
#include "strata/branch.h"
#include "strata/bundle.h"
#include "strata/event.h"
#include "strata/json.h"
#include "strata/kv.h"
#include "strata/session.h"
#include "strata/space.h"
#include "strata/state.h"
#include "strata/value.h"
#include "strata/vector.h"
#include "testing/model_db.h"
#include "testing/random_ops.h"
#include "vector_check.h"

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
  // Of vectors: segments so large get a graph, and a file.
  uint32_t graph_rows = 8;
  uint32_t saved_rows = 3;
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
    this->database().caches().vectors().set_options({options_.graph_rows, options_.saved_rows});
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
        work_on_caches(1);
        return false;
      case Kind::kCheckpoint:
        STRATA_TRY(database().checkpoint());
        work_on_caches(101);  // so long that what nobody searches is let go
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
      case Kind::kSearch:
        STRATA_TRY(search(op, model));
        return false;
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

  // What runs in the background elsewhere.
  void work_on_caches(int ticks) {
    derived::Caches& caches = database().caches();
    for (int i = 0; i < ticks; ++i) caches.tick();
    caches.worker().run_waiting();
  }

  Status search(const testing::RandomOp& op, const testing::ModelDb& model) {
    const testing::ModelBranch& branch = model.branch(op.branch);
    const std::vector<std::string> spaces = branch.spaces(op.as_of);
    if (std::find(spaces.begin(), spaces.end(), op.space) == spaces.end()) return Status::ok();
    Call call(*session_, Call::kWait);
    STRATA_TRY(call.entered());
    STRATA_TRY(call.branch_use(op.branch));
    STRATA_TRY(call.space_use(op.space));
    return VectorCheck(call, describe(op), op.as_of)
        .searches(op.collection, branch.collection(op.space, op.collection, op.as_of), branch.commits);
  }

  // Inside the transaction, of the collection that it wrote to last: what it wrote itself takes part.
  static Status search_own_writes(Call& call, const testing::RandomOp& op, const testing::ModelBranch& branch) {
    using Family = testing::ModelFamily;
    const auto is_vector = [](const testing::ModelWrite& write) {
      return write.family == Family::kVector || write.family == Family::kCollection;
    };
    const auto last = std::find_if(op.writes.rbegin(), op.writes.rend(), is_vector);
    if (last == op.writes.rend()) return Status::ok();
    const std::string collection = last->family == Family::kVector ? testing::collection_of(last->key) : last->key;
    STRATA_TRY(call.space_use(last->space));
    return VectorCheck(call, "in a " + describe(op), std::nullopt)
        .searches(collection, branch.collection_after(last->space, collection, op.writes), branch.commits);
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
      Status written = write_each(call, op);
      if (written.is_ok()) written = search_own_writes(call, op, model.branch(op.branch));
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
      case testing::ModelFamily::kCollection:
        return create_collection(call, write.key, *write.value);
      case testing::ModelFamily::kVector:
        return upsert(call, write.key, *write.value);
      default:
        return Kv(call).put(write.key, *write.value);
    }
  }

  static Status erase(Call& call, const testing::ModelWrite& write) {
    if (write.family == testing::ModelFamily::kCell) return State(call).erase(write.key).status();
    if (write.family == testing::ModelFamily::kDocument) return Json(call).erase(write.key, "$").status();
    if (write.family == testing::ModelFamily::kCollection) return Vectors(call).erase_collection(write.key).status();
    if (write.family == testing::ModelFamily::kVector) {
      const std::string collection = testing::collection_of(write.key);
      return Vectors(call).erase(collection, write.key.substr(collection.size() + 1)).status();
    }
    return Kv(call).erase(write.key).status();
  }

  // Whole, or the only member that documents of this work have, which comes to the same.
  static Result<uint64_t> put_document(Call& call, std::string_view key, std::string_view value) {
    if (value.size() % 2 == 0) return Json(call).set(key, "$", value);
    STRATA_ASSIGN(const auto member, ValueView(value).find("v"));
    return Json(call).set(key, "$.v", member->bytes());
  }

  static Result<uint64_t> create_collection(Call& call, std::string_view name, std::string_view value) {
    const auto definition = model::parse_collection(value);
    if (!definition) return disagreement("a definition that is none");
    return Vectors(call).create_collection(name, definition->dimension, definition->metric);
  }

  // A vector in the form that Vectors takes.
  struct Upsert {
    std::string key;
    std::vector<float> components;
    std::string_view metadata;

    static Result<Upsert> of(const std::string& key, std::string_view value) {
      model::VectorView view;
      STRATA_TRY(model::read_vector(value, &view));
      Upsert upsert{key.substr(testing::collection_of(key).size() + 1), std::vector<float>(view.dimension),
                    view.metadata};
      view.copy(upsert.components.data());
      return upsert;
    }
    VectorItem item() const { return {key, components, metadata}; }
  };

  // Some after what must be refused and change nothing.
  static Result<uint64_t> upsert(Call& call, const std::string& key, std::string_view value) {
    const std::string collection = testing::collection_of(key);
    STRATA_ASSIGN(Upsert upsert, Upsert::of(key, value));
    if (upsert.components[0] > 0) {
      const Status again = Vectors(call).create_collection(collection, 7, VectorMetric::kCosine).status();
      if (again.is_ok()) return disagreement("a collection was made twice");
      if (again.code() != Code::kCollectionExists) return again;
      upsert.components.push_back(1);
      const VectorItem longer = upsert.item();
      const Status refused = Vectors(call).upsert(collection, {&longer, 1}, false).status();
      if (refused.is_ok()) return disagreement("a vector of another dimension was taken");
      if (refused.code() != Code::kDimensionMismatch) return refused;
      upsert.components.pop_back();
    }
    const VectorItem item = upsert.item();
    STRATA_ASSIGN(const std::vector<uint64_t> versions, Vectors(call).upsert(collection, {&item, 1}, false));
    return versions[0];
  }

  Status upsert_batch(Call& call, const testing::RandomOp& op) {
    std::vector<Upsert> upserts;
    std::vector<VectorItem> items;
    upserts.reserve(op.writes.size());
    for (const auto& write : op.writes) {
      STRATA_ASSIGN(Upsert upsert, Upsert::of(write.key, *write.value));
      upserts.push_back(std::move(upsert));
      items.push_back(upserts.back().item());
    }
    STRATA_ASSIGN(versions_, Vectors(call).upsert(testing::collection_of(op.writes[0].key), items, true));
    return Status::ok();
  }

  Status put_batch(Call& call, const testing::RandomOp& op) {
    STRATA_TRY(call.space_use(op.writes[0].space));
    if (op.writes[0].family == testing::ModelFamily::kVector) return upsert_batch(call, op);
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

}  // namespace strata
