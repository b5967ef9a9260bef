#include "strata/kv.h"

#include <algorithm>

#include "model/key_codec.h"
#include "primitives/cursor.h"
#include "primitives/key_batch.h"
#include "primitives/key_listing.h"
#include "primitives/space_marker.h"
#include "txn/context.h"
#include "txn/view.h"

namespace strata {
namespace {

using model::Tag;
using model::TreeKey;
using primitives::KeyBatch;

constexpr size_t kMaxValueBytes = size_t{64} << 20;

Status check_value(std::string_view value) {
  if (value.size() <= kMaxValueBytes) return Status::ok();
  return Status::error(Code::kValueTooLarge, "value at $ is larger than 64 MiB encoded", "split it over several keys");
}

// The user's part of a tree key. REQUIRES: the key has a space, a NUL and a tag.
std::string_view user_key(std::string_view tree_key, std::string_view space) {
  return tree_key.substr(space.size() + 2);
}

// The part of a prefix's range that lies in [start, end).
struct Bounds {
  std::string begin;
  std::string end;
};

Bounds bounds_of(std::string_view space, std::string_view prefix, const std::optional<std::string_view>& start,
                 const std::optional<std::string_view>& end) {
  const model::KeySpan span = model::prefix_span(space, Tag::kKv, prefix);
  const model::KeySpan all = model::prefix_span(space, Tag::kKv);
  Bounds bounds{span.begin, span.end};
  if (start) bounds.begin = std::max(bounds.begin, all.begin + std::string(*start));
  if (end) bounds.end = std::min(bounds.end, all.begin + std::string(*end));
  return bounds;
}

}  // namespace

Result<uint64_t> Kv::put(std::string_view key, std::string_view value) {
  STRATA_TRY(model::check_key(key));
  STRATA_TRY(check_value(value));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  STRATA_TRY(txn::check_writable(*context, "kv_put"));
  const TreeKey tree_key(context->space, Tag::kKv, key);
  txn::Write write;
  write.key = tree_key;
  write.value = value;
  const primitives::SpaceMarker marker(context->space);
  uint64_t version = 0;
  STRATA_TRY(txn::write(*context, {&write, 1}, marker.ensured(), &version));
  return version;
}

Result<std::optional<VersionedValue>> Kv::get(std::string_view key, AsOf as_of, std::string* value) {
  STRATA_TRY(model::check_key(key));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  STRATA_ASSIGN(auto found, view.get(TreeKey(context->space, Tag::kKv, key)));
  if (found) {
    value->assign(found->value);
    found->value = *value;
  }
  return found;
}

Result<bool> Kv::exists(std::string_view key, AsOf as_of) {
  STRATA_TRY(model::check_key(key));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  STRATA_ASSIGN(const auto found, view.get(TreeKey(context->space, Tag::kKv, key), false));
  return found.has_value();
}

Result<bool> Kv::erase(std::string_view key) {
  STRATA_ASSIGN(const std::vector<bool> erased, erase_batch({&key, 1}));
  return static_cast<bool>(erased[0]);
}

Status Kv::scan(const KvScan& what, RowList* rows) {
  STRATA_TRY(model::check_text(what.prefix, "prefix"));
  if (what.start) STRATA_TRY(model::check_text(*what.start, "start"));
  if (what.end) STRATA_TRY(model::check_text(*what.end, "end"));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(what.as_of));
  const Bounds bounds = bounds_of(context->space, what.prefix, what.start, what.end);
  txn::ScanRange range{bounds.begin, bounds.end, what.limit, what.reverse, true};
  const std::string_view space = context->space;
  return view
      .scan(range, [&](std::string_view key, const VersionedValue& value) { rows->add(user_key(key, space), value); })
      .status();
}

Status Kv::list(std::string_view prefix, AsOf as_of, KeyList* keys) {
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  return primitives::list_keys(*context, Tag::kKv, prefix, std::nullopt, as_of, keys);
}

Result<bool> Kv::history(std::string_view key, AsOf as_of, RowList* versions) {
  STRATA_TRY(model::check_key(key));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  return view.history(TreeKey(context->space, Tag::kKv, key), [&](const VersionedValue& version) {
    versions->add({}, version);
    return true;
  });
}

Result<uint64_t> Kv::count(std::string_view prefix, AsOf as_of) {
  STRATA_TRY(model::check_text(prefix, "prefix"));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  const model::KeySpan span = model::prefix_span(context->space, Tag::kKv, prefix);
  return view.count(span.begin, span.end);
}

