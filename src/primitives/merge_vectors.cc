#include <map>
#include <string>
#include <utility>

#include "model/vector_codec.h"
#include "primitives/merge_policies.h"
#include "primitives/vector_checks.h"
#include "primitives/vector_search.h"

namespace strata::primitives {
namespace {

using branch::MergeKey;
using branch::MergeVerdict;
using branch::MergeWork;
using model::Tag;
using model::TreeKey;

class VectorMerge : public branch::MergePolicy {
 public:
  Status merge(MergeWork& work, const MergeKey& key) override {
    std::string_view collection = key.parts.user;
    if (key.parts.tag == Tag::kVector) {
      const auto name = model::split_vector_key(key.parts.user);
      if (!name) return Status::error(Code::kCorruption, "a key of a tree is damaged", "verify() lists all damage");
      collection = name->collection;
    }
    STRATA_ASSIGN(const bool as_one, merges_as_one(work, key.parts.space, collection));
    return as_one ? Status::ok() : one(work, key, collection);
  }

  Status finish(MergeWork& work) override {
    for (const auto& [name, as_one] : collections_) {
      if (as_one) STRATA_TRY(whole(work, name.first, name.second));
    }
    return Status::ok();
  }

 private:
  using Name = std::pair<std::string, std::string>;  // space, collection

  static Result<std::string_view> row_in(MergeWork& work, const tree::Root& root, std::string_view key) {
    STRATA_ASSIGN(const auto row, work.forest().get(root, key));
    return row.value_or(std::string_view());
  }

  // Whether the sides define the collection otherwise, or one of them has none. Known for each that was asked about.
  Result<bool> merges_as_one(MergeWork& work, std::string_view space, std::string_view collection) {
    const Name name(space, collection);
    const auto known = collections_.find(name);
    if (known != collections_.end()) return known->second;
    const TreeKey key(space, Tag::kCollection, collection);
    STRATA_ASSIGN(const std::string_view source, row_in(work, work.sides().source.present, key));
    STRATA_ASSIGN(const std::string_view target, work.target_row(key));
    STRATA_ASSIGN(const bool same, work.values().same(Tag::kCollection, source, target));
    collections_.emplace(name, !same);
    return !same;
  }

  static Status one(MergeWork& work, const MergeKey& key, std::string_view collection) {
    STRATA_ASSIGN(const std::string_view target, work.target_row(key.key));
    STRATA_ASSIGN(const MergeVerdict verdict, work.judge(key, target));
    if (verdict == MergeVerdict::kTakeSource) return work.take_source(key);
    if (verdict == MergeVerdict::kNothing) return Status::ok();
    const std::string space(key.parts.space);
    return work.resolve_whole(key, target,
                              [&](std::string_view value) { return fits(work, space, collection, value); });
  }

  // Whether a value that was answered for a vector can lie in the collection.
  static Status fits(MergeWork& work, std::string_view space, std::string_view collection, std::string_view value) {
    STRATA_ASSIGN(const std::string_view row, work.target_row(TreeKey(space, Tag::kCollection, collection)));
    STRATA_ASSIGN(const std::string_view stored, work.values().value(row));
    const auto definition = model::parse_collection(stored);
    if (!definition) return Status::error(Code::kCorruption, "the definition of a collection is damaged");
    return check_fits(*definition, collection, value, "the answered vector");
  }

  // A collection and its vectors as one.
  Status whole(MergeWork& work, const std::string& space, const std::string& collection) {
    const TreeKey definition(space, Tag::kCollection, collection);
    const model::KeySpan vectors = vectors_of(space, collection);
    const tree::KeyRange parts{vectors.begin, vectors.end};
    const branch::MergeSides& sides = work.sides();
    MergeKey key{definition, {space, Tag::kCollection, collection}, {}, {}};
    STRATA_ASSIGN(key.base, row_in(work, sides.base, definition));
    STRATA_ASSIGN(key.source, row_in(work, sides.source.present, definition));
    STRATA_ASSIGN(const std::string_view target, work.target_row(definition));
    STRATA_ASSIGN(const bool source_same, equal(work, key.base, key.source, sides.source.present, parts));
    if (source_same) return Status::ok();
    STRATA_ASSIGN(const bool target_same, equal(work, key.base, target, sides.target.present, parts));
    if (!target_same) {
      MergeConflict conflict;
      STRATA_TRY(work.describe(key, target, &conflict));
      std::string_view value;
      STRATA_ASSIGN(const Resolution resolution, work.resolve(key, std::move(conflict), &value, parts));
      if (resolution == Resolution::kValue) return no_value(collection);
      if (resolution != Resolution::kSource) return Status::ok();
    }
    STRATA_ASSIGN(const bool same, work.values().same(Tag::kCollection, key.source, target));
    if (!same) STRATA_TRY(work.take_source(key));
    work.values().forget();
    return take_vectors(work, parts);
  }

  static Status no_value(const std::string& collection) {
    return Status::error(Code::kInvalidResolution,
                         "the strategy answered for collection '" + collection + "' what neither side has",
                         "return the value of one side: conflict[\"source\"] or conflict[\"target\"]");
  }

  // Whether a side has of the collection what the base has.
  static Result<bool> equal(MergeWork& work, std::string_view base, std::string_view row, const tree::Root& side,
                            const tree::KeyRange& parts) {
    STRATA_ASSIGN(bool same, work.values().same(Tag::kCollection, base, row));
    Status status;
    const auto visit = [&](std::string_view, tree::Change, std::string_view before, std::string_view after) {
      status = work.ask();
      const Result<bool> alike = status.is_ok() ? work.values().same(Tag::kVector, before, after) : Result<bool>(false);
      if (!alike.is_ok()) status = alike.status();
      same = status.is_ok() && *alike;
      work.values().forget();
      return same;
    };
    if (same) STRATA_TRY(work.forest().diff(work.sides().base, side, parts, visit));
    STRATA_TRY(status);
    return same;
  }

  // Makes the target's vectors what the source's are.
  static Status take_vectors(MergeWork& work, const tree::KeyRange& parts) {
    Status status;
    const auto take = [&](std::string_view key, std::string_view target, std::string_view source) -> Status {
      STRATA_TRY(work.ask());
      STRATA_ASSIGN(const bool same, work.values().same(Tag::kVector, target, source));
      if (!same) {
        STRATA_ASSIGN(const model::SplitKey names, branch::parts_of(key));
        STRATA_TRY(work.take_source({key, names, target, source}));
      }
      work.values().forget();
      return Status::ok();
    };
    const auto visit = [&](std::string_view key, tree::Change, std::string_view target, std::string_view source) {
      status = take(key, target, source);
      return status.is_ok();
    };
    STRATA_TRY(work.forest().diff(work.sides().target.present, work.sides().source.present, parts, visit));
    return status;
  }

  std::map<Name, bool> collections_;
};

}  // namespace

std::unique_ptr<branch::MergePolicy> make_vector_merge() { return std::make_unique<VectorMerge>(); }

}  // namespace strata::primitives
