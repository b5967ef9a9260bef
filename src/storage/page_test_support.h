// What the tests of the page file share: a file system that counts, records and fails the calls on files, and an oracle
// that knows which pages may not be given out and what every committed node must read back as.
//
// Thread safety: none; one thread. Ownership: the file system owns the memory file system under it.
#pragma once

#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <functional>
#include <map>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "os/file_system.h"
#include "storage/node_store.h"

namespace strata::storage::page_test {

constexpr uint64_t kDatabaseId = 0x5eed5eed12345678;
constexpr const char* kPath = "/pages.strata";

inline uint64_t test_seed() {
  const char* given = std::getenv("STRATA_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : std::random_device{}();
  ::testing::Test::RecordProperty("STRATA_SEED", std::to_string(seed));
  std::printf("STRATA_SEED=%llu\n", static_cast<unsigned long long>(seed));
  return seed;
}

struct Event {
  enum class Kind : uint8_t { kWrite, kSync, kResize } kind = Kind::kSync;
  uint64_t offset = 0;  // kResize: the new size
  std::string bytes;
};

// Calls on files pass through here: recorded, watched, failed.
struct Recorder {
  std::vector<Event> events;
  bool record = false;
  int64_t calls = 0;
  int64_t fail_at = -1;  // number of the call that fails
  Code fail_code = Code::kIoError;
  bool half_write = true;       // half of a failing write is done
  std::function<void()> watch;  // called at every write and sync, as another thread would run

  bool fails() { return calls++ == fail_at; }
  Status failure() const { return Status::error(fail_code, "injected failure"); }
};

class RecordedFile final : public os::File {
 public:
  RecordedFile(std::unique_ptr<os::File> under, Recorder& recorder) : under_(std::move(under)), recorder_(recorder) {}

  Result<size_t> read(uint64_t offset, size_t n, char* out) override {
    if (recorder_.fails()) return recorder_.failure();
    return under_->read(offset, n, out);
  }
  Status write(uint64_t offset, std::string_view bytes) override {
    if (recorder_.watch) recorder_.watch();
    if (recorder_.fails()) {
      if (recorder_.half_write) STRATA_TRY(under_->write(offset, bytes.substr(0, bytes.size() / 2)));
      return recorder_.failure();
    }
    if (recorder_.record) recorder_.events.push_back({Event::Kind::kWrite, offset, std::string(bytes)});
    return under_->write(offset, bytes);
  }
  Status sync() override {
    if (recorder_.watch) recorder_.watch();
    if (recorder_.fails()) return recorder_.failure();
    if (recorder_.record) recorder_.events.push_back({Event::Kind::kSync, 0, ""});
    return under_->sync();
  }
  Status reserve(uint64_t size) override {
    if (recorder_.fails()) return recorder_.failure();
    if (recorder_.record) recorder_.events.push_back({Event::Kind::kResize, size, ""});
    return under_->reserve(size);
  }
  Status truncate(uint64_t size) override {
    if (recorder_.fails()) return recorder_.failure();
    if (recorder_.record) recorder_.events.push_back({Event::Kind::kResize, size, ""});
    return under_->truncate(size);
  }
  Result<uint64_t> size() override {
    if (recorder_.fails()) return recorder_.failure();
    return under_->size();
  }

 private:
  std::unique_ptr<os::File> under_;
  Recorder& recorder_;
};

class RecordedFileSystem final : public os::FileSystem {
 public:
  RecordedFileSystem() : under_(os::make_memory_file_system()) {}
  Recorder& recorder() { return recorder_; }
  os::FileSystem& under() { return *under_; }

  Result<std::unique_ptr<os::File>> open(const std::string& path, os::OpenMode mode) override {
    if (recorder_.fails()) return recorder_.failure();
    STRATA_ASSIGN(std::unique_ptr<os::File> file, under_->open(path, mode));
    return std::unique_ptr<os::File>(std::make_unique<RecordedFile>(std::move(file), recorder_));
  }
  Result<bool> exists(const std::string& path) override {
    if (recorder_.fails()) return recorder_.failure();
    return under_->exists(path);
  }
  Status remove(const std::string& path) override {
    return recorder_.fails() ? recorder_.failure() : under_->remove(path);
  }
  Status rename(const std::string& from, const std::string& to) override {
    return recorder_.fails() ? recorder_.failure() : under_->rename(from, to);
  }
  Status sync_folder(const std::string& path) override {
    return recorder_.fails() ? recorder_.failure() : under_->sync_folder(path);
  }
  Result<std::vector<std::string>> list(const std::string& folder) override { return under_->list(folder); }
  Status create_folder(const std::string& path) override { return under_->create_folder(path); }
  Result<os::FolderIdentity> identity(const std::string& folder) override { return under_->identity(folder); }
  Result<std::unique_ptr<os::FileLock>> lock(const std::string& path, os::LockMode mode) override {
    return under_->lock(path, mode);
  }
  Result<std::optional<uint64_t>> free_bytes(const std::string& folder) override { return under_->free_bytes(folder); }

 private:
  std::unique_ptr<os::FileSystem> under_;
  Recorder recorder_;
};

inline std::string load(os::FileSystem& fs, const std::string& path = kPath) {
  auto file = fs.open(path, os::OpenMode::kRead);
  EXPECT_TRUE(file.is_ok());
  std::string bytes((*file)->size().value(), '\0');
  EXPECT_EQ((*file)->read(0, bytes.size(), bytes.data()).value(), bytes.size());
  return bytes;
}

// Makes the file exactly these bytes.
inline void save(os::FileSystem& fs, std::string_view bytes, const std::string& path = kPath) {
  const bool there = fs.exists(path).value();
  auto file = fs.open(path, there ? os::OpenMode::kReadWrite : os::OpenMode::kCreateNew);
  ASSERT_TRUE(file.is_ok()) << file.status().to_string();
  ASSERT_TRUE((*file)->truncate(0).is_ok());
  ASSERT_TRUE((*file)->write(0, bytes).is_ok());
}

inline Result<std::unique_ptr<NodeStore>> open_store(os::FileSystem& fs, const std::string& path = kPath) {
  return open_page_file({&fs, path, kDatabaseId, false});
}

// The bytes of a node follow from its id and birth alone.
inline std::string node_bytes(NodeId id, uint64_t birth) {
  std::string bytes(bytes_of(id), '\0');
  std::mt19937_64 random(id * 31 + birth);
  for (size_t i = sizeof(NodeHeader); i + 8 <= bytes.size(); i += 8) {
    const uint64_t word = random();
    std::memcpy(bytes.data() + i, &word, 8);
  }
  const NodeHeader header{0, 1 + static_cast<uint32_t>(id % 3), 0, birth};
  std::memcpy(bytes.data(), &header, sizeof(header));
  return bytes;
}

using Nodes = std::map<NodeId, uint64_t>;  // id to birth

struct Committed {
  Nodes nodes;
  std::string blob;
};

// Drives a store at random and knows what must come of it.
class Oracle {
 public:
  explicit Oracle(uint64_t seed) : random_(seed) { states_[0] = {}; }

  uint64_t below(uint64_t n) { return random_() % n; }
  const std::map<uint64_t, Committed>& states() const { return states_; }
  uint64_t acknowledged() const { return acknowledged_; }

  // After (re)opening: what lives is what the head holds.
  void attach(NodeStore& store) {
    store_ = &store;
    acknowledged_ = store.head().sequence;
    states_.erase(states_.upper_bound(acknowledged_), states_.end());
    live_ = states_[acknowledged_].nodes;
    taken_.clear();
    kept_.clear();
    if (store.previous_head() != nullptr) keep(states_[store.previous_head()->sequence]);
    keep(states_[acknowledged_]);
  }

  void allocate() {
    const uint32_t pages = below(4) != 0 ? 1 : static_cast<uint32_t>(1 + below(9));
    const NodeId id = store_->allocate(pages);
    ASSERT_EQ(pages_of(id), pages);
    ASSERT_GE(page_of(id), 2u);
    ASSERT_LE(page_of(id) + pages, store_->page_limit());
    for (uint64_t page = page_of(id); page < page_of(id) + pages; ++page) {
      ASSERT_EQ(kept_.count(page), 0u) << "page " << page << " of a committed head was given out";
      ASSERT_TRUE(taken_.insert(page).second) << "page " << page << " was given out twice";
    }
    live_[id] = ++birth_;
  }

  void release_one() {
    if (live_.empty()) return;
    auto at = live_.lower_bound(make_node_id(below(store_->page_limit()), 0));
    if (at == live_.end()) at = live_.begin();
    // A node that the commit in progress writes is held by the tree's pin.
    if (in_flight_.count(at->first) != 0) return;
    for (uint64_t page = page_of(at->first); page < page_of(at->first) + pages_of(at->first); ++page)
      taken_.erase(page);
    store_->release(at->first, states_[acknowledged_].nodes.count(at->first) != 0);
    live_.erase(at);
  }

  // Some allocations and releases.
  void churn(int steps) {
    for (int i = 0; i < steps; ++i) {
      if (below(100) < 55) {
        allocate();
      } else {
        release_one();
      }
    }
  }

  // Commits most of what lives. The state is known before the attempt, for a crash may complete it.
  Status commit() {
    const Nodes& old = states_[acknowledged_].nodes;
    Committed next;
    next.blob = std::string(below(3) == 0 ? 0 : below(9000), static_cast<char>('a' + below(26)));
    std::vector<std::string> bytes;
    std::vector<NodeImage> images;
    bytes.reserve(live_.size());
    for (const auto& [id, birth] : live_) {
      const bool written = old.count(id) != 0;
      if (!written && below(5) == 0) continue;  // born after the cut
      next.nodes[id] = birth;
      if (written) continue;
      bytes.push_back(node_bytes(id, birth));
      images.push_back({id, bytes.back().data()});
    }
    std::shuffle(images.begin(), images.end(), random_);
    in_flight_ = next.nodes;
    states_[acknowledged_ + 1] = next;
    const Status status = store_->commit(images, next.blob);
    in_flight_.clear();
    if (!status.is_ok()) return status;
    kept_.clear();
    keep(states_[acknowledged_]);
    keep(next);
    ++acknowledged_;
    return status;
  }

  // Every page of the head's state reads back; so does the state before it where the store has it.
  void check(const NodeStore& store) const {
    check_head(store, store.head());
    if (store.previous_head() != nullptr) {
      ASSERT_EQ(store.previous_head()->sequence + 1, store.head().sequence);
      check_head(store, *store.previous_head());
    }
  }

  uint64_t live_pages() const {
    uint64_t pages = 0;
    for (const auto& [id, birth] : live_) pages += pages_of(id);
    return pages;
  }
  const Nodes& live() const { return live_; }

 private:
  void keep(const Committed& state) {
    for (const auto& [id, birth] : state.nodes) {
      for (uint64_t page = page_of(id); page < page_of(id) + pages_of(id); ++page) kept_.insert(page);
    }
  }

  void check_head(const NodeStore& store, const StoreHead& head) const {
    const auto state = states_.find(head.sequence);
    ASSERT_NE(state, states_.end()) << "head " << head.sequence << " was never committed";
    ASSERT_EQ(head.blob, state->second.blob);
    for (const auto& [id, birth] : state->second.nodes) {
      std::string got(bytes_of(id), '\0');
      const Status status = store.read(id, birth, got.data());
      ASSERT_TRUE(status.is_ok()) << status.to_string();
      ASSERT_EQ(got.substr(sizeof(NodeHeader)), node_bytes(id, birth).substr(sizeof(NodeHeader)));
    }
  }

  std::mt19937_64 random_;
  NodeStore* store_ = nullptr;
  std::map<uint64_t, Committed> states_;  // by sequence
  uint64_t acknowledged_ = 0;
  uint64_t birth_ = 0;
  Nodes live_;
  Nodes in_flight_;
  std::set<uint64_t> taken_;  // pages given out since opening and not released
  std::set<uint64_t> kept_;   // pages of the heads that can be opened
};

}  // namespace strata::storage::page_test
