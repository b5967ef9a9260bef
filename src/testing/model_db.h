// The oracle: a database as plain maps. Everything that the engine answers about keys, cells, documents, events,
// vectors, branches, versions and moments can be read off here, slowly and obviously.
//
// Timestamps are the engine's: the caller passes what the engine answered. All other numbers are computed.
// Thread safety: none. Ownership: a value; copies are independent.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace strata::testing {

struct ModelVersion {
  uint64_t timestamp = 0;
  uint64_t version = 0;
  std::optional<std::string> value;  // nothing: deleted
  bool operator==(const ModelVersion&) const = default;
};
using ModelChain = std::vector<ModelVersion>;  // oldest first

// What is written: a key, a cell, a whole document, or an event, whose `key` is its type and whose value, always there,
// its payload. Collections and their vectors have the values of model/vector_codec.h, and vectors the keys of
// vector_key.
enum class ModelFamily : uint8_t { kKey, kCell, kDocument, kEvent, kCollection, kVector };

struct ModelWrite {
  std::string space;
  std::string key;
  std::optional<std::string> value;  // nothing: delete
  ModelFamily family = ModelFamily::kKey;
};

// A collection with its vectors, by their keys in it.
struct ModelCollection {
  std::optional<std::string> definition;  // nothing: there is none
  std::map<std::string, std::string> vectors;
};
std::string vector_key(const std::string& collection, const std::string& key);
// The name of its collection, of a key made by vector_key.
std::string collection_of(const std::string& vector_key);

struct ModelEvent {
  uint64_t timestamp = 0;  // of its first append, on whatever branch
  std::string type;
  std::string payload;
  uint64_t removed_at = UINT64_MAX;  // with its space
  uint64_t appended_at = 0;          // on this branch
  uint64_t sequence = 0;             // of its first append: with the timestamp it tells events apart
};

// What decides conflicts of a merge.
enum class ModelStrategy : uint8_t { kLastWriterWins, kSource, kTarget };

struct ModelMergeOrder {
  std::string source;
  std::string target;
  ModelStrategy strategy = ModelStrategy::kLastWriterWins;
};

// What a merge answers.
struct ModelMerge {
  uint64_t keys_applied = 0;
  uint64_t spaces_merged = 0;
  uint64_t conflicts = 0;
  bool operator==(const ModelMerge&) const = default;
};

// What a diff answers.
struct ModelDiff {
  uint64_t added = 0;
  uint64_t removed = 0;
  uint64_t modified = 0;
  bool operator==(const ModelDiff&) const = default;
};

using ModelMoment = std::optional<uint64_t>;  // nothing: the present

class ModelBranch {
 public:
  uint64_t created_at = 0;
  uint64_t commits = 0;
  uint64_t trimmed_before = 0;  // moments before it are no longer answered
  std::optional<std::string> parent;
  std::optional<uint64_t> fork_timestamp;
  // It is as that branch was at that moment, to the last version: what a delta of the branch since then fits onto.
  struct Twin {
    uint64_t id = 0;
    uint64_t at = 0;
  };
  std::optional<Twin> twin;

  // Of all but events. The version that is current at that moment, deleted or not; null if there is none.
  const ModelVersion* find(const std::string& space, const std::string& key, ModelMoment at,
                           ModelFamily family = ModelFamily::kKey) const;
  // As find, but a deleted one is none.
  const ModelVersion* get(const std::string& space, const std::string& key, ModelMoment at,
                          ModelFamily family = ModelFamily::kKey) const;
  // Living ones with a prefix, in order.
  std::vector<std::pair<std::string, const ModelVersion*>> scan(const std::string& space, std::string_view prefix,
                                                                ModelMoment at,
                                                                ModelFamily family = ModelFamily::kKey) const;
  // Newest first: the kept versions up to that moment. Empty if there is none.
  std::vector<ModelVersion> history(const std::string& space, const std::string& key, ModelMoment at,
                                    ModelFamily family = ModelFamily::kKey) const;
  // Every one of the space that ever had a version, in order.
  std::vector<std::string> keys_ever(const std::string& space, ModelFamily family = ModelFamily::kKey) const;
  ModelCollection collection(const std::string& space, const std::string& name, ModelMoment at) const;
  // As it is now, with these writes on top.
  std::optional<std::string> definition_after(const std::string& space, const std::string& name,
                                              const std::vector<ModelWrite>& writes) const;
  ModelCollection collection_after(const std::string& space, const std::string& name,
                                   const std::vector<ModelWrite>& writes) const;
  // The event log; sequences are its indexes.
  std::vector<const ModelEvent*> events(const std::string& space, ModelMoment at) const;
  // How many were ever appended, those included that went with their space.
  size_t events_ever(const std::string& space) const;
  std::vector<std::string> spaces(ModelMoment at) const;
  uint64_t key_count() const;
  // Times of the commits in its log, newest first.
  std::vector<uint64_t> log() const;
  uint64_t id() const { return id_; }

