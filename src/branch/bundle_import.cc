#include "branch/bundle_import.h"

#include <algorithm>
#include <memory>

#include "branch/bundle_export.h"
#include "branch/bundle_reader.h"
#include "branch/delta_vectors.h"
#include "branch/import_writer.h"
#include "branch/row_walk.h"
#include "txn/history.h"

namespace strata::branch {
namespace {

using model::Tag;
using model::TreeKey;

constexpr uint64_t kBytesPerBurst = uint64_t{8} << 20;

bool is_counted(Tag tag) {
  return tag == Tag::kKv || tag == Tag::kState || tag == Tag::kJson || tag == Tag::kEvent || tag == Tag::kVector;
}

// Turns the entries of a bundle into rows of a hidden branch. `base`: the state that a delta rests on.
class Importer {
 public:
  Importer(txn::Engine& engine, const BundleReader& reader, const txn::Head& base, ImportWriter* writer)
      : engine_(engine), reader_(reader), base_(base), history_(engine), writer_(*writer) {
    if (reader.head().since) vectors_.emplace(engine, base, reader.head());
  }

  Status add(const CheckedEntry& checked) {
    if (!checked.entry.same_key) STRATA_TRY(end_key(&checked));
    if (vectors_) {
      STRATA_ASSIGN(const auto refusal, vectors_->add(checked));
      if (refusal) return reader_.damaged(*refusal);
    }
    tag_ = checked.tag;
    alive_ = !checked.entry.tombstone;
    return tag_ == Tag::kEvent ? add_event(checked) : writer_.add(checked.entry);
  }
  // Once, behind the last entry.
  Status end() { return end_key(nullptr); }
  // Once all is written. `result`: what came of it.
  Status check_vectors(const txn::Head& result) {
    if (!vectors_) return Status::ok();
    STRATA_ASSIGN(const auto refusal, vectors_->end(result));
    return refusal ? reader_.damaged(*refusal) : Status::ok();
  }
  uint64_t keys() const { return keys_; }

 private:
  struct BaseEvent {
    bool there = false;
    bool unordered = false;
    std::string hash;
    std::string type;
  };

  // `next`: the first entry of the next key; null: there is none.
  Status end_key(const CheckedEntry* next) {
    if (alive_ && is_counted(tag_)) ++keys_;
    if (tag_ != Tag::kEvent || (next != nullptr && next->tag == Tag::kEvent && next->space == space_)) {
      return Status::ok();
    }
    // What changes events that were there changes all that follow them.
    BaseEvent behind;
    STRATA_TRY(base_event(space_, sequence_ + 1, &behind));
    return behind.there ? reader_.damaged("an event log that is cut in two") : Status::ok();
  }

  Status base_event(std::string_view space, uint64_t sequence, BaseEvent* event) {
    *event = BaseEvent();
    const tree::ReadGuard guard(engine_.forest());
    const TreeKey key(space, Tag::kEvent, sequence);
    STRATA_ASSIGN(const auto bytes, engine_.forest().get(base_.present, key));
    if (!bytes) return Status::ok();
    txn::RowView row;
    STRATA_TRY(txn::read_row(*bytes, &row));
    STRATA_ASSIGN(const std::string_view value, history_.value_of(row));
    model::EventRow read;
    STRATA_TRY(model::read_event(value, sequence, &read));
    event->there = true;
    event->unordered = (read.flags & model::kUnordered) != 0;
    event->hash = read.hash;
    event->type = read.type;
    return Status::ok();
  }

  Status add_event(const CheckedEntry& checked) {
    if (!checked.entry.same_key) {
      BaseEvent before;
      STRATA_TRY(base_event(checked.space, checked.sequence, &before));
      type_ = before.type;
      if (space_ != checked.space) behind_unordered_ = false;
      space_ = checked.space;
      sequence_ = checked.sequence;
    }
    if (checked.entry.tombstone) {
      STRATA_TRY(writer_.add(checked.entry));
      return add_type(checked, true);
    }
    std::string value;
    STRATA_TRY(row_of(checked, &value));
    BundleEntry entry = checked.entry;
    entry.value = value;
    STRATA_TRY(writer_.add(entry));
    // Of the type that the event here had before there is none here any more.
    if (type_ != checked.event.type) STRATA_TRY(add_type(checked, true));
    type_ = checked.event.type;
    return add_type(checked, false);
  }

