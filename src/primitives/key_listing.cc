#include "primitives/key_listing.h"

#include "txn/view.h"

namespace strata::primitives {

Status list_keys(const txn::Context& context, model::Tag tag, std::string_view prefix, std::optional<uint64_t> limit,
                 AsOf as_of, KeyList* keys) {
  STRATA_TRY(model::check_text(prefix, "prefix"));
  txn::View view(context);
  STRATA_TRY(view.open(as_of));
  const model::KeySpan span = model::prefix_span(context.space, tag, prefix);
  const size_t name_at = context.space.size() + 2;
  const txn::ScanRange range{span.begin, span.end, limit, false, false};
  return view.scan(range, [&](std::string_view key, const VersionedValue&) { keys->add(key.substr(name_at)); })
      .status();
}

}  // namespace strata::primitives
