#include "db/database.h"

#include <algorithm>
#include <random>

#include "branch/key_count.h"
#include "db/background.h"
#include "os/spare_memory.h"
#include "recovery/backup.h"
#include "recovery/replay.h"
#include "recovery/verify.h"

namespace strata::db {
namespace {

constexpr std::string_view kLockName = "LOCK";
constexpr std::string_view kIndexFolder = "index";
constexpr std::string_view kLogPrefix = "log-";
constexpr std::string_view kMemoryFolder = "/memory";
constexpr uint64_t kMemorySegmentBytes = 8u << 20;
// However small the cache, this much may wait for a checkpoint.
constexpr uint64_t kLeastDirtyBytes = 4u << 20;

constexpr size_t kBackgroundMemory = 16u << 20;

uint64_t random_id() {
  std::random_device device;
  uint64_t id = 0;
  while (id == 0) id = uint64_t{device()} << 32 | device();
  return id;
}

// Notes for its lifetime which thread does something.
class ThreadNote {
 public:
  explicit ThreadNote(std::atomic<std::thread::id>* thread) : thread_(*thread) {
    thread_.store(std::this_thread::get_id(), std::memory_order_relaxed);
  }
  ~ThreadNote() { thread_.store(std::thread::id(), std::memory_order_relaxed); }
  ThreadNote(const ThreadNote&) = delete;
  ThreadNote& operator=(const ThreadNote&) = delete;

