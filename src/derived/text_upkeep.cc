// What the text index does beside searches: following branches, merging segments, keeping files.
#include <algorithm>
#include <map>
#include <optional>

#include "derived/text_change.h"
#include "derived/text_index.h"
#include "model/key_codec.h"
#include "txn/context.h"

namespace strata::derived {
namespace {

// Commits of the database after which a snapshot that nobody searches is brought up to date.
constexpr uint64_t kFarBehind = 20'000;
// How long no file is written after one could not be: a minute of background work.
constexpr uint64_t kStepsToWait = 600;

// Whether a tree has any; what cannot be read counts.
bool has_keys(const tree::Forest& forest, const tree::Root& root, const model::KeySpan& span) {
  const auto begin = forest.rank(root, span.begin);
  const auto end = forest.rank(root, span.end);
  return !begin || !end || *begin != *end;
}

}  // namespace

std::vector<TextIndex::LinePtr> TextIndex::living_lines() {
  std::vector<LinePtr> lines;
  std::vector<LinePtr> forgotten;  // let go of without the lock
  const base::MutexLock lock(mutex_);
  for (auto line = lines_.begin(); line != lines_.end();) {
    const bool gone = line->second->branch->deleted.load(std::memory_order_acquire);
    (gone ? forgotten : lines).push_back(line->second);
    line = gone ? lines_.erase(line) : std::next(line);
  }
  return lines;
}

void TextIndex::background_step(const std::atomic<bool>& stop) {
  for (const LinePtr& line : living_lines()) {
    if (stop) return;
    follow(line, stop);
    merge_large(line);
  }
  if (steps_to_wait_ > 0) {
    --steps_to_wait_;
  } else if (!stop && changed_.exchange(false) && !keep_files(options_.kept_meanwhile_bytes)) {
    changed_ = true;
    steps_to_wait_ = kStepsToWait;
  }
}

// Keeps a snapshot from falling so far behind that the nodes it keeps alive weigh.
void TextIndex::follow(const LinePtr& line, const std::atomic<bool>& stop) {
  const TextSnapshotPtr newest = newest_of(*line);
  std::optional<HeldHead> held;
  {
    const tree::ReadGuard guard(engine_.forest());
    const txn::Head head = line->branch->visible.load();
    if (newest == nullptr || line->branch->deleted.load(std::memory_order_acquire) ||
        head.commit < newest->head.commit + kFarBehind) {
      return;
    }
    held.emplace(engine_, head);
  }
  const KeepOn keep_on = [&stop] { return !stop; };
  txn::Patience patience(&keep_on);
  (void)catch_up(line->branch, line->space, *held, &patience);  // a search will say what is wrong
}

void TextIndex::merge_large(const LinePtr& line) {
  const TextSnapshotPtr before = newest_of(*line);
  if (before == nullptr) return;
  const std::vector<size_t> chosen = TextChange::due(before->segments, UINT64_MAX);
  if (chosen.empty()) return;
  std::vector<index::LiveSegment> sources;
  sources.reserve(chosen.size());
  for (const size_t i : chosen) sources.push_back(before->segments[i]);
  const index::SegmentPtr merged = index::merge_segments(sources);
  if (merged == nullptr) return;

  // What happened meanwhile: documents died, or the sources were merged by others.
  const base::MutexLock building(line->building);
  const TextSnapshotPtr now = newest_of(*line);
  auto live = std::make_shared<index::Liveness>(merged->documents());
  auto after = std::make_unique<TextSnapshot>();
  size_t found = 0;
  for (const index::LiveSegment& segment : now->segments) {
    const auto source = std::find_if(sources.begin(), sources.end(),
                                     [&](const index::LiveSegment& s) { return s.segment == segment.segment; });
    if (source == sources.end()) {
      after->segments.push_back(segment);
      continue;
    }
    ++found;
    for (uint32_t document = 0; document < segment.segment->documents(); ++document) {
      if (!source->alive(document) || segment.alive(document)) continue;
      const uint32_t dead = merged->find(segment.segment->kind(document), segment.segment->key(document));
      if (dead != index::kNoDocument) live->kill(dead);
    }
  }
  if (found != sources.size()) return;
  after->segments.push_back({merged, std::move(live)});
  after->statistics = now->statistics;
  after->head = now->head;
  {
    const tree::ReadGuard guard(engine_.forest());
    after->pin = engine_.forest().pin(now->head.commit, {&now->head.present, 1});
  }
  publish(line.get(), TextSnapshotPtr(std::move(after)));
}

// ---- files ----

// Whether all branches that have anything in a space were searched there, so that nobody needs what they do not.
bool TextIndex::is_known(std::string_view space) const {
  const model::KeySpan span = model::space_span(space);
  const tree::ReadGuard guard(engine_.forest());
  for (const txn::BranchPtr& branch : branches_()) {
    {
      const base::MutexLock lock(mutex_);
      const auto line = lines_.find(LineKey(branch->origin.id, space));
      if (line != lines_.end() && line->second->newest != nullptr) continue;
    }
    const txn::Head head = branch->visible.load();
    if (txn::check_alive(*branch).is_ok() && has_keys(engine_.forest(), head.present, span)) return false;
  }
  return true;
}

// Files for the segments of what there is; false: not all could be written.
bool TextIndex::keep_files(uint64_t least_bytes) {
  if (files_ == nullptr || files_->read_only()) return true;
  const std::vector<LinePtr> lines = living_lines();
  std::vector<TextFiles::Wanted> wanted;
  for (const LinePtr& line : lines) {
    const TextSnapshotPtr newest = newest_of(*line);
    if (newest == nullptr) continue;
    {
      const tree::ReadGuard guard(engine_.forest());
      const txn::Head head = line->branch->visible.load();
      const bool alive = txn::check_alive(*line->branch).is_ok();
      if (!alive || !has_keys(engine_.forest(), head.present, model::space_span(line->space))) continue;
    }
    for (const index::LiveSegment& segment : newest->segments) wanted.push_back({line->space, segment.segment});
  }
  // A commit that a power cut takes back must not leave its text behind: another one may get its place in the log.
  if (files_->lacks(wanted, least_bytes) && !engine_.flush()) return false;
  std::map<std::string, bool, std::less<>> known;
  return files_->keep(wanted, least_bytes, [&](std::string_view space) {
    const auto at = known.find(space);
    return at != known.end() ? at->second : (known[std::string(space)] = is_known(space));
  });
}

void TextIndex::release() {
  if (in_use()) (void)keep_files(options_.kept_bytes);  // what is not kept is made again
  std::map<LineKey, LinePtr> lines;
  {
    const base::MutexLock lock(mutex_);
    lines.swap(lines_);
  }
  if (files_ != nullptr) files_->forget();
}

uint64_t TextIndex::memory_bytes() const {
  std::vector<const index::TextSegment*> counted;
  uint64_t bytes = 0;
  const base::MutexLock lock(mutex_);
  for (const auto& [key, line] : lines_) {
    if (line->newest == nullptr) continue;
    for (const index::LiveSegment& segment : line->newest->segments) {
      if (segment.live != nullptr) bytes += segment.segment->documents() / 8;
      counted.push_back(segment.segment.get());
    }
  }
  std::sort(counted.begin(), counted.end());
  counted.erase(std::unique(counted.begin(), counted.end()), counted.end());
  for (const index::TextSegment* segment : counted) bytes += segment->bytes().size();
  return bytes;
}

}  // namespace strata::derived
