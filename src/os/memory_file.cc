#include "os/memory_file.h"

#include <algorithm>
#include <cstring>

#include "base/check.h"

namespace strata::os {

MemoryFile::~MemoryFile() {
  for (auto& part : parts_) std::free(part.load(std::memory_order_relaxed));
}

template <typename Visit>
void MemoryFile::for_pieces(uint64_t offset, size_t n, Visit visit) const {
  for (size_t done = 0; done < n;) {
    const size_t part = part_of(offset + done);
    const uint64_t within = offset + done - start_of(part);
    const size_t length = static_cast<size_t>(std::min<uint64_t>(n - done, bytes_of(part) - within));
    char* memory = parts_[part].load(std::memory_order_acquire);
    visit(memory == nullptr ? nullptr : memory + within, done, length);
    done += length;
  }
}

size_t MemoryFile::read(uint64_t offset, size_t n, char* out) const {
  const uint64_t end = size();
  if (offset >= end) return 0;
  n = static_cast<size_t>(std::min<uint64_t>(n, end - offset));
  for_pieces(offset, n, [&](const char* memory, size_t at, size_t length) {
    if (memory == nullptr) {
      std::memset(out + at, 0, length);
    } else {
      std::memcpy(out + at, memory, length);
    }
  });
  return n;
}

Status MemoryFile::write(uint64_t offset, std::string_view bytes) {
  if (bytes.empty()) return Status::ok();
  const uint64_t end = offset + bytes.size();
  if (end < offset || part_of(end) >= kParts) return Status::error(Code::kInvalidArgument, "file too large");
  for (size_t part = part_of(offset); part <= part_of(end - 1); ++part) {
    if (parts_[part].load(std::memory_order_acquire) == nullptr) STRATA_TRY(make_part(part));
  }
  for_pieces(offset, bytes.size(), [&](char* memory, size_t at, size_t length) {
    STRATA_ASSERT(memory != nullptr);
    std::memcpy(memory, bytes.data() + at, length);
  });
  raise(written_end_, end);
  raise(size_, end);
  return Status::ok();
}

Status MemoryFile::extend(uint64_t size) {
  if (part_of(size) >= kParts) return Status::error(Code::kInvalidArgument, "file too large");
  raise(size_, size);
  return Status::ok();
}

void MemoryFile::truncate(uint64_t size) {
  const uint64_t dirty_end = written_end_.load(std::memory_order_relaxed);
  size_.store(size, std::memory_order_release);
  if (dirty_end <= size) return;
  for_pieces(size, static_cast<size_t>(dirty_end - size), [](char* memory, size_t, size_t length) {
    if (memory != nullptr) std::memset(memory, 0, length);
  });
  written_end_.store(size, std::memory_order_relaxed);
}

Status MemoryFile::make_part(size_t part) {
  const base::MutexLock guard(growing_);
  if (parts_[part].load(std::memory_order_relaxed) != nullptr) return Status::ok();
  // Zeroed lazily by the system where the part is large.
  char* memory = static_cast<char*>(std::calloc(1, static_cast<size_t>(bytes_of(part))));
  if (memory == nullptr) return Status::error(Code::kDiskFull, "no memory left for a file kept in memory");
  parts_[part].store(memory, std::memory_order_release);
  return Status::ok();
}

void MemoryFile::raise(std::atomic<uint64_t>& mark, uint64_t to) {
  uint64_t now = mark.load(std::memory_order_relaxed);
  while (now < to && !mark.compare_exchange_weak(now, to, std::memory_order_release, std::memory_order_relaxed)) {
  }
}

}  // namespace strata::os
