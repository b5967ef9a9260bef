// Lineage: what each branch contains of others, and so the common ancestor of two.
//
// A branch knows, of other branches, up to which moment their changes are part of its own, and the tree of that state;
// of itself it knows everything up to now. A fork knows what its source knew, and the source up to the fork. A merge
// teaches the target what the source knows, and the source up to then. The ancestor of two branches is the latest
// state that both know.
//
// Knowledge lies in layers: a fork adds one of its own on top of its source's, so it costs the same however much that
// is, and a layer that somebody stands on is changed no more. What nobody needs for an ancestor is dropped.
//
// Thread safety: needs the commit lock. Ownership: values; the trees that the roots name are kept by for_each_root,
//   whose caller gives them to collection, checkpoints and relocation.
// Invariants:
//   1. What a layer says of a branch is later than what the layers below it say.
//   2. A known root is of a published state, whose branch was shared (exclusive_since) when it became known: no commit
//      frees its nodes.
//   3. A layer holds nothing of a branch that stands on it.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <unordered_map>
#include <vector>

#include "base/coding.h"
#include "tree/forest.h"

namespace strata::branch {

// What is known of a branch: its state at a moment.
struct Known {
  uint32_t branch = 0;
  uint64_t timestamp = 0;   // everything up to here is contained
  uint64_t learned_at = 0;  // by which commit; 0: with the fork
  tree::Root present;       // of the state at `timestamp`
};

class Lineage {
 public:
  Lineage();
  ~Lineage();
  Lineage(const Lineage&) = delete;
  Lineage& operator=(const Lineage&) = delete;

  // A branch is there; unless it is known already, it contains nothing of others.
  void create(uint32_t branch) { tops_.try_emplace(branch); }
  // `child` was made with the state of `source` at `timestamp`, which is `present`. `past`: not with its newest one.
  void fork(uint32_t source, uint32_t child, uint64_t timestamp, const tree::Root& present, bool past);
  // The commit at `learned_at` merged everything of `source` up to `timestamp` into `target`.
  void merge(uint32_t target, uint64_t learned_at, const Known& source);
  void remove(uint32_t branch);

  // The root of the latest state that both contain; nothing: they have none in common.
  std::optional<tree::Root> ancestor(uint32_t a, uint32_t b) const;

  // History up to here is gone: how a branch's knowledge was before is of no use any more.
  void trim(uint64_t cut);
  // Every known root; it may be replaced by one of the same contents.
  void for_each_root(const std::function<void(tree::Root&)>& visit);

  // ON DISK: see docs/file_format.md.
  void encode(std::string* out) const;
  // False: the bytes are no lineage. REQUIRES: it is new.
  bool decode(std::string_view bytes);

  // Layers there are, and what they hold: for tests.
  struct Size {
    size_t layers = 0;
    size_t known = 0;
  };
  Size size() const;

 private:
  struct Layer;
  using LayerPtr = std::shared_ptr<Layer>;
  // Newest knowledge of each branch.
  using Summary = std::unordered_map<uint32_t, const Known*>;

  // The layer that this branch alone stands on.
  Layer& own_layer(uint32_t branch);
  Summary summary(uint32_t branch) const;
  // In order, each below the ones that stand on it.
  std::vector<Layer*> layers() const;
  void changed();
  void tidy();
  size_t forget_passed();  // how many branches
  void erase(const std::function<bool(uint32_t branch)>& gone);

  std::unordered_map<uint32_t, LayerPtr> tops_;  // of each living branch; null: it knows nothing of others
  size_t changes_ = 0;                           // since it was last tidied
  size_t layers_then_ = 0;
  size_t deleted_then_ = 0;  // deleted branches that are known, when it was last looked which are needed
};

}  // namespace strata::branch
