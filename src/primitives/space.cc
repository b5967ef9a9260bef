#include "strata/space.h"

#include <algorithm>

#include "model/key_codec.h"
#include "model/utf8.h"
#include "primitives/space_marker.h"
#include "txn/context.h"
#include "txn/view.h"

namespace strata {
namespace {

using model::quoted;
using model::Tag;
using model::TreeKey;
using primitives::kDefaultSpace;

// The names of the spaces that have a marker.
Status marked_spaces(txn::View& view, std::vector<std::string>* names) {
  std::string from;
  while (true) {
    // The first key at or after `from` names the next space, whether it is its marker or not.
    std::string found;
    txn::ScanRange range{from, "\xff", 1, false, false};
    STRATA_TRY(view.scan(range, [&](std::string_view key, const VersionedValue&) { found.assign(key); }).status());
    if (found.empty()) return Status::ok();
    const auto parts = model::split_key(found);
    if (!parts) return Status::error(Code::kCorruption, "a key of a tree belongs to no space");
    const std::string space(parts->space);
    if (space != kDefaultSpace) names->push_back(space);
    from = model::space_span(space).end;
  }
}

Status create_space(const txn::Context& context, std::string_view name) {
  const TreeKey marker(name, Tag::kSpace);
  bool there = name == kDefaultSpace;
  if (!there) {
    txn::View view(context);
    STRATA_TRY(view.open(std::nullopt));
    STRATA_ASSIGN(const auto found, view.get(marker, false));
    there = found.has_value();
  }
  if (there) {
    return Status::error(Code::kSpaceExists, "space " + quoted(name) + " exists already", "space_use goes to it");
  }
  STRATA_TRY(txn::check_writable(context, "space_create"));
  txn::Write write;
  write.key = marker;
  uint64_t version = 0;
  return txn::write(context, {&write, 1}, {}, &version);
}

// Whether what lies under the tag is what a space holds, and not what it is made of.
bool is_entry(Tag tag) { return tag != Tag::kSpace && tag != Tag::kJsonIndex && tag != Tag::kEventType; }

// The space's marker and whatever lies in it.
Status remove_space(const txn::Context& context, std::string_view name, bool force) {
  const model::KeySpan span = model::space_span(name);
  std::vector<std::string> keys;
  size_t entries = 0;
  {
    txn::View view(context);
    STRATA_TRY(view.open(std::nullopt));
    STRATA_ASSIGN(const auto marker, view.get(TreeKey(name, Tag::kSpace), false));
    if (!marker) {
      return Status::error(Code::kSpaceNotFound, "space " + quoted(name) + " does not exist", "space_list lists them");
    }
    txn::ScanRange range{span.begin, span.end, std::nullopt, false, false};
    const auto visit = [&](std::string_view key, const VersionedValue&) {
      keys.emplace_back(key);
      const auto parts = model::split_key(key);
      if (parts && is_entry(parts->tag)) ++entries;
    };
    STRATA_TRY(view.scan(range, visit).status());
  }
  if (entries > 0 && !force) {
    return Status::error(Code::kSpaceNotEmpty,
                         "space " + quoted(name) + " holds " + std::to_string(entries) + " entries",
                         "space_delete(name, force=True)");
  }
  STRATA_TRY(txn::check_writable(context, "space_delete"));
  // What is written into the space meanwhile would outlive it.
  context.transaction->rest_on_range(span.begin, span.end);
  std::vector<txn::Write> writes;
  for (const std::string& key : keys) {
    txn::Write& write = writes.emplace_back();
    write.key = key;
    write.tombstone = true;
  }
  std::vector<uint64_t> versions(writes.size());
  return txn::write(context, writes, {}, versions.data());
}

}  // namespace

Status Spaces::create(std::string_view name) {
  STRATA_TRY(model::check_space_name(name));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  return txn::atomically(*context, [&](const txn::Context& inside) { return create_space(inside, name); });
}

Status Spaces::remove(std::string_view name, bool force) {
  STRATA_TRY(model::check_space_name(name));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  if (name == kDefaultSpace || name == context->space) {
    return Status::error(Code::kSpaceInUse,
                         "space " + quoted(name) + " cannot be deleted: it is the default or in use by this handle",
                         "space_use another one first");
  }
  return txn::atomically(*context, [&](const txn::Context& inside) { return remove_space(inside, name, force); });
}

Result<std::vector<std::string>> Spaces::list(AsOf as_of) {
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  std::vector<std::string> names = {std::string(kDefaultSpace)};
  STRATA_TRY(marked_spaces(view, &names));
  std::sort(names.begin(), names.end());
  return names;
}

Result<bool> Spaces::exists(std::string_view name, AsOf as_of) {
  STRATA_TRY(model::check_text(name, "space name"));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  if (name == kDefaultSpace) return true;
  if (!model::check_space_name(name)) return false;
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  STRATA_ASSIGN(const auto found, view.get(TreeKey(name, Tag::kSpace), false));
  return found.has_value();
}

}  // namespace strata
