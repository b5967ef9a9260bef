// One thread for what caches do beside the database's own work: made when there is something to do.
//
// Thread safety: post in any thread; stop by the owner. Ownership: owns its thread and the tasks that wait.
#pragma once

#include <atomic>
#include <condition_variable>
#include <deque>
#include <functional>
#include <thread>

#include "base/mutex.h"

namespace strata::derived {

class Worker {
 public:
  // `runs`: false: tasks wait until run_waiting (tests drive it).
  explicit Worker(bool runs) : runs_(runs) {}
  ~Worker() { stop(); }
  Worker(const Worker&) = delete;
  Worker& operator=(const Worker&) = delete;

  using Task = std::function<void(const std::atomic<bool>& stop)>;
  // Nothing, once it was stopped.
  void post(Task task);
  // In this thread.
  void run_waiting();
  // Ends the task that runs as soon as it looks at `stop`, and drops the others.
  void stop();

 private:
  void run();

  const bool runs_;
  std::atomic<bool> stopping_{false};
  base::Mutex mutex_;
  std::condition_variable changed_;
  std::deque<Task> tasks_ GUARDED_BY(mutex_);
  std::thread thread_ GUARDED_BY(mutex_);
};

}  // namespace strata::derived
