// What a database keeps derived from its branches, and could make anew at any time: its life from open to close.
//
// Thread safety: everything but construction, close and destruction in any thread.
// Ownership: owned by the database; borrows the engine and the file system, which outlive it.
// Durability: none is promised. Files in the folder are caches: checked when read, never believed when damaged.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string>

#include "derived/embeddings.h"
#include "derived/json_index.h"
#include "derived/text_files.h"
#include "derived/text_index.h"
#include "derived/vector_files.h"
#include "derived/vector_index.h"
#include "derived/worker.h"
#include "os/file_system.h"
#include "strata/status.h"
#include "txn/engine.h"

namespace strata::derived {

// Where files may be kept.
struct CachePlace {
  os::FileSystem* fs = nullptr;  // null: nowhere, the database is in memory
  std::string folder;            // made when something is first written
  bool read_only = false;        // what lies there may be used, nothing is written
  bool background = true;        // false: nothing runs by itself (tests drive it)
};

class Caches {
 public:
  // `branches`: asked until it is closed.
  Caches(txn::Engine& engine, CachePlace place, ListBranches branches);
  ~Caches();  // closes
  Caches(const Caches&) = delete;
  Caches& operator=(const Caches&) = delete;

  txn::Engine& engine() { return engine_; }
  const CachePlace& place() const { return place_; }

  VectorIndex& vectors() { return *vectors_; }
  TextIndex& text() { return *text_; }
  Embeddings& embeddings() { return embeddings_; }
  JsonIndex& json() { return json_; }
  Worker& worker() { return worker_; }

  uint64_t memory_bytes() const {
    return vectors_->memory_bytes() + text_->memory_bytes() + embeddings_.memory_bytes() + json_.memory_bytes();
  }
  // What the database's background work does with them; cheap.
  void tick();
  // Of the files in the folder; what cannot be looked at counts for nothing.
  uint64_t disk_bytes() const;
  // Keeps what is worth it, ends what runs. Idempotent. REQUIRES: nobody searches any more.
  void close();

 private:
  void remove_unknown_files() const;

  txn::Engine& engine_;
  const CachePlace place_;
  const ListBranches branches_;
  bool closed_ = false;
  std::optional<VectorFiles> vector_files_;
  std::optional<TextFiles> text_files_;
  Worker worker_;
  std::optional<VectorIndex> vectors_;
  std::optional<TextIndex> text_;
  Embeddings embeddings_;
  JsonIndex json_;
  std::atomic<bool> text_step_waits_{false};
};

}  // namespace strata::derived
