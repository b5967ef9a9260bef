#include "db/background.h"

#include <chrono>
#include <utility>

namespace strata::db {
namespace {

// What a power cut may cost in buffered mode.
constexpr auto kInterval = std::chrono::milliseconds(100);

}  // namespace

Background::Background(std::function<void()> step) : step_(std::move(step)), thread_([this] { run(); }) {}

Background::~Background() { stop(); }

void Background::wake() {
  const std::lock_guard<std::mutex> lock(mutex_);
  woken_ = true;
  changed_.notify_one();
}

void Background::stop() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    stopping_ = true;
    changed_.notify_one();
  }
  if (thread_.joinable()) thread_.join();
}

void Background::run() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (!stopping_) {
    changed_.wait_for(lock, kInterval, [this] { return stopping_ || woken_; });
    if (stopping_) return;
    woken_ = false;
    lock.unlock();
    step_();
    lock.lock();
  }
}

}  // namespace strata::db
