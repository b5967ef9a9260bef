// Searching by meaning with a function that makes vectors of texts, an embedder: what it is asked, and its answers.
//
// The engine never calls an embedder. A search that needs vectors says which texts have none; whoever has the embedder
// gives them and searches again:
//
//     strata::EmbeddingRun run(embedder_number);
//     while (true) {
//       {
//         strata::Call call(session, strata::Call::kWait);
//         auto hits = strata::Search(call).search(request);  // request.embedding = &run
//         if (!hits.is_ok() || run.wanted().empty()) return hits;
//       }
//       // no Call is open here: an embedder may use the database
//       const std::vector<float> vectors = embed(run.wanted());
//       strata::Call call(session, strata::Call::kWait);
//       STRATA_TRY(strata::Embedding(call).add(&run, 0, vectors, vectors.size() / run.wanted().size()));
//     }
//
// Vectors are kept by text, beside the branches: they show in no listing, count, version, diff, log or bundle, and what
// a fork, a merge or the past shares with the present is embedded once.
//
// Thread safety, common errors: strata/session.h. A run belongs to one thread at a time.
// Ownership: an EmbeddingRun keeps the state that it searches; a session of its database must stay open as long.
#pragma once

#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <vector>

#include "strata/session.h"

namespace strata {

class EmbeddingRun {
 public:
  // `embedder`: a number that no other embedder of the process has.
  explicit EmbeddingRun(uint64_t embedder);
  ~EmbeddingRun();
  EmbeddingRun(const EmbeddingRun&) = delete;
  EmbeddingRun& operator=(const EmbeddingRun&) = delete;

  // Texts that need a vector; none: the search was answered. Each is valid UTF-8 of at most 32 KiB and not blank.
  const std::vector<std::string>& wanted() const;

  struct Impl;
  Impl& impl() { return *impl_; }

 private:
  std::unique_ptr<Impl> impl_;
};

class Embedding {
 public:
  explicit Embedding(Call& call) : call_(call) {}

  // The vectors of wanted()[first] and those behind it, row after row of `dimension` components.
  // Errors: kInvalidEmbedding (not finite, too many components, or another number of them than before), none of them is
  // then kept.
  Status add(EmbeddingRun* run, size_t first, std::span<const float> vectors, size_t dimension);

  // What documents of the current space lack, without a search: fills wanted(). The run keeps no state afterwards.
  Status follow(EmbeddingRun* run);

 private:
  Call& call_;
};

}  // namespace strata
