#include "base/together.h"

#include <algorithm>
#include <system_error>
#include <thread>
#include <vector>

namespace strata::base {
namespace {

constexpr unsigned kMostUseful = 8;

}  // namespace

unsigned useful_threads() {
  static const unsigned useful = std::clamp(std::thread::hardware_concurrency(), 1U, kMostUseful);
  return useful;
}

void run_together(unsigned threads, const std::function<void()>& work) {
  std::vector<std::thread> others;
  others.reserve(threads);
  try {
    while (others.size() + 1 < threads) others.emplace_back(work);
  } catch (const std::system_error&) {
    // As many as there are do it.
  }
  work();
  for (std::thread& other : others) other.join();
}

}  // namespace strata::base
