#include <map>
#include <string>

#include "primitives/merge_policies.h"
#include "primitives/space_marker.h"

namespace strata::primitives {
namespace {

using branch::MergeKey;
using branch::MergeVerdict;
using branch::MergeWork;
using model::Tag;
using model::TreeKey;

class ValueMerge : public branch::MergePolicy {
 public:
  Status merge(MergeWork& work, const MergeKey& key) override {
    STRATA_ASSIGN(const std::string_view target, work.target_row(key.key));
    STRATA_ASSIGN(const MergeVerdict verdict, work.judge(key, target));
    if (verdict == MergeVerdict::kTakeSource) return work.take_source(key);
    return verdict == MergeVerdict::kConflict ? work.resolve_whole(key, target) : Status::ok();
  }
};

class IndexMerge : public branch::MergePolicy {
 public:
  Status merge(MergeWork& work, const MergeKey& key) override {
    STRATA_ASSIGN(const std::string_view target, work.target_row(key.key));
    STRATA_ASSIGN(const MergeVerdict verdict, work.judge(key, target));
    return verdict == MergeVerdict::kTakeSource ? work.take_source(key) : Status::ok();
  }
};

class SpaceMerge : public branch::MergePolicy {
 public:
  Status merge(MergeWork&, const MergeKey& key) override {
    marked_.insert_or_assign(std::string(key.parts.space), Change{key.base.empty(), key.source.empty()});
    return Status::ok();
  }

  // Spaces whose marker the source changed, and those that something was written into.
  Status finish(MergeWork& work) override {
    std::map<std::string, Written, std::less<>> touched;
    for (const auto& [space, change] : marked_) touched[space];
    for (const txn::Write& write : work.writes().ordered()) {
      const auto parts = model::split_key(write.key);
      Written& written = touched[std::string(parts->space)];
      ++(write.tombstone ? written.erased : written.put);
    }
    for (const auto& [space, written] : touched) {
      if (space != kDefaultSpace) STRATA_TRY(settle(work, space, written));
    }
    return Status::ok();
  }

 private:
  struct Change {
    bool absent_in_base;
    bool absent_in_source;
  };
  struct Written {
    uint64_t put = 0;
    uint64_t erased = 0;  // all of them rows that the target has
  };

  Status settle(MergeWork& work, const std::string& space, const Written& written) {
    const TreeKey marker(space, Tag::kSpace);
    STRATA_ASSIGN(const std::string_view row, work.target_row(marker));
    const bool there = !row.empty();
    STRATA_ASSIGN(const uint64_t rows, rows_of(work, space));
    const bool holds = written.put > 0 || rows > written.erased;
    bool wanted = there;
    const auto change = marked_.find(space);
    if (change != marked_.end() && change->second.absent_in_base != change->second.absent_in_source) {
      wanted = !change->second.absent_in_source;
    }
    wanted |= holds;
    if (wanted == there) return Status::ok();
    return wanted ? work.put(marker, {}) : work.erase(marker);
  }

  // What the target has in the space beside its marker.
  static Result<uint64_t> rows_of(MergeWork& work, const std::string& space) {
    const model::KeySpan span = model::space_span(space);
    const tree::Root& target = work.sides().target.present;
    STRATA_ASSIGN(const uint64_t end, work.forest().rank(target, span.end));
    STRATA_ASSIGN(const uint64_t begin, work.forest().rank(target, model::TreeKey(space, Tag::kKv)));
    return end - begin;
  }

  std::map<std::string, Change, std::less<>> marked_;
};

}  // namespace

std::unique_ptr<branch::MergePolicy> make_value_merge() { return std::make_unique<ValueMerge>(); }
std::unique_ptr<branch::MergePolicy> make_index_merge() { return std::make_unique<IndexMerge>(); }
std::unique_ptr<branch::MergePolicy> make_space_merge() { return std::make_unique<SpaceMerge>(); }

}  // namespace strata::primitives
