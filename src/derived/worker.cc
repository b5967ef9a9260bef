#include "derived/worker.h"

namespace strata::derived {

void Worker::post(Task task) {
  const base::MutexLock lock(mutex_);
  if (stopping_) return;
  tasks_.push_back(std::move(task));
  if (!runs_) return;
  if (!thread_.joinable()) thread_ = std::thread([this] { run(); });
  changed_.notify_one();
}

void Worker::run() {
  while (true) {
    Task task;
    {
      base::MutexLock lock(mutex_);
      while (tasks_.empty() && !stopping_) changed_.wait(lock.native());
      if (stopping_) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task(stopping_);
  }
}

void Worker::run_waiting() {
  while (true) {
    Task task;
    {
      const base::MutexLock lock(mutex_);
      if (tasks_.empty() || stopping_) return;
      task = std::move(tasks_.front());
      tasks_.pop_front();
    }
    task(stopping_);
  }
}

void Worker::stop() {
  std::thread thread;
  {
    const base::MutexLock lock(mutex_);
    stopping_ = true;
    tasks_.clear();
    changed_.notify_all();
    thread = std::move(thread_);
  }
  if (thread.joinable()) thread.join();
}

}  // namespace strata::derived
