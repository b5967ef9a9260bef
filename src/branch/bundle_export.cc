#include "branch/bundle_export.h"

#include <algorithm>
#include <memory>
#include <vector>

#include "branch/bundle_writer.h"
#include "branch/fork.h"
#include "branch/log.h"
#include "branch/row_walk.h"
#include "model/event_codec.h"
#include "model/key_codec.h"
#include "txn/context.h"
#include "txn/history.h"

namespace strata::branch {
namespace {

// So much of one key's values is held at once; of longer histories each version is looked up again.
constexpr size_t kValuesHeld = size_t{4} << 20;
// A compaction may remove what is being exported; then it begins anew.
constexpr int kAttempts = 4;
constexpr uint64_t kBytesPerBurst = uint64_t{8} << 20;
constexpr int kCommitsPerBurst = 1024;

struct Version {
  uint64_t version = 0;
  uint64_t timestamp = 0;
  bool deleted = false;
  std::string value;
};

class Exporter {
 public:
  Exporter(txn::Engine& engine, const ExportRequest& request, uint64_t cut, BundleWriter* writer)
      : engine_(engine),
        request_(request),
        cut_(cut),
        after_(request.since.value_or(0)),
        writer_(*writer),
        walk_(engine, *request.branch, true),
        history_(engine) {}

  Status run() {
    STRATA_TRY(digest_base());
    STRATA_TRY(writer_.head(head()));
    const RowWalk::Visitor visit = [&](std::string_view key, const txn::RowView& row) -> Result<bool> {
      const uint64_t before = written_;
      if (row.timestamp > after_) STRATA_TRY(add_key(key, row));
      return written_ - before < kBytesPerBurst;
    };
    while (true) {
      STRATA_ASSIGN(const bool more, walk_.burst(visit));
      if (!more) break;
      STRATA_TRY(report(false));
    }
    STRATA_TRY(add_commits());
    STRATA_TRY(writer_.complete());
    return report(true);
  }

 private:
  BundleHead head() const {
    const txn::BranchState& branch = *request_.branch;
    BundleHead head;
    head.database = engine_.seed();
    head.branch = branch.origin.id;
    head.name = branch.origin.name;
    head.oldest = branch.origin.oldest;
    head.trimmed_before = cut_;
    head.taken_at = std::max({walk_.head().timestamp, after_, cut_});
    head.since = request_.since;
    head.base = base_;
    return head;
  }

  // Done is told one short of all until the file is complete.
  Status report(bool complete) {
    const uint64_t passes = request_.since ? 2 : 1;
    const uint64_t total = passes * walk_.rows() + 1;
    const uint64_t done = complete ? total : std::min(digested_ + walk_.visited(), total - 1);
    if (!request_.progress || request_.progress(done, total)) return Status::ok();
    return Status::error(Code::kInvalidArgument, "the export was ended by its progress callback");
  }

  Status digest_base() {
    if (!request_.since) return Status::ok();
    StateDigest digest;
    RowWalk walk(engine_, *request_.branch, true);
    const RowWalk::Visitor visit = [&](std::string_view key, const txn::RowView& row) -> Result<bool> {
      if (row.timestamp > after_) {
        STRATA_ASSIGN(const auto was, history_.at(row, after_, true));
        if (was && !was->deleted) {
          STRATA_TRY(add_to_digest(engine_, key, was->version, *was->timestamp, was->value, &digest));
        }
      } else if (!row.tombstone) {
        STRATA_ASSIGN(const std::string_view value, history_.value_of(row));
        STRATA_TRY(add_to_digest(engine_, key, row.version, row.timestamp, value, &digest));
      }
      return row.value_bytes() < kBytesPerBurst;
    };
    while (true) {
      STRATA_ASSIGN(const bool more, walk.burst(visit));
      digested_ = std::min(walk.visited(), walk_.rows());
      if (!more) break;
      STRATA_TRY(report(false));
    }
    base_ = digest.finish();
    return Status::ok();
  }

  Status add_key(std::string_view key, const txn::RowView& row) {
    const auto parts = model::split_key(key);
    if (!parts) return Status::error(Code::kCorruption, "a key of a tree belongs to no space");
    if (parts->tag == model::Tag::kEventType) return Status::ok();
    versions_.clear();
    size_t held = 0;
    STRATA_TRY(history_.walk(row, UINT64_MAX, cut_, [&](const VersionedValue& found) {
      if (*found.timestamp <= after_) return false;
      Version& version = versions_.emplace_back();
      version.version = found.version;
      version.timestamp = *found.timestamp;
      version.deleted = found.deleted;
      held += found.value.size();
      if (held <= kValuesHeld) version.value = found.value;
      return true;
    }));
    first_of_key_ = true;
    for (size_t i = versions_.size(); i-- > 0;) {
      Version& version = versions_[i];
      if (held > kValuesHeld) STRATA_TRY(look_up(row, &version));
      STRATA_TRY(add_version(key, &version));
      version.value = std::string();
    }
    return Status::ok();
  }