 private:
  std::atomic<std::thread::id>& thread_;
};

}  // namespace

Database::Database(DatabaseOptions options) : options_(std::move(options)) {
  if (options_.clock == nullptr) options_.clock = &os::system_clock();
}

Database::~Database() { (void)close(); }

Result<std::shared_ptr<Database>> Database::open(const DatabaseOptions& options) {
  std::shared_ptr<Database> database(new Database(options));
  const Status started = database->start();
  if (!started) {
    database->closed_.store(true);  // nothing of it may be written
    return started;
  }
  return database;
}

Status Database::start() {
  opened_at_micros_ = options_.clock->monotonic_micros();
  if (in_memory()) {
    memory_files_ = os::make_memory_file_system();
    options_.folder = kMemoryFolder;
    options_.segment_bytes = std::min(options_.segment_bytes, kMemorySegmentBytes);
    STRATA_TRY(memory_files_->create_folder(options_.folder));
    nodes_ = storage::make_memory_node_store();
  } else {
    STRATA_TRY(lock_folder());
    STRATA_TRY(open_nodes());
  }
  tree::ForestOptions forest_options;
  forest_options.cache_bytes = options_.cache_bytes;
  forest_options.evictable = !in_memory();
  forest_ = std::make_unique<tree::Forest>(*nodes_, forest_options);
  STRATA_TRY(open_log());
  make_caches();
  // In memory there is nothing to sync or to checkpoint, only history to forget.
  const bool has_work = !in_memory() || options_.keep_history_micros.has_value();
  if (!options_.read_only && has_work && options_.background) {
    background_ = std::make_unique<Background>([this] {
      const Status status = background_step();
      if (!status) engine_->fail(status);
    });
  }
  return Status::ok();
}

Status Database::lock_folder() {
  os::FileSystem& fs = *options_.fs;
  const std::string lock_path = os::join_path(options_.folder, kLockName);
  const std::string pages_path = os::join_path(options_.folder, storage::kPageFileName);
  if (!options_.read_only) {
    STRATA_TRY(fs.create_folder(options_.folder));
    STRATA_ASSIGN(lock_, fs.lock(lock_path, os::LockMode::kExclusive));
    return Status::ok();
  }
  STRATA_ASSIGN(const bool there, fs.exists(pages_path));
  if (!there) {
    STRATA_TRY(recovery::check_no_unfinished_backup(fs, options_.folder));
    return Status::error(Code::kDatabaseNotFound, "there is no database at '" + options_.folder + "'",
                         "open it without read_only to create one");
  }
  STRATA_ASSIGN(const bool has_lock, fs.exists(lock_path));
  if (has_lock) {
    STRATA_ASSIGN(lock_, fs.lock(lock_path, os::LockMode::kShared));
  }
  return Status::ok();
}

// The page file names the database, so it comes first and appears whole: a folder without one is new, unless it holds
// a log.
Status Database::open_nodes() {
  os::FileSystem& fs = *options_.fs;
  storage::PageFileOptions pages;
  pages.fs = &fs;
  pages.path = os::join_path(options_.folder, storage::kPageFileName);
  pages.read_only = options_.read_only;
  STRATA_ASSIGN(const bool there, fs.exists(pages.path));
  if (!there) {
    STRATA_TRY(recovery::check_no_unfinished_backup(fs, options_.folder));
    STRATA_ASSIGN(const std::vector<std::string> names, fs.list(options_.folder));
    for (const std::string& name : names) {
      if (name.starts_with(kLogPrefix)) {
        return Status::error(Code::kCorruption, "'" + pages.path + "' is missing beside its log '" + name + "'",
                             "restore the folder from a backup");
      }
    }
    pages.database_id = options_.database_id != 0 ? options_.database_id : random_id();
    STRATA_TRY(fs.sync_folder(os::folder_of(options_.folder)));
  }
  STRATA_ASSIGN(nodes_, storage::open_page_file(pages));
  return Status::ok();
}

Status Database::open_log() {
  recovery::CheckpointHead head;
  if (nodes_->head().sequence != 0) {
    STRATA_ASSIGN(head, recovery::decode_head(nodes_->head().blob));
  }
  const uint64_t id = in_memory() ? random_id() : nodes_->database_id();
  engine_ = std::make_unique<txn::Engine>(*forest_, *options_.clock, id, head.state);
  catalogue_ = std::make_unique<branch::Catalogue>(*engine_);
  STRATA_TRY(catalogue_->load(head.branches, head.lineage, head.next_branch_id));
  checkpointer_ = std::make_unique<recovery::Checkpointer>(*nodes_, *engine_, *catalogue_);
  checkpointer_->start(head.cut);
  checkpointer_->set_keep_history(options_.keep_history_micros ? options_.keep_history_micros
                                                               : head.keep_history_micros);

  storage::LogOptions log;
  log.fs = in_memory() ? memory_files_.get() : options_.fs;
  log.folder = options_.folder;
  log.database_id = id;
  log.segment_bytes = options_.segment_bytes;
  log.first_segment_bytes = std::min(options_.first_segment_bytes, options_.segment_bytes);
  log.unit_bytes = options_.unit_bytes;
  log.read_only = options_.read_only;
  storage::LogStart start;
  start.replay_from = head.cut.position;
  start.next_commit = head.cut.position == 0 ? 1 : head.cut.next_commit;
  start.last_timestamp = head.cut.last_timestamp;
  start.clean_end = head.clean_end;
  start.oldest = head.oldest;
  const auto replay = [this](const storage::LogRecord& record) {
    return recovery::replay_record(*engine_, *catalogue_, record);
  };
  STRATA_ASSIGN(log_, storage::CommitLog::open(log, start, replay));
  engine_->end_replay_run();
  engine_->attach(log_.get());
  // Of imports that did not come to their end.
  if (catalogue_->drop_hidden() > 0) collect_later();
  if (!options_.read_only && !in_memory()) {
    const uint64_t limit = unwritten_limit();
    engine_->set_room(limit, [this, limit] {
      return checkpointer_->run_if([this, limit] { return forest_->unwritten_bytes() > limit; });
    });
  }
  if (head.clean_end != 0) clean_at_commit_ = head.state.last_commit;
  if (catalogue_->count() > 0) return Status::ok();
  if (!options_.read_only) return catalogue_->create_default();
  return Status::error(Code::kDatabaseNotFound, "the database at '" + options_.folder + "' was never finished",
                       "open it without read_only once");
}

void Database::make_caches() {
  derived::CachePlace place;
  place.fs = in_memory() ? nullptr : options_.fs;
  place.folder = os::join_path(options_.folder, kIndexFolder);
  place.read_only = options_.read_only;
  place.background = options_.background;
  caches_ = std::make_unique<derived::Caches>(*engine_, std::move(place), [this] { return catalogue_->all(); });
}

Status Database::close() {
  if (closed_.exchange(true)) return Status::ok();
  background_.reset();
  if (caches_ != nullptr) caches_->close();
  Status result;
  if (!options_.read_only && !in_memory() && log_ != nullptr) {
    result = engine_->failure();
    if (result.is_ok()) result = engine_->flush();
    if (result.is_ok()) {
      auto end = log_->close();
      result = end.status();
      // Nothing to note if nothing was written since the last clean end.
      const bool changed = clean_at_commit_ != engine_->visible_commit();
      if (end.is_ok() && changed) {
        result = checkpointer_->run(*end);
        if (result.is_ok()) result = nodes_->trim();
      }
    }
  }
  // A compaction under way in another thread, or around this one, writes nothing more once others may open the folder.
  if (checkpointer_ != nullptr) checkpointer_->stop();
  lock_.reset();
  return result;
}

void Database::abandon_in_child() {
  closed_.store(true);
  if (lock_ != nullptr) lock_->abandon_in_child();
}

// ---- handles ----

Status Database::add_handle(Durability durability) {
  if (durability != Durability::kStrict) return Status::ok();
  const base::MutexLock lock(handles_mutex_);
  ++strict_handles_;
  return engine_->set_strict(true);
}

Status Database::remove_handle(Durability durability) {
  if (durability != Durability::kStrict) return Status::ok();
  const base::MutexLock lock(handles_mutex_);
  return --strict_handles_ > 0 ? Status::ok() : engine_->set_strict(false);
}

void Database::set_keep_history(uint64_t micros) { checkpointer_->set_keep_history(micros); }

// ---- whole-database operations ----

recovery::RetentionParts Database::parts() { return {*nodes_, *engine_, *catalogue_, *checkpointer_}; }

uint64_t Database::disk_bytes() const {
  return in_memory() ? 0 : nodes_->disk_bytes() + log_->disk_bytes() + caches_->disk_bytes();
}

uint64_t Database::unwritten_limit() const { return std::max<uint64_t>(options_.cache_bytes, kLeastDirtyBytes); }

Status Database::checkpoint() { return checkpointer_->run(); }

Status Database::check_not_inside_compaction(std::string_view what) const {
  if (compacting_thread_.load(std::memory_order_relaxed) != std::this_thread::get_id()) return Status::ok();
  return Status::error(Code::kCompactionActive,
                       std::string(what) + " cannot be called by the progress callback of compact or backup",
                       "wait until that has returned");
}

Result<CompactResult> Database::compact(std::optional<uint64_t> keep_micros, const Progress& progress) {
  STRATA_TRY(check_not_inside_compaction("compact"));
  const base::MutexLock compacting(compacting_);
  const ThreadNote note(&compacting_thread_);
  STRATA_TRY(engine_->failure());
  caches_->text().release();  // what they keep alive would be in the way
  caches_->json().release();
  if (!keep_micros) keep_micros = checkpointer_->keep_history();
  const auto size = [this] {
    return in_memory() ? log_->disk_bytes() + forest_->stats().resident_bytes : disk_bytes();
  };
  CompactResult result;
  result.bytes_before = size();
  if (keep_micros) {
    STRATA_ASSIGN(result.versions_removed, recovery::drop_history(parts(), *keep_micros, progress));
  } else if (progress && !progress(1, 1)) {
    return Status::error(Code::kInvalidArgument, "the compaction was ended by its progress callback",
                         "nothing was changed; call it again");
  }
  if (in_memory()) {
    STRATA_TRY(recovery::collect_garbage(parts()));
  } else {
    STRATA_TRY(recovery::shrink(parts()));
  }
  result.bytes_after = size();
  return result;
}

Result<BackupResult> Database::backup(os::FileSystem& fs, const std::string& folder, const Progress& progress) {
  STRATA_TRY(check_not_inside_compaction("backup"));
  // What is copied must stay: no retention and no collection meanwhile.
  const base::MutexLock compacting(compacting_);
  const ThreadNote note(&compacting_thread_);
  // Once it is closed others may open the folder and write where the pages lie that are still to be copied.
  const Progress while_open = [this, &progress](uint64_t done, uint64_t total) {
    return !closed() && (!progress || progress(done, total)) && !closed();
  };
  auto copied = recovery::back_up({*nodes_, *engine_, *checkpointer_}, fs, folder, while_open);
  if (copied.is_ok() || !closed()) return copied;
  return Status::error(Code::kClosed, "the database was closed while it was copied", "open it and back it up again");
}

Result<VerifyResult> Database::verify(const Progress& progress) {
  return recovery::verify(*nodes_, *engine_, *catalogue_, progress);
}

Result<DatabaseInfo> Database::info() {
  DatabaseInfo info;
  info.version = library_version();
  if (!in_memory()) info.path = options_.folder;
  info.durability = engine_->strict() ? Durability::kStrict : Durability::kBuffered;
  info.uptime_secs = static_cast<double>(options_.clock->monotonic_micros() - opened_at_micros_) / 1e6;
  const tree::ReadGuard guard(*forest_);  // before the list: it keeps what a branch that is deleted now holds
  const std::vector<txn::BranchPtr> branches = catalogue_->all();
  info.branch_count = branches.size();
  for (const txn::BranchPtr& branch : branches) {
    STRATA_ASSIGN(const uint64_t keys, branch::key_count(*forest_, branch->visible.load().present));
    info.total_keys += keys;
  }
  info.disk_bytes = disk_bytes();
  info.memory_bytes =
      caches_->memory_bytes() + forest_->stats().resident_bytes + (in_memory() ? log_->disk_bytes() : 0);
  info.commit_timestamp = engine_->visible_timestamp();
  return info;
}

// ---- background work ----

Status Database::collect_if_due() {
  const tree::ForestStats stats = forest_->stats();
  const uint64_t used = nodes_->used_pages();
  const bool much = stats.shared_garbage >= 1024 && stats.shared_garbage >= used / 2;
  if (!much && !leftovers_.load(std::memory_order_relaxed)) return Status::ok();
  // Not beside a compaction: what its progress callback writes would wait for us, and we for its guard.
  if (!compacting_.try_lock()) return Status::ok();
  leftovers_.store(false, std::memory_order_relaxed);
  const Status status = recovery::collect_garbage(parts());
  compacting_.unlock();
  return status;
}

Status Database::trim_history_if_due() {
  const std::optional<uint64_t> keep = checkpointer_->keep_history();
  if (!keep) return Status::ok();
  const uint64_t now = engine_->visible_timestamp();
  const uint64_t step = std::max<uint64_t>(*keep / 8, 1'000'000);
  if (now - trimmed_at_.load() < step) return Status::ok();
  if (!compacting_.try_lock()) return Status::ok();
  const Status status = recovery::drop_history(parts(), *keep, nullptr).status();
  trimmed_at_.store(engine_->visible_timestamp());
  compacting_.unlock();
  return status;
}

Status Database::background_step() {
  STRATA_TRY(engine_->failure());
  caches_->tick();
  if (!in_memory()) STRATA_TRY(sync_if_due());
  // A thread that runs out of memory ends the process: what may need much of it waits until there is some. A commit
  // that needs a checkpoint makes it itself, and can say what went wrong.
  if (!os::has_spare_memory(kBackgroundMemory)) return Status::ok();
  if (!in_memory()) STRATA_TRY(checkpoint_if_due());
  STRATA_TRY(trim_history_if_due());
  return collect_if_due();
}

Status Database::sync_if_due() {
  if (log_->durable_end() < log_->end()) {
    // What goes into a folder that is not there any more is lost, however well it is synced.
    STRATA_TRY(log_->check_folder());
    STRATA_TRY(engine_->flush());
  }
  return Status::ok();
}

Status Database::checkpoint_if_due() {
  (void)log_->prepare_next();  // the switch tries again, and says why if it cannot
  const storage::LogPosition cut = checkpointer_->cut();
  const storage::LogPosition end = log_->end();
  const uint64_t behind = log_->bytes_between(cut, end);
  // Late, for each checkpoint writes every node that was touched since the last one, however often; before the limit,
  // so that nobody waits.
  const bool full = forest_->unwritten_bytes() > unwritten_limit() / 8 * 7;
  return end > cut && (behind > options_.checkpoint_log_bytes || full) ? checkpointer_->run() : Status::ok();
}

}  // namespace strata::db
