// What becomes of the entries of an index when one root of its documents becomes another.
//
// An entry is the code of what lies at the index's place in a document (model/json_index_code.h), then the document's
// key. A document that has nothing at the place has none.
//
// Thread safety: none. Ownership: borrows the engine, shares the places.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "model/json_path.h"
#include "strata/session.h"
#include "strata/status.h"
#include "tree/forest.h"
#include "txn/engine.h"

namespace strata::derived {

// The place that an index follows: a singular path. Immutable.
class JsonIndexPlace {
 public:
  // Null: the text is none.
  static std::shared_ptr<const JsonIndexPlace> parse(std::string_view text);
  std::span<const model::JsonStep> steps() const { return path_.steps(); }
  // Whether both lead to the same, however they are written.
  bool same_as(const JsonIndexPlace& other) const;

 private:
  std::string text_;
  model::JsonPath path_;
};
using JsonIndexPlacePtr = std::shared_ptr<const JsonIndexPlace>;

class JsonIndexChange {
 public:
  JsonIndexChange(txn::Engine& engine, std::string_view space, std::span<const JsonIndexPlacePtr> places);

  // Once. Looks at the documents of the space that differ; false: they are more than `most`. `keep_on` may be null.
  // REQUIRES: both roots are held, the values of `to` too; the calling thread holds no ReadGuard. What cannot be read
  // of `from` any more leaves an entry behind, which finds a document that does not fit.
  Result<bool> gather(const tree::Root& from, const tree::Root& to, uint64_t most, const KeepOn* keep_on);
  // Applies it to the trees of entries, one a place. What holds of Edit::put holds of it.
  Status apply(tree::Edit* edit, std::span<tree::Root> roots, uint64_t exclusive_since);

 private:
  struct Entry {
    uint64_t start;
    uint32_t bytes;
    bool removed;
  };
  struct Place {
    JsonIndexPlacePtr path;
    std::string buffer;
    std::vector<Entry> entries;
    std::string before;  // codes of the document at hand; empty: it has nothing there
    std::string after;
    std::string_view view(const Entry& entry) const {
      return std::string_view(buffer).substr(entry.start, entry.bytes);
    }
  };
  class Pass;
  Status find_codes(std::string_view document, std::string Place::*code);
  void add(std::string_view key);

  txn::Engine& engine_;
  const std::string space_;
  std::vector<Place> places_;
};

}  // namespace strata::derived
