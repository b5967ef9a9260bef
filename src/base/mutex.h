// A mutex and its guard, annotated for clang's thread safety analysis.
// Thread safety: that is what they are for. Ownership: MutexLock borrows the mutex.
#pragma once

#include <condition_variable>
#include <mutex>

#if defined(__clang__)
#define STRATA_THREAD_ATTRIBUTE(x) __attribute__((x))
#else
#define STRATA_THREAD_ATTRIBUTE(x)
#endif
#define CAPABILITY(x) STRATA_THREAD_ATTRIBUTE(capability(x))
#define SCOPED_CAPABILITY STRATA_THREAD_ATTRIBUTE(scoped_lockable)
#define GUARDED_BY(x) STRATA_THREAD_ATTRIBUTE(guarded_by(x))
#define REQUIRES_LOCK(...) STRATA_THREAD_ATTRIBUTE(requires_capability(__VA_ARGS__))
#define ACQUIRES_LOCK(...) STRATA_THREAD_ATTRIBUTE(acquire_capability(__VA_ARGS__))
#define TRY_ACQUIRES_LOCK(...) STRATA_THREAD_ATTRIBUTE(try_acquire_capability(__VA_ARGS__))
#define RELEASES_LOCK(...) STRATA_THREAD_ATTRIBUTE(release_capability(__VA_ARGS__))
#define EXCLUDES_LOCK(...) STRATA_THREAD_ATTRIBUTE(locks_excluded(__VA_ARGS__))
#define NO_THREAD_SAFETY_ANALYSIS STRATA_THREAD_ATTRIBUTE(no_thread_safety_analysis)

namespace strata::base {

class CAPABILITY("mutex") Mutex {
 public:
  void lock() ACQUIRES_LOCK() { mutex_.lock(); }
  bool try_lock() TRY_ACQUIRES_LOCK(true) { return mutex_.try_lock(); }
  void unlock() RELEASES_LOCK() { mutex_.unlock(); }
  std::mutex& native() { return mutex_; }

 private:
  std::mutex mutex_;
};

class SCOPED_CAPABILITY MutexLock {
 public:
  explicit MutexLock(Mutex& mutex) ACQUIRES_LOCK(mutex) : lock_(mutex.native()) {}
  ~MutexLock() RELEASES_LOCK() = default;
  MutexLock(const MutexLock&) = delete;
  MutexLock& operator=(const MutexLock&) = delete;
  // For a condition variable's wait.
  std::unique_lock<std::mutex>& native() { return lock_; }

 private:
  std::unique_lock<std::mutex> lock_;
};

}  // namespace strata::base