  // The row that finds the event by its type.
  Status add_type(const CheckedEntry& checked, bool tombstone) {
    if (type_.empty()) return Status::ok();
    const TreeKey key(space_, Tag::kEventType, type_, sequence_);
    return writer_.add_derived(key, tombstone, checked.entry.timestamp);
  }

  // The value of the event's row here, which tells its place in the chain, and the origin's database only if it is
  // another.
  Status row_of(const CheckedEntry& checked, std::string* value) {
    model::EventRow row = checked.event;
    bool unordered = checked.unordered || behind_unordered_;
    if (!checked.linked) {
      BaseEvent before;
      STRATA_TRY(base_event(space_, sequence_ - 1, &before));
      const ValueView payload(row.payload);
      const auto hash = model::event_hash(before.hash, sequence_, row.type, row.origin.timestamp, payload);
      if (!before.there || !hash.is_ok() || std::string_view(hash->data(), hash->size()) != row.hash) {
        return reader_.damaged("an event whose hash does not continue the chain");
      }
      unordered = before.unordered || row.origin.timestamp != checked.entry.timestamp;
      behind_unordered_ = behind_unordered_ || unordered;
    }
    if (row.origin.database == engine_.seed()) row.origin.database = 0;
    row.flags = unordered ? model::kUnordered : 0;
    model::build_event(row, value);
    return Status::ok();
  }

  txn::Engine& engine_;
  const BundleReader& reader_;
  const txn::Head base_;
  txn::History history_;
  ImportWriter& writer_;
  std::optional<DeltaVectors> vectors_;  // of a delta
  Tag tag_ = Tag::kSpace;                // of the key at hand
  bool alive_ = false;
  uint64_t keys_ = 0;
  // Of the event at hand.
  std::string type_;
  std::string space_;
  uint64_t sequence_ = 0;
  bool behind_unordered_ = false;  // the log that a delta goes on with is unordered, which the delta itself cannot tell
};

// What a delta rests on, or an empty state.
struct Base {
  txn::BranchPtr branch;
  txn::Head head;
  tree::Pin pin;
};

class ImportRun {
 public:
  ImportRun(txn::Engine& engine, Catalogue& catalogue, const ImportRequest& request, BundleReader& reader)
      : engine_(engine), catalogue_(catalogue), request_(request), reader_(reader) {}

  Result<Imported> run() {
    STRATA_TRY(reader_.check(poll(0)));
    // Once to know that it is good, once to write.
    STRATA_TRY(reader_.read({}, poll(0)));
    name_ = request_.name.value_or(reader_.head().name);
    STRATA_TRY(reader_.head().since ? find_base() : check_free());
    STRATA_ASSIGN(const txn::BranchPtr hidden, begin());
    Imported imported;
    Status status = fill(hidden, &imported);
    if (status.is_ok()) {
      status = base_.branch != nullptr
                   ? catalogue_.adopt(hidden, {base_.branch, base_.head.last_record, imported.forgotten})
                   : catalogue_.reveal(hidden, name_).status();
    }
    if (!status.is_ok()) {
      // What this cannot do any more is done at the next opening.
      (void)catalogue_.discard(hidden);
      return status;
    }
    imported.branch = name_;
    imported.entries = reader_.totals().entries;
    return imported;
  }

 private:
  uint64_t total() const { return 2 * reader_.totals().entries + 1; }

  BundleReader::Poll poll(uint64_t before) {
    return
        [this, before](uint64_t entries) { return !request_.progress || request_.progress(before + entries, total()); };
  }

  Status check_free() const {
    if (!catalogue_.find(name_).is_ok()) return Status::ok();
    return Status::error(Code::kBranchExists, "branch '" + name_ + "' exists already", "branch_import(path, name=...)");
  }

