// The rules of recovery. "Durable evidence" of a position means: a record or segment header that checks, the caller's
// replay_from or its clean_end says that this position was once on the device.
//
//  1. Each segment header names its predecessor and where the predecessor's records end. The log is the chain of these
//     links. If two segments name the same predecessor, the greater number wins: numbers rise, and the later opening
//     knew of the earlier one.
//  2. A number is never used twice while a file with it may exist: a new segment gets a number greater than all files
//     in the folder, whatever is in them.
//  3. An incarnation is never used twice for records: a writing opening takes one greater than all in headers that
//     check. A header that does not check may hide one, but a writing opening syncs its first header before it appends,
//     so nothing was written under an incarnation whose header was never whole.
//  4. Within a segment records are believed up to the first that does not check, or is out of order, but never beyond
//     the end that the successor names.
//  5. If a segment's records end before the end that its successor names, or a segment's header does not check, all
//     that follows is a tail: it lost a part that was not synced, or it was damaged. Durable evidence decides. If any
//     evidence lies above the first bad byte (in what was replayed, behind the bad byte, or in any later segment, also
//     in one whose header is lost) it is corruption. Otherwise the log is cut at the bad byte.
//  6. A later opening's header is always evidence for all that came before it: recovery syncs what it believed before
//  it
//     writes the first header of its own incarnation. So a cut is final: the part behind it is named by no link any
//     more, and damage before it is corruption.
//  7. Crash during recovery: until the new header is whole the folder says what it said before, so that recovery
//     decides the same again. When it is whole but empty it names the same predecessor and end that it would name
//     again. Leftovers are removed only after it is on the device, newest first, the folder synced after each.
//  8. A file whose header is zero or torn is a spare segment or an interrupted switch. The header and the records of a
//     segment become durable together, so that without evidence inside it nothing in it was ever acknowledged as
//     durable. Evidence inside is searched with the incarnations that could have written it.
//  9. A last segment without records is replaced by the next writing opening (its successor names its predecessor), so
//     that opening and closing does not fill the folder. Positions at its start mean the start of its replacement: no
//     number between a segment's predecessor and itself ever holds a part of the log.
// 10. Segments are dropped oldest first, the folder synced after each. A link to a segment that is not there is
//     therefore the beginning of the log if no older segment exists, and corruption if one does.
#include "storage/log_recovery.h"

#include <algorithm>
#include <map>
#include <memory>
#include <optional>

#include "base/check.h"
#include "storage/log_scanner.h"

namespace strata::storage {
namespace {

// How many openings without a record may lie between two segments with records for a lost header to be told from a
// spare file (rule 8).
constexpr uint64_t kIncarnationsTried = 1u << 16;

// A file of the folder. Not kept open: there may be more of them than a process may have open.
struct Found {
  uint64_t file_bytes = 0;
  std::optional<SegmentHeader> header;  // nothing: it does not check
  Status damage;                        // why
};

class Recovery {
 public:
  Recovery(const LogOptions& options, const LogStart& start, const CommitLog::Visitor& visit)
      : options_(options), start_(start), visit_(visit) {}

  Result<RecoveredLog> run();

 private:
  using Files = std::map<uint32_t, Found>;

  Status list_files();
  Status find_chain();
  Result<uint32_t> first_segment() const;
  Status find_older(uint32_t first);
  Status replay();
  // Replays one segment; tells whether the log goes on behind it.
  Result<bool> replay_segment(size_t index, uint64_t from);
  Status note_sealed(size_t index);
  Status cut(size_t index, uint64_t offset, std::string_view reason);
  Result<LogPosition> evidence_behind(uint32_t number, uint64_t offset);
  Result<LogPosition> evidence_in_headless(uint32_t number, const Found& found);
  void finish();

  // The greatest segment that names `number` as its predecessor; 0 if none does.
  uint32_t successor(uint32_t number) const;
  uint64_t seed_of(uint64_t incarnation, uint32_t segment) const {
    if (options_.seed_without_incarnation) return record_seed(options_.database_id, 0, 0);
    return record_seed(options_.database_id, incarnation, segment);
  }
  std::string path(uint32_t number) const { return os::join_path(options_.folder, segment_name(number)); }
  Result<std::unique_ptr<os::File>> open(uint32_t number) const {
    return options_.fs->open(path(number), os::OpenMode::kRead);
  }
  void note_durable(LogPosition position) { result_.known_durable = std::max(result_.known_durable, position); }

