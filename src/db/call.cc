// Calls: entering a session, its transactions, its current branch and space.
#include "db/session_impl.h"
#include "model/key_codec.h"
#include "txn/context.h"

namespace strata {
namespace {

uint64_t next_transaction_id() {
  static std::atomic<uint64_t> next{1};
  return next.fetch_add(1, std::memory_order_relaxed);
}

}  // namespace

uint64_t Session::Impl::this_thread() {
  static std::atomic<uint64_t> next{1};
  thread_local const uint64_t number = next.fetch_add(1, std::memory_order_relaxed);
  return number;
}

Call::Call(Session& session, Mode mode, const KeepOn* keep_on)
    : session_(session), may_wait_(mode == kWait), keep_on_(keep_on) {
  Session::Impl& impl = *session.impl_;
  if (impl.forked()) {  // its lock may be held for ever by a thread that does not exist here
    entered_ = impl.check_open();
    return;
  }
  if (!impl.mutex.try_lock()) {
    if (!may_wait_) {
      entered_ = Status::error(Code::kWouldBlock, "the handle is busy in another thread");
      return;
    }
    impl.mutex.lock();
  }
  locked_ = true;
  entered_ = impl.check_open();
}

Call::~Call() {
  if (locked_) session_.impl_->mutex.unlock();
}

Session::Impl& Call::impl() { return *session_.impl_; }

Status Call::check_caller() {
  const Session::Impl& impl = *session_.impl_;
  if (impl.transaction == nullptr) return Status::ok();
  if (impl.owner_thread == Session::Impl::this_thread() && impl.owner_task == impl.task()) return Status::ok();
  return Status::error(Code::kTransactionOtherThread, "another thread or task has a transaction open on this handle",
                       "use a handle of your own: db.session()");
}

Status Call::check_no_transaction(std::string_view what) {
  if (session_.impl_->transaction == nullptr) return Status::ok();
  return Status::error(Code::kInTransaction, std::string(what) + " is not possible inside a transaction",
                       "commit or roll back first");
}

Result<txn::Context*> Call::context() {
  STRATA_TRY(check_caller());
  Session::Impl& impl = *session_.impl_;
  // A transaction goes on reading its snapshot of a branch that was deleted meanwhile.
  if (impl.transaction == nullptr) STRATA_TRY(impl.find_branch());
  txn::Context& context = impl.context;
  context.engine = &impl.database->engine();
  context.caches = &impl.database->caches();
  context.space = impl.space_name;  // written under the lock that this call holds
  context.transaction = impl.transaction.get();
  context.read_only = impl.read_only;
  context.may_wait = may_wait_;
  context.keep_on = keep_on_;
  return &context;
}

// ---- transactions ----

Status Call::begin(bool read_only, Isolation isolation, std::optional<std::string> message) {
  STRATA_TRY(check_caller());
  Session::Impl& impl = *session_.impl_;
  if (impl.transaction != nullptr) {
    return Status::error(Code::kTransactionActive, "a transaction is active already", "one per handle: db.session()");
  }
  STRATA_TRY(impl.find_branch());
  txn::Transaction::Options options;
  options.read_only = read_only || impl.read_only;
  options.isolation = isolation;
  options.message = std::move(message);
  auto transaction =
      std::make_unique<txn::Transaction>(impl.database->engine(), impl.context.branch, std::move(options));
  STRATA_TRY(txn::check_alive(*impl.context.branch));
  impl.transaction = std::move(transaction);
  impl.owner_thread = Session::Impl::this_thread();
  impl.owner_task = impl.task();
  impl.transaction_id.store(next_transaction_id(), std::memory_order_release);
  return Status::ok();
}

namespace {

Status no_transaction() {
  return Status::error(Code::kNoTransaction, "no transaction is active", "begin() starts one");
}

}  // namespace

Result<uint64_t> Call::commit(std::optional<std::string> message) {
  STRATA_TRY(check_caller());
  Session::Impl& impl = *session_.impl_;
  if (impl.transaction == nullptr) return no_transaction();
  if (message) impl.transaction->set_message(std::move(*message));
  Result<uint64_t> result = impl.transaction->commit(may_wait_);
  if (result.is_ok() || result.status().code() != Code::kWouldBlock) impl.end_transaction();
  return result;
}

Status Call::rollback() {
  STRATA_TRY(check_caller());
  Session::Impl& impl = *session_.impl_;
  if (impl.transaction == nullptr) return no_transaction();
  impl.end_transaction();
  return Status::ok();
}

// ---- handle state ----

Status Call::branch_use(std::string_view name) {
  STRATA_TRY(check_caller());
  STRATA_TRY(check_no_transaction("branch_use"));
  Session::Impl& impl = *session_.impl_;
  STRATA_ASSIGN(impl.context.branch, impl.database->catalogue().find(name));
  const std::lock_guard<std::mutex> lock(impl.names_mutex);
  impl.branch_name = name;
  return Status::ok();
}

Status Call::space_use(std::string_view name) {
  STRATA_TRY(check_caller());
  STRATA_TRY(model::check_space_name(name));
  Session::Impl& impl = *session_.impl_;
  const std::lock_guard<std::mutex> lock(impl.names_mutex);
  impl.space_name = name;
  return Status::ok();
}

}  // namespace strata
