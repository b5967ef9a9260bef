// What a search with an embedder keeps from one attempt to the next.
// Thread safety: one thread at a time. Ownership: keeps the nodes of the state it searches; shares its embedder's set.
#pragma once

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "derived/embeddings.h"
#include "derived/text_index.h"
#include "strata/embedding.h"
#include "txn/context.h"

namespace strata {

struct EmbeddingRun::Impl {
  enum class Role : uint8_t { kProbe, kQuery, kDocument };

  explicit Impl(uint64_t number) : embedder(number) {}

  const uint64_t embedder;
  derived::EmbeddingSetPtr set;  // null: it is not known which
  // The state searched: writes that come later would be new texts again and again.
  txn::BranchPtr branch;
  std::optional<derived::HeldHead> held;
  std::map<std::string, derived::EmbeddingSnapshotPtr, std::less<>> past;  // by space, of an as_of
  std::optional<std::vector<float>> query;

  std::vector<std::string> wanted;
  std::vector<Role> roles;  // of each

  void want(Role role, std::string text) {
    roles.push_back(role);
    wanted.push_back(std::move(text));
  }
  void want_nothing() {
    roles.clear();
    wanted.clear();
  }
  // The run goes on where the context is.
  void enter(const txn::Context& context) {
    if (branch == context.branch) return;
    let_go();
    branch = context.branch;
  }
  // Of the state; the next attempt begins with a new one.
  void let_go() {
    branch.reset();
    held.reset();
    past.clear();
  }
};

}  // namespace strata
