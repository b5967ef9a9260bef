// Definitions of indexes: rows of a space, the name of an index and its path.
// Thread safety: as the View. Ownership: borrows it.
#pragma once

#include <functional>
#include <string_view>

#include "model/json_path.h"
#include "strata/status.h"
#include "txn/view.h"

namespace strata::primitives {

// Parses a path to one place. Errors: kInvalidPath; kPathNotSingular, which says that `what` takes none to many.
Status parse_singular(std::string_view text, std::string_view what, model::JsonPath* path);

// Hands out all indexes of a space, by name. Errors: kCorruption.
using IndexVisitor = std::function<void(std::string_view name, std::string_view path)>;
Status visit_indexes(txn::View* view, std::string_view space, const IndexVisitor& visit);

}  // namespace strata::primitives
