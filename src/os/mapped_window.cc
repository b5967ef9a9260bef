#include "os/mapped_window.h"

#include <algorithm>
#include <cstring>

#if defined(__linux__)
#include <sys/mman.h>
#include <sys/vfs.h>
#include <unistd.h>
#endif

namespace strata::os {

bool MappedWindow::write(uint64_t offset, std::string_view bytes) {
  // Taken back before the call is made: a sync that ends during it counts as one after it.
  if (synced_.load(std::memory_order_relaxed)) {
    synced_.store(false, std::memory_order_relaxed);
    return false;
  }
  if (offset < written_begin_ || offset + bytes.size() > written_end_) return false;
  std::memcpy(memory_ + (offset - begin_), bytes.data(), bytes.size());
  return true;
}

#if defined(__linux__)

namespace {

constexpr uint64_t kWindowBytes = 1u << 20;

uint64_t page_bytes() {
  static const auto bytes = static_cast<uint64_t>(::sysconf(_SC_PAGESIZE));
  return bytes;
}
uint64_t page_start(uint64_t offset) { return offset & ~(page_bytes() - 1); }

// Those whose fallocate is a promise for stores into a mapping too. Systems that copy on write, or that ask a server,
// cannot make one.
bool keeps_promises(int descriptor) {
  constexpr long kExt4 = 0xEF53;
  constexpr long kTmpfs = 0x01021994;
  struct statfs facts;
  return ::fstatfs(descriptor, &facts) == 0 && (facts.f_type == kExt4 || facts.f_type == kTmpfs);
}

}  // namespace

void MappedWindow::note_call(int descriptor, uint64_t promised, uint64_t offset, uint64_t bytes) {
  written_begin_ = written_end_ = 0;
  const uint64_t end = offset + bytes;
  if (bytes == 0 || end > promised) return;
  if ((offset < begin_ || end > end_) && !map(descriptor, promised, offset)) return;
  written_begin_ = std::max(begin_, page_start(offset));
  written_end_ = std::min(end_, page_start(end - 1) + page_bytes());
}

bool MappedWindow::map(int descriptor, uint64_t promised, uint64_t offset) {
  if (!usable_) usable_ = keeps_promises(descriptor);
  if (!*usable_) return false;
  unmap();
  const uint64_t begin = page_start(offset);
  const uint64_t bytes = std::min(promised - begin, kWindowBytes);
  void* memory = ::mmap(nullptr, bytes, PROT_READ | PROT_WRITE, MAP_SHARED, descriptor, static_cast<off_t>(begin));
  if (memory == MAP_FAILED) {
    usable_ = false;
    return false;
  }
  memory_ = static_cast<char*>(memory);
  begin_ = begin;
  end_ = begin + bytes;
  return true;
}

void MappedWindow::unmap() {
  written_begin_ = written_end_ = 0;
  if (memory_ == nullptr) return;
  (void)::munmap(memory_, end_ - begin_);
  memory_ = nullptr;
  begin_ = end_ = 0;
}

#else

void MappedWindow::note_call(int, uint64_t, uint64_t, uint64_t) {}
void MappedWindow::unmap() {}

#endif

}  // namespace strata::os
