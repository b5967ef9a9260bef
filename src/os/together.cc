#include "os/together.h"

#include <pthread.h>

#include <algorithm>
#include <thread>
#include <vector>

namespace strata::os {
namespace {

constexpr unsigned kMostUseful = 8;

void* call(void* work) {
  (*static_cast<const std::function<void()>*>(work))();
  return nullptr;
}

}  // namespace

unsigned useful_threads() {
  static const unsigned useful = std::clamp(std::thread::hardware_concurrency(), 1U, kMostUseful);
  return useful;
}

void run_together(unsigned threads, const std::function<void()>& work) {
  // Not std::thread, which throws where the system gives no more.
  std::vector<pthread_t> others;
  others.reserve(threads);
  while (others.size() + 1 < threads) {
    pthread_t other;
    if (pthread_create(&other, nullptr, call, const_cast<std::function<void()>*>(&work)) != 0) break;
    others.push_back(other);
  }
  work();
  for (const pthread_t other : others) pthread_join(other, nullptr);
}

}  // namespace strata::os