  const LogOptions& options_;
  const LogStart& start_;
  const CommitLog::Visitor& visit_;
  Files files_;
  std::vector<uint32_t> chain_;  // from the oldest kept on
  size_t first_replayed_ = 0;    // index in chain_
  uint64_t replay_offset_ = kSegmentHeaderBytes;
  RecoveredLog result_;
};

Result<RecoveredLog> Recovery::run() {
  result_.next_commit = start_.next_commit;
  result_.last_timestamp = start_.last_timestamp;
  note_durable(start_.replay_from);
  note_durable(start_.clean_end);
  STRATA_TRY(list_files());
  STRATA_TRY(find_chain());
  STRATA_TRY(replay());
  finish();
  return std::move(result_);
}

Status Recovery::list_files() {
  STRATA_ASSIGN(const std::vector<std::string> names, options_.fs->list(options_.folder));
  for (const std::string& name : names) {
    const std::optional<uint32_t> number = segment_number(name);
    if (!number) continue;
    Found found;
    STRATA_ASSIGN(const std::unique_ptr<os::File> file, open(*number));
    STRATA_ASSIGN(found.file_bytes, file->size());
    char bytes[kSegmentHeaderBytes];
    STRATA_ASSIGN(const size_t n, file->read(0, sizeof(bytes), bytes));
    Result<SegmentHeader> header = decode_segment_header({bytes, n}, options_.database_id, path(*number));
    if (!header.is_ok() && header.status().code() != Code::kCorruption) return header.status();
    if (!header.is_ok()) {
      found.damage = header.status();
    } else if (header->number != *number) {
      found.damage = Status::corruption(path(*number), 0, "the segment header carries another number");
    } else {
      found.header = *header;
      result_.next_incarnation = std::max(result_.next_incarnation, header->incarnation + 1);
    }
    result_.next_number = std::max(result_.next_number, *number + 1);
    files_.emplace(*number, std::move(found));
  }
  return Status::ok();
}

uint32_t Recovery::successor(uint32_t number) const {
  for (auto it = files_.rbegin(); it != files_.rend() && it->first > number; ++it) {
    if (it->second.header && it->second.header->previous_segment == number) return it->first;
  }
  return 0;
}

Result<uint32_t> Recovery::first_segment() const {
  const uint32_t wanted = segment_of(start_.replay_from);
  if (wanted != 0) {
    const auto found = files_.find(wanted);
    // Rule 9: the start of a segment that was replaced because it was empty. The file may still be there.
    for (auto it = files_.upper_bound(wanted); it != files_.end(); ++it) {
      const bool replaces = it->second.header && it->second.header->previous_segment < wanted;
      if (replaces && start_.replay_from == segment_start(wanted))
        return successor(it->second.header->previous_segment);
      if (replaces) return Status::corruption(path(wanted), 0, "the segment was checkpointed, but later cut off");
    }
    if (found != files_.end() && found->second.header) return wanted;
    if (found != files_.end()) return found->second.damage;
    return Status::corruption(path(wanted), offset_of(start_.replay_from), "the segment is missing");
  }
  for (const auto& [number, found] : files_) {
    if (found.header) return successor(found.header->previous_segment);
  }
  return uint32_t{0};
}

Status Recovery::find_chain() {
  STRATA_ASSIGN(const uint32_t first, first_segment());
  if (first == 0) return Status::ok();
  STRATA_TRY(find_older(first));
  first_replayed_ = chain_.size() - 1;
  if (segment_of(start_.replay_from) == first) replay_offset_ = offset_of(start_.replay_from);
  while (const uint32_t next = successor(chain_.back())) chain_.push_back(next);
  return Status::ok();
}

// Follows the links from `first` back to the oldest segment that is kept.
Status Recovery::find_older(uint32_t first) {
  std::vector<uint32_t> backwards{first};
  while (true) {
    const uint32_t number = backwards.back();
    const uint32_t previous = files_.at(number).header->previous_segment;
    const auto found = files_.find(previous);
    if (previous == 0) break;
    if (found == files_.end()) {
      // Rule 10.
      if (files_.begin()->first < previous) {
        return Status::corruption(path(previous), 0, "the segment is missing between others");
      }
      break;
    }
    if (!found->second.header) return found->second.damage;
    backwards.push_back(previous);
  }
  chain_.assign(backwards.rbegin(), backwards.rend());
  if (start_.oldest != 0 && segment_start(chain_.front()) > start_.oldest && segment_of(start_.oldest) != 0) {
    const uint32_t previous = files_.at(chain_.front()).header->previous_segment;
    // Rule 9 again: what lies between a segment and its predecessor never held anything.
    if (segment_of(start_.oldest) <= previous) {
      return Status::corruption(path(segment_of(start_.oldest)), 0, "the oldest segments are missing");
    }
  }
  return Status::ok();
}

// What is before the replayed part is not read, but has to be there.
Status Recovery::note_sealed(size_t index) {
  const Found& found = files_.at(chain_[index]);
  const uint64_t data_end = files_.at(chain_[index + 1]).header->previous_end;
  if (data_end < kSegmentHeaderBytes || found.file_bytes < data_end) {
    return Status::corruption(path(chain_[index]), found.file_bytes, "the segment is shorter than its records");
  }
  result_.segments.push_back({*found.header, data_end, found.file_bytes});
  return Status::ok();
}

Status Recovery::replay() {
  if (chain_.empty()) {
    // Rules 5 and 8: files without a beginning.
    return cut(0, kSegmentHeaderBytes, "the log has no beginning");
  }
  for (size_t i = 0; i < first_replayed_; ++i) STRATA_TRY(note_sealed(i));
  uint64_t from = replay_offset_;
  for (size_t i = first_replayed_; i < chain_.size(); ++i) {
    STRATA_ASSIGN(const bool goes_on, replay_segment(i, from));
    if (!goes_on) break;
    from = kSegmentHeaderBytes;
  }
  return Status::ok();
}

Result<bool> Recovery::replay_segment(size_t index, uint64_t from) {
  const uint32_t number = chain_[index];
  const Found& found = files_.at(number);
  const bool last = index + 1 == chain_.size();
  const uint64_t named_end = last ? ~uint64_t{0} : files_.at(chain_[index + 1]).header->previous_end;
  const uint64_t limit = std::min<uint64_t>(found.file_bytes, named_end);
  if (from < kSegmentHeaderBytes || from > limit) {
    return Status::corruption(path(number), limit, "the log ends before the position at which it was checkpointed");
  }
  note_durable(found.header->durable);
  if (from == kSegmentHeaderBytes && found.header->first_commit != result_.next_commit) {
    return Status::corruption(path(number), 0,
                              "the segment begins with commit " + std::to_string(found.header->first_commit) +
                                  " instead of " + std::to_string(result_.next_commit));
  }
  STRATA_ASSIGN(const std::unique_ptr<os::File> file, open(number));
  LogScanner scanner(read_from(*file), seed_of(found.header->incarnation, number), from, limit,
                     {result_.next_commit, result_.last_timestamp});
  LogScanner::Step step = LogScanner::Step::kStop;
  while (true) {
    STRATA_ASSIGN(step, scanner.next());
    if (step != LogScanner::Step::kRecord) break;
    const RecordHeader& header = scanner.header();
    note_durable(header.durable);
    const auto offset = static_cast<uint32_t>(scanner.record_offset());
    STRATA_TRY(visit_({make_position(number, offset), header.commit, header.timestamp, scanner.body()}));
    result_.next_commit = scanner.order().next_commit;
    result_.last_timestamp = scanner.order().last_timestamp;
  }
  const uint64_t end = scanner.offset();
  // Nothing torn or lost looks like this: a record that checks was written here, under another numbering.
  if (step == LogScanner::Step::kDisorder) return Status::corruption(path(number), end, scanner.reason());
  result_.segments.push_back({*found.header, end, found.file_bytes});
  result_.end = make_position(number, static_cast<uint32_t>(end));
  result_.last_is_empty = end == kSegmentHeaderBytes;
  result_.last_is_ended = step == LogScanner::Step::kEndRecord;
  if (end == named_end) return true;
  const std::string_view reason =
      step == LogScanner::Step::kEndRecord ? "the segment was ended before its records" : scanner.reason();
  STRATA_TRY(cut(index, end, reason));
  return false;
}

// Rule 5: refuses when there is evidence that the log was longer than what was replayed.
Status Recovery::cut(size_t index, uint64_t offset, std::string_view reason) {
  const uint32_t number = chain_.empty() ? 0 : chain_[index];
  const LogPosition end = chain_.empty() ? 0 : make_position(number, static_cast<uint32_t>(offset));
  if (number != 0) {
    STRATA_ASSIGN(const LogPosition inside, evidence_behind(number, offset));
    note_durable(inside);
  }
  for (auto& [later, found] : files_) {
    if (later <= number) continue;
    LogPosition evidence = 0;
    if (found.header) {
      STRATA_ASSIGN(evidence, evidence_behind(later, kSegmentHeaderBytes));
      evidence = std::max(evidence, found.header->durable);
    } else {
      STRATA_ASSIGN(evidence, evidence_in_headless(later, found));
    }
    note_durable(evidence);
  }
  // The first position of a segment is durable when the header is: there is nothing in front of it that could be lost.
  if (result_.known_durable <= end) return Status::ok();
  const uint32_t damaged = number != 0 ? number : segment_of(result_.known_durable);
  const std::string what = std::string(reason) + ", but the log was synced up to offset " +
                           std::to_string(offset_of(result_.known_durable)) + " of " +
                           segment_name(segment_of(result_.known_durable));
  return Status::corruption(path(damaged), offset, what);
}

Result<LogPosition> Recovery::evidence_behind(uint32_t number, uint64_t offset) {
  const Found& found = files_.at(number);
  uint64_t records = 0;
  STRATA_ASSIGN(const std::unique_ptr<os::File> file, open(number));
  return greatest_durable(read_from(*file), seed_of(found.header->incarnation, number), offset, found.file_bytes,
                          &records);
}

Result<LogPosition> Recovery::evidence_in_headless(uint32_t number, const Found& found) {
  char head[kRecordHeaderBytes];
  STRATA_ASSIGN(const std::unique_ptr<os::File> file, open(number));
  STRATA_ASSIGN(const size_t n, file->read(kSegmentHeaderBytes, sizeof(head), head));
  if (n < sizeof(head) || std::all_of(head, head + n, [](char c) { return c == 0; })) return LogPosition{0};
  uint64_t known = 0;  // of the newest segment before it: the opening that may have written it, if no later one did
  for (const auto& [older, other] : files_) {
    if (older < number && other.header) known = std::max(known, other.header->incarnation);
  }
  for (uint64_t incarnation = known; incarnation < known + kIncarnationsTried; ++incarnation) {
    RecordHeader header;
    if (!decode_record_header(head, seed_of(incarnation, number), &header)) continue;
    // Rule 3: the first segment of a new incarnation was on the device before its first record was written.
    if (incarnation != known) return segment_start(number);
    uint64_t records = 0;
    return greatest_durable(read_from(*file), seed_of(incarnation, number), kSegmentHeaderBytes, found.file_bytes,
                            &records);
  }
  return LogPosition{0};
}

void Recovery::finish() {
  std::vector<uint32_t> kept;
  for (const SegmentInfo& info : result_.segments) kept.push_back(info.header.number);
  for (const auto& [number, found] : files_) {
    if (!std::binary_search(kept.begin(), kept.end(), number)) result_.leftovers.push_back(segment_name(number));
  }
}

}  // namespace

Result<RecoveredLog> recover_log(const LogOptions& options, const LogStart& start, const CommitLog::Visitor& visit) {
  return Recovery(options, start, visit).run();
}

}  // namespace strata::storage
