// Random work for a database: what to do next, chosen so that it is possible in the state that the oracle shows.
// The same seed gives the same work as long as the same things happened.
//
// Thread safety: none. Ownership: a value.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "testing/model_db.h"
#include "testing/random.h"

namespace strata::testing {

struct RandomOp {
  enum class Kind : uint8_t {
    kPut,           // writes[0]
    kErase,         // writes[0]
    kPutBatch,      // writes, all of one space, all keys, all events or all vectors of one collection
    kTransaction,   // writes, committed at once
    kRollback,      // writes, thrown away
    kRemoveSpace,   // space
    kCreateBranch,  // branch
    kFork,          // branch from source, at as_of
    kRemoveBranch,  // branch
    kCopy,          // branch from source, through a bundle
    kRevert,        // branch, to as_of
    kFlush,
    kCheckpoint,
    kCompact,  // keeps all history
    kReopen,   // close and open again
    kMerge,    // source into branch, by strategy
    kDelta,    // what source is later than branch, which was like it at as_of, through a bundle
    kSearch,   // space, collection, at as_of; it need not be there
  };
  Kind kind = Kind::kPut;
  std::string branch = "default";
  std::string source;
  std::string space;
  std::string collection;
  ModelMoment as_of;
  std::optional<uint64_t> keep_micros;
  ModelStrategy strategy = ModelStrategy::kLastWriterWins;
  std::vector<ModelWrite> writes;
};
std::string describe(const RandomOp& op);

struct RandomOptions {
  uint64_t keys = 40;              // of each space
  uint64_t branches = 6;           // besides default
  uint64_t largest_value = 12000;  // bytes, once in a while
  bool families = true;            // cells, documents, events and vectors too, not keys alone
  uint64_t percent_vectors = 25;   // of the writes, where there are families
  bool branch_ops = true;
  bool bundles = false;     // copies of branches through bundles, and going back
  bool maintenance = true;  // flush, checkpoint, compact, reopen
  // Of so many microseconds of history most is kept, by some compactions; nothing: all of it, always.
  std::optional<uint64_t> retention_micros = {};
};

class RandomOps {
 public:
  RandomOps(uint64_t seed, const RandomOptions& options) : random_(seed), options_(options) {}

  // `moments`: timestamps of past commits, for forks of the past.
  RandomOp next(const ModelDb& state, const std::vector<uint64_t>& moments);
  Random& random() { return random_; }

 private:
  std::string any_branch(const ModelDb& state);
  std::string any_key();
  std::string any_value();
  std::string any_payload();
  std::string any_space();
  // On top of those that the operation has already.
  ModelWrite any_write(const ModelBranch& branch, const std::vector<ModelWrite>& before, uint64_t percent_erased);
  void any_vector(const ModelBranch& branch, const std::vector<ModelWrite>& before, ModelWrite* write);
  std::string any_metadata();
  std::string vector_for(std::string_view definition);
  void batch(const ModelBranch& branch, uint64_t count, RandomOp* op);
  void search_op(const ModelDb& state, const std::vector<uint64_t>& moments, RandomOp* op);
  bool delta_op(const ModelDb& state, RandomOp* op);
  void branch_op(const ModelDb& state, const std::vector<uint64_t>& moments, RandomOp* op);

  Random random_;
  RandomOptions options_;
  uint64_t written_ = 0;
};

}  // namespace strata::testing
