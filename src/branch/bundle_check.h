// What the items of a bundle must be like, whatever wrote them: everything that the rest of the engine relies on. Works
// through them in the order of the file, and remembers no more than the key before.
//
// Thread safety: none. Ownership: a CheckedEntry borrows the item it was made from, and this object.
#pragma once

#include <string>
#include <vector>

#include "branch/bundle_format.h"
#include "branch/bundle_vectors.h"
#include "model/event_codec.h"
#include "model/key_codec.h"
#include "strata/status.h"

namespace strata::branch {

struct CheckedEntry {
  BundleEntry entry;
  model::Tag tag = model::Tag::kKv;
  std::string_view space;
  // Of events that are no tombstones:
  uint64_t sequence = 0;
  model::EventRow event;
  bool linked = false;     // its hash continues that of its predecessor, which the bundle holds
  bool unordered = false;  // the flag of its row, if it is linked
};

class BundleChecker {
 public:
  // Every check answers nothing, or why the bundle is refused.
  using Refusal = std::optional<std::string>;

  // `latest`: no timestamp may be later.
  Refusal head(const BundleHead& head, uint64_t latest);
  Refusal entry(const BundleEntry& entry, CheckedEntry* checked);
  // Once, behind the last entry.
  Refusal end_of_entries() { return end_of_key(); }
  Refusal commit(const BundleCommit& commit);

 private:
  struct EventVersion {
    uint64_t timestamp = 0;
    bool deleted = false;
    bool unordered = false;
    base::Sha256::Digest hash{};
  };
  Refusal begin_key(const BundleEntry& entry);
  Refusal end_of_key();
  Refusal times(const BundleEntry& entry) const;
  Refusal value(CheckedEntry* checked);
  Refusal event(CheckedEntry* checked);
  Refusal link(CheckedEntry* checked, EventVersion* version) const;

  BundleHead head_;
  BundleVectors vectors_;
  bool any_ = false;
  std::string key_;
  model::SplitKey parts_{};
  BundleEntry last_;
  // The versions of the event at hand, and those of the one before it in its log.
  uint64_t sequence_ = 0;
  std::string event_space_;
  std::vector<EventVersion> current_;
  std::vector<EventVersion> previous_;
};

}  // namespace strata::branch
