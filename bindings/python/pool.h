// Objects with buffers that are worth keeping from call to call. A call takes one for itself: while it lasts, other
// threads run whenever the GIL is released, and converting values may run Python code that calls again.
//
// Thread safety: taken and given back with the GIL held; in between it belongs to the taker.
#pragma once

#include <cstddef>
#include <string>

#include "strata/event.h"
#include "strata/key_list.h"
#include "strata/session.h"
#include "strata/value.h"

namespace strata::python {

constexpr size_t kKeptBufferBytes = size_t{1} << 20;
// Lists of all keys are asked for again and again; the first touch of fresh memory costs more than the keys.
constexpr size_t kKeptKeyBytes = size_t{8} << 20;

// Makes an object ready for the next user; false if it has become too large to keep.
inline bool recycle(ValueWriter& writer) {
  writer.clear();
  return true;
}
inline bool recycle(std::string& buffer) {
  buffer.clear();
  return buffer.capacity() <= kKeptBufferBytes;
}
inline bool recycle(KeyList& keys) {
  keys.clear();
  return keys.capacity() <= kKeptKeyBytes;
}
inline bool recycle(EventList& events) {
  events.clear();
  return events.capacity() <= kKeptBufferBytes;
}

template <typename T>
class Pooled {
 public:
  Pooled() : object_(idle_count > 0 ? idle[--idle_count] : new T) {}
  ~Pooled() {
    if (idle_count < kMost && recycle(*object_)) {
      idle[idle_count++] = object_;
    } else {
      delete object_;
    }
  }
  Pooled(const Pooled&) = delete;
  Pooled& operator=(const Pooled&) = delete;
  T& operator*() { return *object_; }
  T* operator->() { return object_; }

 private:
  static constexpr size_t kMost = 8;
  static inline T* idle[kMost];
  static inline size_t idle_count = 0;
  T* object_;
};

}  // namespace strata::python
