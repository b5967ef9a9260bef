#include "primitives/json_indexes.h"

#include <string>

#include "model/key_codec.h"
#include "model/utf8.h"
#include "primitives/space_marker.h"
#include "strata/json.h"
#include "txn/context.h"

namespace strata {

using model::quoted;
using model::Tag;
using model::TreeKey;

namespace primitives {

Status parse_singular(std::string_view text, std::string_view what, model::JsonPath* path) {
  STRATA_TRY(path->parse(text));
  if (path->singular()) return Status::ok();
  return Status::error(Code::kPathNotSingular,
                       std::string(what) + " takes a path to one place, not " + quoted(text, 80),
                       "names and indexes only, such as $.a[0]");
}

Status visit_indexes(txn::View* view, std::string_view space, const IndexVisitor& visit) {
  const model::KeySpan span = model::prefix_span(space, Tag::kJsonIndex);
  Status damage;
  const auto take = [&](std::string_view key, const VersionedValue& value) {
    const auto path = ValueView(value.value).read();
    if (path.is_ok() && path->type == ValueType::kString) {
      visit(key.substr(span.begin.size()), path->bytes);
    } else {
      damage = Status::error(Code::kCorruption, "the definition of an index is damaged", "verify() lists all damage");
    }
  };
  STRATA_TRY(view->scan({span.begin, span.end, std::nullopt, false, true}, take).status());
  return damage;
}

}  // namespace primitives

Status Json::create_index(std::string_view name, std::string_view path) {
  STRATA_TRY(model::check_key(name, "index name"));
  model::JsonPath place;
  STRATA_TRY(primitives::parse_singular(path, "json_create_index", &place));
  ValueWriter value;
  if (!value.string(path)) return value.error();
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  const TreeKey key(context->space, Tag::kJsonIndex, name);
  const auto decide = [&](txn::View& view, std::vector<txn::Write>* writes) -> Status {
    STRATA_ASSIGN(const auto found, view.get(key, false));
    if (found) {
      return Status::error(Code::kIndexExists, "index " + quoted(name) + " exists already",
                           "json_drop_index(name) removes it");
    }
    txn::Write& write = writes->emplace_back();
    write.key = key;
    write.value = value.result();
    return Status::ok();
  };
  const primitives::SpaceMarker marker(context->space);
  std::vector<uint64_t> versions;
  return txn::update(*context, "json_create_index", marker.ensured(), std::cref(decide), &versions);
}

Result<std::vector<JsonIndexInfo>> Json::list_indexes(AsOf as_of) {
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  std::vector<JsonIndexInfo> indexes;
  STRATA_TRY(primitives::visit_indexes(&view, context->space, [&](std::string_view name, std::string_view path) {
    indexes.push_back({std::string(name), std::string(path)});
  }));
  return indexes;
}

Result<bool> Json::drop_index(std::string_view name) {
  STRATA_TRY(model::check_key(name, "index name"));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  STRATA_TRY(txn::check_writable(*context, "json_drop_index"));
  const TreeKey key(context->space, Tag::kJsonIndex, name);
  bool existed = false;
  const auto decide = [&](txn::View& view, std::vector<txn::Write>* writes) -> Status {
    STRATA_ASSIGN(const auto found, view.get(key, false));
    existed = found.has_value();
    if (!existed) return Status::ok();
    txn::Write& write = writes->emplace_back();
    write.key = key;
    write.tombstone = true;
    return Status::ok();
  };
  std::vector<uint64_t> versions;
  STRATA_TRY(txn::update(*context, "json_drop_index", {}, std::cref(decide), &versions));
  return existed;
}

}  // namespace strata
