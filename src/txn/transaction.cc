#include "txn/transaction.h"

#include <algorithm>
#include <array>

#include "base/check.h"
#include "txn/context.h"
#include "txn/row.h"
#include "txn/view.h"

namespace strata::txn {
namespace {

Status check_total(uint64_t before, std::span<const Write> writes) {
  uint64_t bytes = before;
  for (const Write& write : writes) bytes += write.key.size() + write.value.size();
  if (bytes <= kMaxTransactionBytes) return Status::ok();
  return Status::error(Code::kTransactionTooLarge, "the transaction holds more than 1 GiB of writes",
                       "commit in smaller parts");
}

}  // namespace

Transaction::Transaction(Engine& engine, BranchPtr branch, Options options)
    : engine_(engine), branch_(std::move(branch)), options_(std::move(options)) {
  tree::ReadGuard guard(engine_.forest());
  // The time first: a head loaded after it contains every commit of this branch up to that time.
  const uint64_t timestamp = engine_.visible_timestamp();
  base_ = branch_->visible.load();
  timestamp_ = std::max(timestamp, base_.timestamp);
  const std::array<tree::Root, 2> roots = {base_.present, base_.deleted};
  pin_ = engine_.forest().pin(base_.commit, roots);
  ticket_ = engine_.add_snapshot(base_);
}

Transaction::~Transaction() { engine_.remove_snapshot(ticket_); }

void Transaction::note_key(std::string_view key) {
  if (options_.isolation == Isolation::kSerializable) reads_.add_key(key);
}

void Transaction::note_range(std::string_view begin, std::string_view end) {
  if (options_.isolation == Isolation::kSerializable) reads_.add_range(begin, end);
}

// The version that a write of this key will have; whether the snapshot has the key.
Result<uint64_t> Transaction::snapshot_version(std::string_view key, bool* present) {
  *present = true;
  STRATA_ASSIGN(auto bytes, engine_.forest().get(base_.present, key));
  if (!bytes) {
    *present = false;
    STRATA_ASSIGN(bytes, engine_.forest().get(base_.deleted, key));
  }
  if (!bytes) return uint64_t{1};
  RowView row;
  STRATA_TRY(read_row(*bytes, &row));
  if (row.tombstone && row.timestamp <= branch_->trimmed_before.load(std::memory_order_acquire)) return uint64_t{1};
  return row.version + 1;
}

Status Transaction::add(std::span<const Write> writes, std::span<const std::string_view> ensured, uint64_t* versions) {
  STRATA_TRY(check_total(writes_.bytes(), writes));
  const tree::ReadGuard guard(engine_.forest());
  if (writes.size() > 1) writes_.remember();
  for (size_t i = 0; i < writes.size(); ++i) {
    const Status added = add_one(writes[i], &versions[i]);
    if (!added) {
      writes_.rewind();
      return added;
    }
  }
  writes_.forget();
  for (const std::string_view key : ensured) STRATA_TRY(ensure(key));
  return Status::ok();
}

Status Transaction::add_one(const Write& write, uint64_t* version) {
  const Write* own = writes_.find(write.key);
  bool present = false;
  STRATA_ASSIGN(const uint64_t next, snapshot_version(write.key, &present));
  const bool alive = own != nullptr ? !own->tombstone : present;
  *version = write.tombstone && !alive ? 0 : next;
  if (*version == 0) return Status::ok();
  Write planned = write;
  // A deletion of what the snapshot lacks leaves nothing behind; its version says so to history().
  planned.version = write.tombstone && !present ? 0 : next;
  writes_.put(planned);
  return Status::ok();
}

// Shows the key to this transaction's own reads where the snapshot lacks it, and makes the commit see to it.
Status Transaction::ensure(std::string_view key) {
  const Write* own = writes_.find(key);
  if (own != nullptr && !own->tombstone) return Status::ok();
  if (std::find(ensured_.begin(), ensured_.end(), key) == ensured_.end()) ensured_.emplace_back(key);
  bool present = false;
  STRATA_ASSIGN(const uint64_t version, snapshot_version(key, &present));
  if (present && own == nullptr) return Status::ok();
  Write marker;
  marker.key = key;
  marker.version = version;
  marker.ensured = true;
  writes_.put(marker);
  return Status::ok();
}

Result<uint64_t> Transaction::commit(bool may_wait) {
  std::vector<Write> effective;
  bool new_space = false;
  for (const Write& write : writes_.ordered()) {
    if (write.version != 0 && !write.ensured) effective.push_back(write);
    new_space |= write.ensured;
  }
  if (effective.empty() && !new_space) return timestamp_;
  if (branch_->deleted.load(std::memory_order_acquire)) {
    return Status::error(Code::kBranchNotFound,
                         "branch '" + branch_->origin.name + "' was deleted during the transaction",
                         "nothing of it was stored; begin again on a branch that exists: branch_use(name)");
  }
  const std::vector<std::string_view> ensured(ensured_.begin(), ensured_.end());
  CommitRequest request;
  request.branch = &branch_;
  request.writes = effective;
  request.ensured = ensured;
  if (options_.message) request.message = *options_.message;
  request.base = &base_;
  request.reads = &reads_;
  request.may_wait = may_wait;
  STRATA_ASSIGN(const CommitOutcome outcome, engine_.commit(request));
  return outcome.timestamp;
}

Status check_alive(const BranchState& branch) {
  if (!branch.deleted.load()) return Status::ok();
  return Status::error(Code::kBranchNotFound, "branch '" + branch.origin.name + "' does not exist",
                       "branch_create or branch_fork makes one; branch_list lists them");
}

Status check_writable(const Context& context, std::string_view what) {
  const bool closed_for_writes = context.transaction != nullptr && context.transaction->read_only();
  if (!context.read_only && !closed_for_writes) return Status::ok();
  std::string message(what);
  message += context.read_only ? " is not possible: the database was opened with read_only=True"
                               : " is not possible: this transaction only reads";
  return Status::error(Code::kReadOnly, std::move(message),
                       context.read_only ? "open it without read_only" : "begin a transaction that may write");
}

Status atomically(const Context& context, const std::function<Status(const Context&)>& operation) {
  if (context.transaction != nullptr) return operation(context);
  while (true) {
    Transaction transaction(*context.engine, context.branch,
                            {context.read_only, Isolation::kSerializable, std::nullopt});
    STRATA_TRY(check_alive(*context.branch));
    Context inside = context;
    inside.transaction = &transaction;
    STRATA_TRY(operation(inside));
    const Status committed = transaction.commit(context.may_wait).status();
    // The winner of a conflict has made progress, so this ends.
    if (committed.code() != Code::kTransactionConflict) return committed;
  }
}

Status update(const Context& context, std::string_view what, std::span<const std::string_view> ensured,
              const Decide& decide, std::vector<uint64_t>* versions) {
  Status writable = check_writable(context, what);
  if (context.transaction != nullptr || !writable) {
    std::vector<Write> writes;
    View view(context);
    STRATA_TRY(view.open(std::nullopt));
    STRATA_TRY(decide(view, &writes));
    versions->resize(writes.size());
    if (writes.empty()) return Status::ok();
    if (!writable) return writable;
    return context.transaction->add(writes, ensured, versions->data());
  }
  CommitRequest request;
  request.branch = &context.branch;
  request.ensured = ensured;
  request.may_wait = context.may_wait;
  request.decide = &decide;
  request.decided_versions = versions;
  return context.engine->commit(request).status();
}

Status write(const Context& context, std::span<const Write> writes, std::span<const std::string_view> ensured,
             uint64_t* versions) {
  if (context.transaction != nullptr) return context.transaction->add(writes, ensured, versions);
  STRATA_TRY(check_total(0, writes));
  CommitRequest request;
  request.branch = &context.branch;
  request.writes = writes;
  request.ensured = ensured;
  request.may_wait = context.may_wait;
  request.versions = versions;
  return context.engine->commit(request).status();
}

}  // namespace strata::txn
