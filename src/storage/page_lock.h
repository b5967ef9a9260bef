// A lock for a few nanoseconds of work: one atomic exchange where nobody else is inside, half of what a mutex costs.
// Whoever finds it taken spins, then lets other threads run. Not for work that may sleep or take microseconds.
//
// Thread safety: that is what it is for. Ownership: PageLockGuard borrows the lock.
#pragma once

#include <atomic>
#include <thread>

#include "base/mutex.h"

namespace strata::storage {

class CAPABILITY("mutex") PageLock {
 public:
  void lock() ACQUIRES_LOCK() {
    while (taken_.exchange(true, std::memory_order_acquire)) wait();
  }
  void unlock() RELEASES_LOCK() { taken_.store(false, std::memory_order_release); }

 private:
  static constexpr int kSpins = 64;  // then the holder may be waiting for this very processor

  void wait() const {
    for (int spin = 0; taken_.load(std::memory_order_relaxed); ++spin) {
      if (spin >= kSpins) std::this_thread::yield();
    }
  }

  std::atomic<bool> taken_{false};
};

class SCOPED_CAPABILITY PageLockGuard {
 public:
  explicit PageLockGuard(PageLock& lock) ACQUIRES_LOCK(lock) : lock_(lock) { lock_.lock(); }
  ~PageLockGuard() RELEASES_LOCK() { lock_.unlock(); }
  PageLockGuard(const PageLockGuard&) = delete;
  PageLockGuard& operator=(const PageLockGuard&) = delete;

 private:
  PageLock& lock_;
};

}  // namespace strata::storage