Status Kv::page(std::string_view prefix, std::optional<uint64_t> limit, std::optional<std::string_view> cursor,
                AsOf as_of, KeyList* keys, std::optional<std::string>* next) {
  STRATA_TRY(model::check_text(prefix, "prefix"));
  std::string last;
  if (cursor) {
    STRATA_ASSIGN(last, primitives::decode_cursor(*cursor));
  }
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  const std::string_view space = context->space;
  const std::string start = last + '\0';  // the next possible key
  const Bounds bounds = bounds_of(space, prefix, start, std::nullopt);
  // One row more than asked for tells whether anything follows, and counts as read.
  txn::ScanRange range{bounds.begin, bounds.end, limit, false, false};
  if (limit && *limit < UINT64_MAX) range.limit = *limit + 1;
  bool more = false;
  STRATA_TRY(view.scan(range,
                       [&](std::string_view key, const VersionedValue&) {
                         if (limit && keys->size() == *limit) {
                           more = true;
                         } else {
                           keys->add(user_key(key, space));
                         }
                       })
                 .status());
  next->reset();
  if (more) *next = primitives::encode_cursor(keys->empty() ? std::string_view(last) : (*keys)[keys->size() - 1]);
  return Status::ok();
}

Result<std::vector<uint64_t>> Kv::put_batch(std::span<const Item> items) {
  for (const Item& item : items) {
    STRATA_TRY(model::check_key(item.key));
    STRATA_TRY(check_value(item.value));
  }
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  if (items.empty()) return std::vector<uint64_t>();
  STRATA_TRY(txn::check_writable(*context, "kv_batch_put"));
  const KeyBatch keys(TreeKey(context->space, Tag::kKv), items.size(), [&](size_t i) { return items[i].key; });
  // Of a key given twice the last value counts, and both get its version.
  std::vector<txn::Write> writes;
  writes.reserve(items.size());
  std::vector<uint32_t> write_of(items.size());
  for (const uint32_t i : keys.order()) {
    if (writes.empty() || writes.back().key != keys[i]) writes.emplace_back().key = keys[i];
    writes.back().value = items[i].value;
    write_of[i] = static_cast<uint32_t>(writes.size() - 1);
  }
  const primitives::SpaceMarker marker(context->space);
  std::vector<uint64_t> written(writes.size());
  STRATA_TRY(txn::write(*context, writes, marker.ensured(), written.data()));
  std::vector<uint64_t> versions(items.size());
  for (size_t i = 0; i < items.size(); ++i) versions[i] = written[write_of[i]];
  return versions;
}

Status Kv::get_batch(std::span<const std::string_view> keys, AsOf as_of, RowList* rows) {
  for (const std::string_view key : keys) STRATA_TRY(model::check_key(key));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  for (const std::string_view key : keys) {
    STRATA_ASSIGN(const auto found, view.get(TreeKey(context->space, Tag::kKv, key)));
    if (found) {
      rows->add({}, *found);
    } else {
      rows->add_gap();
    }
  }
  return Status::ok();
}

Result<std::vector<bool>> Kv::erase_batch(std::span<const std::string_view> keys) {
  for (const std::string_view key : keys) STRATA_TRY(model::check_key(key));
  STRATA_ASSIGN(txn::Context * context, call_.context());
  if (keys.empty()) return std::vector<bool>();
  STRATA_TRY(txn::check_writable(*context, "kv_delete"));
  const KeyBatch tree_keys(TreeKey(context->space, Tag::kKv), keys.size(), [&](size_t i) { return keys[i]; });
  std::vector<txn::Write> writes;
  writes.reserve(keys.size());
  std::vector<uint32_t> first;  // the item that each write answers: of a key given twice, the first
  for (const uint32_t i : tree_keys.order()) {
    if (!writes.empty() && writes.back().key == tree_keys[i]) continue;
    txn::Write& write = writes.emplace_back();
    write.key = tree_keys[i];
    write.tombstone = true;
    first.push_back(i);
  }
  std::vector<bool> erased(keys.size(), false);
  // Whether a key was there is something that a transaction has read.
  if (context->transaction != nullptr) {
    for (const txn::Write& write : writes) context->transaction->note_key(write.key);
  }
  std::vector<uint64_t> versions(writes.size());
  STRATA_TRY(txn::write(*context, writes, {}, versions.data()));
  for (size_t i = 0; i < writes.size(); ++i) erased[first[i]] = versions[i] != 0;
  return erased;
}

}  // namespace strata
