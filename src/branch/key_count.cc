#include "branch/key_count.h"

#include "model/key_codec.h"

namespace strata::branch {

Result<uint64_t> key_count(const tree::Forest& forest, const tree::Root& present) {
  constexpr model::Tag kCounted[] = {model::Tag::kKv, model::Tag::kState, model::Tag::kJson, model::Tag::kEvent,
                                     model::Tag::kVector};
  uint64_t total = 0;
  tree::Cursor cursor(forest, present);
  STRATA_TRY(cursor.seek_first());
  while (cursor.valid()) {
    const auto parts = model::split_key(cursor.key());
    if (!parts) return Status::error(Code::kCorruption, "a key of a tree belongs to no space");
    const std::string space(parts->space);
    for (const model::Tag tag : kCounted) {
      const model::KeySpan span = model::prefix_span(space, tag);
      STRATA_ASSIGN(const uint64_t end, forest.rank(present, span.end));
      STRATA_ASSIGN(const uint64_t begin, forest.rank(present, span.begin));
      total += end - begin;
    }
    STRATA_TRY(cursor.seek(model::space_span(space).end));
  }
  return total;
}

}  // namespace strata::branch
