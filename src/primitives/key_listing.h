// The names of what a primitive holds: one range of the tree, keys alone.
// Thread safety: as the context. Ownership: borrows everything.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>

#include "model/key_codec.h"
#include "strata/key_list.h"
#include "strata/session.h"
#include "txn/context.h"

namespace strata::primitives {

// Adds, in order, the names under `tag` that start with `prefix`. Errors: kInvalidUnicode, kHistoryTrimmed.
Status list_keys(const txn::Context& context, model::Tag tag, std::string_view prefix, std::optional<uint64_t> limit,
                 AsOf as_of, KeyList* keys);

}  // namespace strata::primitives
