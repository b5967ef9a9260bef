// A window of a file, shared with the operating system's cache: a short write into it is a copy in memory instead of a
// system call, with the same promise (it survives the end of the process, and a sync covers it).
//
// A store into a page that the system cannot provide ends the process, where a call would answer an error. Therefore:
//   1. only space that the file system has allocated is mapped, and only on systems whose allocation is a promise;
//   2. the first write into each page after each sync is a call, so that its errors are errors, and the page is in
//      memory, unsynced, when the copies follow.
//
// Thread safety: one writer; note_sync in any thread. Ownership: owns the mapping, borrows the descriptor.
#pragma once

#include <atomic>
#include <cstdint>
#include <optional>
#include <string_view>

namespace strata::os {

class MappedWindow {
 public:
  MappedWindow() = default;
  ~MappedWindow() { unmap(); }
  MappedWindow(const MappedWindow&) = delete;
  MappedWindow& operator=(const MappedWindow&) = delete;

  // False: nothing was written. The caller then makes the call, and then note_call.
  bool write(uint64_t offset, std::string_view bytes);
  // A call has written these bytes. `promised`: space for so many bytes from the file's beginning was allocated.
  void note_call(int descriptor, uint64_t promised, uint64_t offset, uint64_t bytes);
  // A sync has ended.
  void note_sync() { synced_.store(true, std::memory_order_relaxed); }
  // Before the file becomes shorter.
  void unmap();

 private:
  bool map(int descriptor, uint64_t promised, uint64_t offset);

  std::atomic<bool> synced_{false};
  std::optional<bool> usable_;  // whether the file may be mapped, once that was asked
  char* memory_ = nullptr;      // the file from begin_ to end_
  uint64_t begin_ = 0;
  uint64_t end_ = 0;
  uint64_t written_begin_ = 0;  // the pages that a call wrote last, as far as they are mapped
  uint64_t written_end_ = 0;
};

}  // namespace strata::os
