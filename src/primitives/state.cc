#include "strata/state.h"

#include "model/key_codec.h"
#include "model/utf8.h"
#include "primitives/key_listing.h"
#include "primitives/space_marker.h"
#include "txn/context.h"
#include "txn/view.h"

namespace strata {
namespace {

using model::Tag;
using model::TreeKey;

constexpr std::string_view kNull("\0", 1);

Status check_cell(std::string_view cell) { return model::check_key(cell, "cell"); }

// A name and a value that may be written.
Status check_entry(std::string_view cell, std::string_view value) {
  STRATA_TRY(check_cell(cell));
  if (value.size() <= kMaxValueBytes) return Status::ok();
  return Status::error(Code::kValueTooLarge, "value at $ is larger than 64 MiB encoded", "split it over several cells");
}

Status mismatch(std::string_view cell, uint64_t version) {
  return Status::error(
      Code::kCasMismatch,
      "cell " + model::quoted(cell) + " is not what was expected; it is at version " + std::to_string(version),
      "read it again and retry");
}

bool fits(const std::optional<VersionedValue>& current, const Expected& expected) {
  if (expected.version) return *expected.version == (current ? current->version : 0);
  const std::string_view value = current ? current->value : kNull;
  return value == expected.value || same(ValueView(value), ValueView(expected.value));
}

}  // namespace

Result<uint64_t> State::set(std::string_view cell, std::string_view value) {
  STRATA_TRY(check_entry(cell, value));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  STRATA_TRY(txn::check_writable(*context, "state_set"));
  const TreeKey key(context->space, Tag::kState, cell);
  txn::Write write;
  write.key = key;
  write.value = value;
  const primitives::SpaceMarker marker(context->space);
  uint64_t version = 0;
  STRATA_TRY(txn::write(*context, {&write, 1}, marker.ensured(), &version));
  return version;
}

Result<std::optional<VersionedValue>> State::get(std::string_view cell, AsOf as_of, std::string* value) {
  STRATA_TRY(check_cell(cell));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  STRATA_ASSIGN(auto found, view.get(TreeKey(context->space, Tag::kState, cell)));
  if (found) {
    value->assign(found->value);
    found->value = *value;
  }
  return found;
}

Result<uint64_t> State::init(std::string_view cell, std::string_view value) {
  STRATA_TRY(check_entry(cell, value));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  const TreeKey key(context->space, Tag::kState, cell);
  uint64_t present = 0;
  const auto decide = [&](txn::View& view, std::vector<txn::Write>* writes) -> Status {
    STRATA_ASSIGN(const auto found, view.get(key, false));
    present = found ? found->version : 0;
    if (found) return Status::ok();
    txn::Write& write = writes->emplace_back();
    write.key = key;
    write.value = value;
    return Status::ok();
  };
  const primitives::SpaceMarker marker(context->space);
  std::vector<uint64_t> versions;
  STRATA_TRY(txn::update(*context, "state_init", marker.ensured(), std::cref(decide), &versions));
  return versions.empty() ? present : versions[0];
}

Result<uint64_t> State::compare_and_swap(std::string_view cell, std::string_view value, const Expected& expected,
                                         Mismatch* found) {
  STRATA_TRY(check_entry(cell, value));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  const TreeKey key(context->space, Tag::kState, cell);
  const auto decide = [&](txn::View& view, std::vector<txn::Write>* writes) -> Status {
    STRATA_ASSIGN(const auto current, view.get(key));
    if (!fits(current, expected)) {
      found->value.assign(current ? current->value : kNull);
      found->version = current ? current->version : 0;
      return mismatch(cell, found->version);
    }
    txn::Write& write = writes->emplace_back();
    write.key = key;
    write.value = value;
    return Status::ok();
  };
  const primitives::SpaceMarker marker(context->space);
  std::vector<uint64_t> versions;
  STRATA_TRY(txn::update(*context, "state_cas", marker.ensured(), std::cref(decide), &versions));
  return versions[0];
}

Result<bool> State::erase(std::string_view cell) {
  STRATA_TRY(check_cell(cell));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  STRATA_TRY(txn::check_writable(*context, "state_delete"));
  const TreeKey key(context->space, Tag::kState, cell);
  txn::Write write;
  write.key = key;
  write.tombstone = true;
  // Whether the cell was there is something that a transaction has read.
  if (context->transaction != nullptr) context->transaction->note_key(key);
  uint64_t version = 0;
  STRATA_TRY(txn::write(*context, {&write, 1}, {}, &version));
  return version != 0;
}

Status State::list(std::string_view prefix, AsOf as_of, KeyList* cells) {
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  return primitives::list_keys(*context, Tag::kState, prefix, std::nullopt, as_of, cells);
}

Result<bool> State::history(std::string_view cell, AsOf as_of, RowList* versions) {
  STRATA_TRY(check_cell(cell));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  return view.history(TreeKey(context->space, Tag::kState, cell), [&](const VersionedValue& version) {
    versions->add({}, version);
    return true;
  });
}

}  // namespace strata
