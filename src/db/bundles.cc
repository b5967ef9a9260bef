#include "strata/bundle.h"

#include "branch/bundle_export.h"
#include "branch/bundle_import.h"
#include "db/branch_id.h"
#include "db/session_impl.h"
#include "model/key_codec.h"

namespace strata {
namespace {

constexpr uint64_t kMicrosPerDay = 86'400'000'000;

// A branch of a database in memory goes to a real file all the same.
os::FileSystem& files_of(const db::Database& database) {
  return database.in_memory() ? os::posix_file_system() : *database.options().fs;
}

// A bundle from further ahead would stop the clock.
uint64_t latest_time(const db::Database& database) { return database.options().clock->now_micros() + kMicrosPerDay; }

}  // namespace

Status Bundles::enter(std::string_view what, bool writes) {
  Call call(session_, Call::kWait);
  STRATA_TRY(call.entered());
  STRATA_TRY(call.check_caller());
  STRATA_TRY(call.check_no_transaction(what));
  if (!writes || !session_.read_only()) return Status::ok();
  return Status::error(Code::kReadOnly,
                       std::string(what) + " is not possible: the database was opened with read_only=True",
                       "open it without read_only");
}

Result<ExportReport> Bundles::write(std::string_view branch, const std::string& path, AsOf since,
                                    const Progress& progress) {
  STRATA_TRY(enter("branch_export", false));
  db::Database& database = db::SessionAccess::database(session_);
  branch::ExportRequest request;
  STRATA_ASSIGN(request.branch, database.catalogue().find(branch));
  request.path = path;
  request.since = since;
  request.progress = progress;
  STRATA_ASSIGN(const branch::Exported exported, branch::export_bundle(database.engine(), files_of(database), request));
  return ExportReport{db::branch_id(database.engine().seed(), request.branch->origin.id), exported.entries,
                      exported.bytes};
}

Result<ImportReport> Bundles::import(const std::string& path, std::optional<std::string_view> name,
                                     const Progress& progress) {
  STRATA_TRY(enter("branch_import", true));
  if (name) STRATA_TRY(model::check_branch_name(*name));
  db::Database& database = db::SessionAccess::database(session_);
  branch::ImportRequest request;
  request.path = path;
  if (name) request.name = *name;
  request.latest = latest_time(database);
  request.progress = progress;
  const auto imported = branch::import_bundle(database.engine(), database.catalogue(), files_of(database), request);
  if (!imported.is_ok()) {
    database.collect_later();
    if (database.in_memory()) STRATA_TRY(database.collect_if_due());  // nobody else comes round to it
    return imported.status();
  }
  return ImportReport{imported->branch, imported->entries, imported->keys};
}

Result<BundleVerdict> Bundles::validate(const std::string& path, const Progress& progress) {
  STRATA_TRY(enter("branch_validate_bundle", false));
  db::Database& database = db::SessionAccess::database(session_);
  const auto inspected = branch::inspect_bundle(files_of(database), path, latest_time(database), progress);
  if (inspected.is_ok()) return BundleVerdict{inspected->branch, inspected->entries, std::nullopt};
  const Status status = inspected.status();
  if (status.code() != Code::kBundleDamaged && status.code() != Code::kFormatTooNew) return status;
  return BundleVerdict{{}, 0, std::string(status.message())};
}

}  // namespace strata