 private:
  friend class ModelDb;
  friend class ModelMerging;
  struct Name {
    ModelFamily family;
    std::string space;
    std::string key;
    auto operator<=>(const Name&) const = default;
  };
  // Everything that is there at one moment.
  struct Contents {
    std::map<Name, std::string> values;
    std::set<std::string> spaces;                           // besides the default one
    std::map<std::string, std::vector<ModelEvent>> events;  // by space
  };
  // What is known of another branch.
  struct Known {
    uint64_t timestamp = 0;
    std::shared_ptr<const Contents> contents;
  };
  using Knowledge = std::map<uint64_t, Known>;  // by id

  Contents contents(ModelMoment at) const;
  const Knowledge& knowledge() const { return learned_.back().second; }
  // Nothing is known up to a later moment than this, at which it was `contents`.
  static void limit(Knowledge* knowledge, uint64_t at, const std::shared_ptr<const Contents>& contents);
  // When it last wrote the name, deletions included; 0: never, as far as is known.
  uint64_t last_write(const Name& name) const;
  void add_version(ModelChain& chain, std::optional<std::string> value, uint64_t timestamp) const;

  static const ModelVersion* at_moment(const ModelChain& chain, ModelMoment at);
  // Without what retention removed.
  ModelChain kept(const ModelChain& chain) const;
  static void cut(std::map<Name, ModelChain>& chains, uint64_t at);

  std::map<Name, ModelChain> keys_;
  std::map<Name, ModelChain> spaces_;                      // under the key "": a value stands for "is there"
  std::map<std::string, std::vector<ModelEvent>> events_;  // by space, in order of their appends
  std::vector<uint64_t> log_;                              // times of commits, oldest first
  uint64_t id_ = 0;                                        // no other branch ever had it
  // Since when it knew what of others, oldest first. What it was forked from it knows up to any moment before the fork.
  std::vector<std::pair<uint64_t, Knowledge>> learned_ = {{0, {}}};
};

class ModelDb {
 public:
  ModelDb() { branches_["default"]; }

  const std::map<std::string, ModelBranch>& branches() const { return branches_; }
  // REQUIRES: there is one.
  const ModelBranch& branch(const std::string& name) const { return branches_.at(name); }

  // Whether a commit of these writes changes anything. The last write to a key counts, deleting what is not there is
  // none, deleting a collection deletes the vectors that it has by then, and a space appears with the first put in it,
  // even if that is deleted again in the same commit.
  bool changes(const std::string& branch, const std::vector<ModelWrite>& writes) const;
  // One commit. REQUIRES: the timestamp is later than all before.
  void write(const std::string& branch, const std::vector<ModelWrite>& writes, uint64_t timestamp);
  // Everything in the space, and the space.
  void remove_space(const std::string& branch, const std::string& space, uint64_t timestamp);
  void create_branch(const std::string& name, uint64_t timestamp);
  // `state_of`: the moment forked from.
  void fork(const std::string& source, const std::string& destination, uint64_t state_of, uint64_t timestamp);
  // A branch of its own with all versions of `source`.
  void copy_branch(const std::string& source, const std::string& destination, uint64_t timestamp);
  // As copy_branch, of a branch of another database.
  void copy_from(const ModelBranch& source, const std::string& destination, uint64_t timestamp);
  // `destination`, which was like `source` at some moment, becomes like it is now, at `timestamp`.
  void add_delta(const ModelBranch& source, const std::string& destination, uint64_t timestamp);
  // Whether everything but events, and the spaces that hold some, is as it was at `to`.
  bool is_as_at(const std::string& branch, uint64_t to) const;
  // One commit that makes it so.
  void revert(const std::string& branch, uint64_t to, uint64_t timestamp);
  void remove_branch(const std::string& name) { branches_.erase(name); }
  // What a merge that commits at `timestamp` answers and does. `before`: the last timestamp before it.
  ModelMerge merge(const ModelMergeOrder& order, uint64_t before, uint64_t timestamp);
  ModelMerge try_merge(const ModelMergeOrder& order) const;
  ModelDiff diff(const std::string& a, const std::string& b, ModelMoment at) const;
  // History of this branch before `cut` is gone.
  void trim_branch(const std::string& name, uint64_t cut);
  // Retention on all branches: moments before `cut` are gone, and all versions that only they could see.
  void trim(uint64_t cut);

 private:
  static void note_commit(ModelBranch* branch, uint64_t timestamp);
  std::vector<ModelWrite> effective(const std::string& branch, const std::vector<ModelWrite>& writes) const;
  // What is otherwise than at `to`, with the values it had then.
  struct Reversal {
    std::map<ModelBranch::Name, std::optional<std::string>> keys;
    std::map<ModelBranch::Name, std::optional<std::string>> spaces;
  };
  Reversal reversal(const std::string& branch, uint64_t to) const;
  std::set<std::string> new_spaces(const std::string& branch, const std::vector<ModelWrite>& writes) const;

  std::map<std::string, ModelBranch> branches_;
  uint64_t last_id_ = 0;
};

}  // namespace strata::testing
