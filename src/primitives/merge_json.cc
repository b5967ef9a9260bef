#include "model/json_three_way.h"
#include "primitives/merge_policies.h"

namespace strata::primitives {
namespace {

using branch::MergeKey;
using branch::MergeVerdict;
using branch::MergeWork;

class JsonMerge : public branch::MergePolicy {
 public:
  Status merge(MergeWork& work, const MergeKey& key) override {
    STRATA_ASSIGN(const std::string_view target, work.target_row(key.key));
    STRATA_ASSIGN(const MergeVerdict verdict, work.judge(key, target));
    if (verdict == MergeVerdict::kTakeSource) return work.take_source(key);
    if (verdict == MergeVerdict::kNothing) return Status::ok();
    Document base;
    Document source;
    Document ours;
    STRATA_TRY(read(work, key.base, &base));
    STRATA_TRY(read(work, key.source, &source));
    STRATA_TRY(read(work, target, &ours));
    const bool by_member = source.is_object && ours.is_object && (!base.value || base.is_object);
    return by_member ? members(work, key, base, *source.value, *ours.value) : work.resolve_whole(key, target);
  }

 private:
  struct Document {
    std::optional<ValueView> value;
    bool is_object = false;
  };

  static Status read(MergeWork& work, std::string_view row, Document* document) {
    if (row.empty()) return Status::ok();
    STRATA_ASSIGN(const std::string_view bytes, work.values().value(row));
    document->value.emplace(bytes);
    STRATA_ASSIGN(const ValueToken token, document->value->read());
    document->is_object = token.type == ValueType::kObject;
    return Status::ok();
  }

  Status members(MergeWork& work, const MergeKey& key, const Document& base, ValueView source, ValueView target) {
    const auto copy = [](const std::optional<ValueView>& value) {
      return value ? std::optional<std::string>(value->bytes()) : std::nullopt;
    };
    const auto decide = [&](const model::JsonClash& clash) -> Result<std::optional<ValueView>> {
      MergeConflict conflict;
      conflict.entity = branch::name_of(key.parts);
      conflict.path = clash.path;
      conflict.base = copy(clash.base);
      conflict.source = copy(clash.source);
      conflict.target = copy(clash.target);
      std::string_view value;
      STRATA_ASSIGN(const Resolution resolution, work.resolve(key, std::move(conflict), &value));
      if (resolution == Resolution::kSource) return clash.source;
      if (resolution == Resolution::kValue) return std::optional<ValueView>(ValueView(value));
      return clash.target;
    };
    STRATA_TRY(model::merge_objects(base.value, source, target, decide, &merged_));
    if (strata::same(ValueView(merged_), target)) return Status::ok();
    STRATA_TRY(ValueView(merged_).validate());
    return work.put(key.key, merged_);
  }

  std::string merged_;
};

}  // namespace

std::unique_ptr<branch::MergePolicy> make_json_merge() { return std::make_unique<JsonMerge>(); }

}  // namespace strata::primitives
