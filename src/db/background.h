// The background thread of a database: syncs what is not durable yet, checkpoints, prepares segments, keeps retention.
// Thread safety: wake in any thread; start and stop by the owner. Ownership: owns its thread; borrows the step.
#pragma once

#include <condition_variable>
#include <functional>
#include <mutex>
#include <thread>

namespace strata::db {

class Background {
 public:
  explicit Background(std::function<void()> step);
  ~Background();  // stops
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  void wake();
  void stop();

 private:
  void run();

  std::function<void()> step_;
  std::mutex mutex_;
  std::condition_variable changed_;
  bool stopping_ = false;
  bool woken_ = false;
  std::thread thread_;
};

}  // namespace strata::db
