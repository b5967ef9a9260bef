#include "db/session_impl.h"

#include "db/registry.h"
#include "os/working_folder.h"

namespace strata {
namespace {

void apply(const OpenOptions& options, db::DatabaseOptions* database) {
  database->read_only = options.read_only;
  database->cache_bytes = options.cache_bytes;
  database->keep_history_micros = options.keep_history_micros;
}

Status forked_error() {
  return Status::error(Code::kForked, "this handle was opened before os.fork", "open the database in the child");
}

}  // namespace

std::string_view library_version() { return STRATA_VERSION; }

// ---- the parts of a session ----

bool Session::Impl::forked() const { return generation != db::Registry::instance().generation(); }

Status Session::Impl::check_open() const {
  if (forked()) return forked_error();
  if (!closed.load(std::memory_order_acquire) && !database->closed()) return Status::ok();
  return Status::error(Code::kClosed, "this handle is closed", "Strata.open(path) gives a new one");
}

Status Session::Impl::find_branch() {
  if (context.branch != nullptr && !context.branch->deleted.load(std::memory_order_acquire)) return Status::ok();
  STRATA_ASSIGN(context.branch, database->catalogue().find(branch_name));
  return Status::ok();
}

// ---- opening and closing ----

Session::Session(std::unique_ptr<Impl> impl) : impl_(std::move(impl)) {}

Session::~Session() {
  // The engine's threads and locks are the parent's: nothing of it may be touched, not even to free it.
  if (impl_->forked()) {
    (void)impl_.release();
  } else {
    (void)close();
  }
}

Result<std::unique_ptr<Session>> Session::open(const std::string& path, const OpenOptions& options) {
  db::DatabaseOptions database;
  database.fs = &os::posix_file_system();
  database.folder = os::absolute_path(path);
  auto opened = db::SessionAccess::open(std::move(database), options);
  if (opened.is_ok()) (*opened)->impl_->path = path;  // as it was given
  return opened;
}

Result<std::unique_ptr<Session>> db::SessionAccess::open(DatabaseOptions database, const OpenOptions& options) {
  apply(options, &database);
  Registry& registry = Registry::instance();
  auto impl = std::make_unique<Session::Impl>();
  impl->generation = registry.generation();
  STRATA_ASSIGN(impl->database, registry.open(database));
  impl->path = database.folder;
  impl->read_only = options.read_only;
  impl->durability = options.read_only ? Durability::kBuffered : options.durability;
  impl->current_task = options.current_task;
  const Status added = impl->database->add_handle(impl->durability);
  if (!added) {
    (void)registry.release(impl->database);
    return added;
  }
  if (options.keep_history_micros) impl->database->set_keep_history(*options.keep_history_micros);
  return std::unique_ptr<Session>(new Session(std::move(impl)));
}

Result<std::unique_ptr<Session>> Session::open_memory(const OpenOptions& options) {
  return db::SessionAccess::open_memory({}, options);
}

Result<std::unique_ptr<Session>> db::SessionAccess::open_memory(DatabaseOptions database, const OpenOptions& options) {
  Registry& registry = Registry::instance();
  auto impl = std::make_unique<Session::Impl>();
  impl->generation = registry.generation();
  apply(options, &database);
  STRATA_ASSIGN(impl->database, registry.open_memory(database));
  impl->current_task = options.current_task;
  return std::unique_ptr<Session>(new Session(std::move(impl)));
}

Result<std::unique_ptr<Session>> Session::session() {
  STRATA_TRY(impl_->check_open());
  auto impl = std::make_unique<Impl>();
  impl->database = impl_->database;
  impl->path = impl_->path;
  impl->durability = impl_->durability;
  impl->read_only = impl_->read_only;
  impl->current_task = impl_->current_task;
  impl->generation = impl_->generation;
  impl->branch_name = impl_->current_branch();
  impl->space_name = impl_->current_space();
  db::Registry::instance().retain(impl->database);
  const Status added = impl->database->add_handle(impl->durability);
  if (!added) {
    (void)db::Registry::instance().release(impl->database);
    return added;
  }
  return std::unique_ptr<Session>(new Session(std::move(impl)));
}

Status Session::close() {
  if (impl_->forked()) return Status::ok();
  if (impl_->closed.exchange(true)) return Status::ok();
  const std::lock_guard<std::mutex> lock(impl_->mutex);
  impl_->end_transaction();
  impl_->context.branch.reset();
  Status result = impl_->database->remove_handle(impl_->durability);
  const Status released = db::Registry::instance().release(impl_->database);
  return result.is_ok() ? released : result;
}

void Session::close_all() { db::Registry::instance().close_all(); }

// ---- reports ----

bool Session::closed() const { return impl_->closed.load(std::memory_order_acquire); }
bool Session::forked() const { return impl_->forked(); }
bool Session::read_only() const { return impl_->read_only; }
std::optional<std::string> Session::path() const { return impl_->path; }
uint64_t Session::transaction_id() const {
  return impl_->forked() || closed() ? 0 : impl_->transaction_id.load(std::memory_order_acquire);
}

Result<bool> Session::in_transaction() const {
  STRATA_TRY(impl_->check_open());
  return transaction_id() != 0;
}

Result<std::string> Session::current_branch() const {
  STRATA_TRY(impl_->check_open());
  return impl_->current_branch();
}

Result<std::string> Session::current_space() const {
  STRATA_TRY(impl_->check_open());
  return impl_->current_space();
}

Result<std::string> Session::ping() const {
  STRATA_TRY(impl_->check_open());
  return std::string(library_version());
}

Result<DatabaseInfo> Session::info() const {
  STRATA_TRY(impl_->check_open());
  STRATA_ASSIGN(DatabaseInfo info, impl_->database->info());
  if (impl_->path) info.path = impl_->path;
  return info;
}

Status Session::flush() {
  STRATA_TRY(impl_->check_open());
  return impl_->read_only ? Status::ok() : impl_->database->engine().flush();
}

Result<VerifyResult> Session::verify(const Progress& progress) {
  STRATA_TRY(impl_->check_open());
  return impl_->database->verify(progress);
}

Result<BackupResult> Session::backup(const std::string& path, const Progress& progress) {
  {
    Call call(*this, Call::kWait);
    STRATA_TRY(call.entered());
    STRATA_TRY(call.check_caller());
    STRATA_TRY(call.check_no_transaction("backup"));
  }
  db::Database& database = *impl_->database;
  os::FileSystem& fs = database.in_memory() ? os::posix_file_system() : *database.options().fs;
  return database.backup(fs, path, progress);
}

Result<TimeRange> Session::time_range() const {
  STRATA_TRY(impl_->check_open());
  STRATA_ASSIGN(const txn::BranchPtr branch, impl_->database->catalogue().find(impl_->current_branch()));
  TimeRange range;
  range.oldest = std::max(branch->origin.oldest, branch->trimmed_before.load(std::memory_order_acquire));
  range.latest = branch->visible.load().timestamp;
  return range;
}

Result<CompactResult> Session::compact(std::optional<uint64_t> keep_history_micros, const Progress& progress) {
  {
    Call call(*this, Call::kWait);
    STRATA_TRY(call.entered());
    STRATA_TRY(call.check_caller());
    STRATA_TRY(call.check_no_transaction("compact"));
  }
  if (impl_->read_only) {
    return Status::error(Code::kReadOnly, "compact is not possible: the database was opened with read_only=True",
                         "open it without read_only");
  }
  return impl_->database->compact(keep_history_micros, progress);
}

}  // namespace strata
