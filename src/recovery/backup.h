// A backup: a consistent copy of a database, made beside its readers and writers, as a database of its own.
//
// The state copied is that of one commit: its heads and its place in the log are captured together, as for a
// checkpoint, and kept alive by a pin. Then the nodes go into a new page file under the same ids, and the log up to
// that place into segments of the same names. Opening the copy replays nothing.
//
// Thread safety: any thread, beside all but retention and collection, which the caller keeps away. No lock is held
//   while copying.
// Ownership: borrows everything.
// Durability: when backup returns OK the copy is on the device. Until then its folder holds a file that says that it is
//   no database yet; an error removes what was copied.
#pragma once

#include <string>
#include <string_view>

#include "os/file_system.h"
#include "recovery/checkpoint.h"
#include "storage/node_store.h"
#include "strata/session.h"
#include "strata/status.h"
#include "txn/engine.h"

namespace strata::recovery {

// The file of a folder that a backup has begun to fill and not yet finished.
constexpr std::string_view kUnfinishedBackup = "UNFINISHED-BACKUP";

struct BackupSource {
  storage::NodeStore& store;
  txn::Engine& engine;
  Checkpointer& checkpointer;
};

// `folder` must be missing or empty: kBackupExists. kInvalidArgument when `progress` returns false.
Result<BackupResult> back_up(const BackupSource& source, os::FileSystem& fs, const std::string& folder,
                             const Progress& progress);

// OK unless `folder`, which has no page file, holds an unfinished backup: then kNotADatabase.
Status check_no_unfinished_backup(os::FileSystem& fs, const std::string& folder);

}  // namespace strata::recovery