  Status look_up(const txn::RowView& row, Version* version) {
    if (version->deleted) return Status::ok();
    if (version->timestamp == row.timestamp) {
      STRATA_ASSIGN(version->value, history_.value_of(row));
      return Status::ok();
    }
    STRATA_ASSIGN(const auto found, history_.at(row, version->timestamp, true));
    if (!found) return Status::error(Code::kCorruption, "a version of a key is missing in the log");
    version->value = found->value;
    return Status::ok();
  }

  Status add_version(std::string_view key, Version* version) {
    if (!version->deleted) STRATA_TRY(to_bundle(engine_, key, &version->value));
    BundleEntry entry;
    entry.key = key;
    entry.same_key = !first_of_key_;
    entry.tombstone = version->deleted;
    entry.version = version->version;
    entry.timestamp = version->timestamp;
    entry.value = version->value;
    first_of_key_ = false;
    written_ += key.size() + version->value.size();
    return writer_.entry(entry);
  }

  Status add_commits() {
    LogWalk walk(engine_, walk_.head().last_record, std::max(cut_, after_ + 1));
    bool more = true;
    while (more) {
      more = false;
      int left = kCommitsPerBurst;
      Status written;
      {
        const tree::ReadGuard guard(engine_.forest());
        STRATA_TRY(walk.walk([&](const BundleCommit& commit) {
          written = writer_.commit(commit);
          more = --left == 0;
          return written.is_ok() && !more;
        }));
      }
      STRATA_TRY(written);
      STRATA_TRY(report(false));
    }
    return Status::ok();
  }

  txn::Engine& engine_;
  const ExportRequest& request_;
  const uint64_t cut_;
  const uint64_t after_;  // what is later is exported
  BundleWriter& writer_;
  RowWalk walk_;
  txn::History history_;
  base::Sha256::Digest base_{};
  uint64_t digested_ = 0;
  uint64_t written_ = 0;
  bool first_of_key_ = true;
  std::vector<Version> versions_;
};

Result<Exported> export_once(txn::Engine& engine, os::FileSystem& fs, const ExportRequest& request) {
  const uint64_t cut = request.branch->trimmed_before.load(std::memory_order_acquire);
  STRATA_ASSIGN(const std::unique_ptr<BundleWriter> writer, BundleWriter::create(fs, request.path));
  STRATA_TRY(Exporter(engine, request, cut, writer.get()).run());
  // Where the cut has moved on meanwhile, part of what should be there may be missing.
  if (request.branch->trimmed_before.load(std::memory_order_acquire) != cut) {
    return Status::error(Code::kHistoryTrimmed, "the history that was being exported was removed meanwhile",
                         "export again");
  }
  Exported exported;
  exported.entries = writer->totals().entries;
  STRATA_ASSIGN(exported.bytes, writer->publish());
  return exported;
}

}  // namespace

Status to_bundle(txn::Engine& engine, std::string_view key, std::string* value) {
  const auto parts = model::split_key(key);
  if (!parts || parts->tag != model::Tag::kEvent || parts->user.size() != 8) return Status::ok();
  model::EventRow row;
  STRATA_TRY(model::read_event(*value, base::load_be64(parts->user.data()), &row));
  if (row.origin.database == 0) row.origin.database = engine.seed();
  row.flags = 0;
  std::string bytes;
  model::build_event(row, &bytes);
  *value = std::move(bytes);
  return Status::ok();
}

Status add_to_digest(txn::Engine& engine, std::string_view key, uint64_t version, uint64_t timestamp,
                     std::string_view value, StateDigest* digest) {
  const auto parts = model::split_key(key);
  if (!parts) return Status::error(Code::kCorruption, "a key of a tree belongs to no space");
  if (parts->tag == model::Tag::kEventType) return Status::ok();
  if (parts->tag != model::Tag::kEvent) {
    digest->add(key, version, timestamp, value);
    return Status::ok();
  }
  std::string bytes(value);
  STRATA_TRY(to_bundle(engine, key, &bytes));
  digest->add(key, version, timestamp, bytes);
  return Status::ok();
}

Result<Exported> export_bundle(txn::Engine& engine, os::FileSystem& fs, const ExportRequest& request) {
  ExportRequest bounded = request;
  if (request.since) bounded.since = std::min(*request.since, engine.visible_timestamp());
  for (int attempt = 1;; ++attempt) {
    STRATA_TRY(txn::check_alive(*request.branch));
    if (bounded.since) STRATA_TRY(check_kept(*request.branch, *bounded.since));
    Result<Exported> exported = export_once(engine, fs, bounded);
    if (exported.is_ok() || exported.status().code() != Code::kHistoryTrimmed || attempt == kAttempts) return exported;
  }
}

}  // namespace strata::branch