  Status find_base() {
    STRATA_ASSIGN(base_.branch, catalogue_.find(name_));
    RowWalk walk(engine_, *base_.branch, false);
    base_.head = walk.head();
    {
      const tree::ReadGuard guard(engine_.forest());
      const tree::Root roots[] = {base_.head.present, base_.head.deleted};
      base_.pin = engine_.forest().pin(base_.head.commit, roots);
    }
    StateDigest digest;
    txn::History history(engine_);
    uint64_t last = 0;
    const RowWalk::Visitor visit = [&](std::string_view key, const txn::RowView& row) -> Result<bool> {
      last = std::max(last, row.timestamp);
      STRATA_ASSIGN(const std::string_view value, history.value_of(row));
      STRATA_TRY(add_to_digest(engine_, key, row.version, row.timestamp, value, &digest));
      return row.value_bytes() < kBytesPerBurst;
    };
    while (true) {
      STRATA_ASSIGN(const bool more, walk.burst(visit));
      if (!more) break;
      if (!poll(reader_.totals().entries)(0)) {
        return Status::error(Code::kInvalidArgument, "the import was ended by its progress callback");
      }
    }
    if (digest.finish() == reader_.head().base && last <= *reader_.head().since) return Status::ok();
    return Status::error(
        Code::kDeltaMismatch,
        "branch '" + name_ + "' is not as the exported one was at " + std::to_string(*reader_.head().since),
        "export the whole branch");
  }

  Result<txn::BranchPtr> begin() {
    Catalogue::HiddenBegin begin;
    begin.source = base_.branch;
    begin.last_record = base_.head.last_record;
    begin.oldest = reader_.head().oldest;
    begin.trimmed_before = reader_.head().trimmed_before;
    begin.later_than = reader_.head().taken_at;
    return catalogue_.begin_hidden(begin);
  }

  Status fill(const txn::BranchPtr& hidden, Imported* imported) {
    ImportWriter writer(engine_, hidden);
    Importer importer(engine_, reader_, base_.head, &writer);
    BundleReader::Visitors visitors;
    visitors.entry = [&](const CheckedEntry& checked) { return importer.add(checked); };
    visitors.commit = [&](const BundleCommit& commit) { return writer.add_commit(commit); };
    STRATA_TRY(reader_.read(visitors, poll(reader_.totals().entries)));
    STRATA_TRY(importer.end());
    STRATA_TRY(writer.finish());
    STRATA_TRY(importer.check_vectors(hidden->visible.load()));
    imported->keys = importer.keys();
    imported->forgotten = writer.forgotten();
    if (!request_.progress || request_.progress(total(), total())) return Status::ok();
    return Status::error(Code::kInvalidArgument, "the import was ended by its progress callback");
  }

  txn::Engine& engine_;
  Catalogue& catalogue_;
  const ImportRequest& request_;
  BundleReader& reader_;
  std::string name_;
  Base base_;
};

}  // namespace

Result<Imported> import_bundle(txn::Engine& engine, Catalogue& catalogue, os::FileSystem& fs,
                               const ImportRequest& request) {
  STRATA_ASSIGN(const std::unique_ptr<BundleReader> reader, BundleReader::open(fs, request.path, request.latest));
  return ImportRun(engine, catalogue, request, *reader).run();
}

Result<Inspected> inspect_bundle(os::FileSystem& fs, const std::string& path, uint64_t latest,
                                 const Progress& progress) {
  STRATA_ASSIGN(const std::unique_ptr<BundleReader> reader, BundleReader::open(fs, path, latest));
  const uint64_t total = reader->totals().entries;
  const BundleReader::Poll poll = [&](uint64_t entries) { return !progress || progress(entries, total); };
  STRATA_TRY(reader->check(poll));
  STRATA_TRY(reader->read({}, poll));
  return Inspected{reader->head().name, reader->totals().entries};
}

}  // namespace strata::branch
