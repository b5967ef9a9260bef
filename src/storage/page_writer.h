// Collects pages in file order and writes neighbours in one piece.
//
// Thread safety: none. Ownership: borrows the file; owns its buffer.
// Durability: none; what was placed is written by the flush that follows, at the latest.
#pragma once

#include <cstdint>
#include <memory>
#include <string_view>

#include "base/check.h"
#include "os/file_system.h"
#include "storage/node_store.h"

namespace strata::storage {

class PageWriter {
 public:
  PageWriter(os::File& file, uint64_t buffer_bytes)
      : file_(file), buffer_(new char[buffer_bytes]), capacity_(buffer_bytes) {}

  // Where to put the bytes of these pages; valid until the next call.
  Result<char*> place(uint64_t page, uint32_t pages) {
    const uint64_t bytes = uint64_t{pages} * kPageBytes;
    if (page * kPageBytes != offset_ + filled_ || filled_ + bytes > capacity_) STRATA_TRY(flush());
    if (filled_ == 0) offset_ = page * kPageBytes;
    if (bytes > capacity_) {
      buffer_.reset(new char[bytes]);
      capacity_ = bytes;
    }
    char* const to = buffer_.get() + filled_;
    filled_ += bytes;
    STRATA_ASSERT(filled_ <= capacity_);
    return to;
  }

  Status flush() {
    if (filled_ == 0) return Status();
    const std::string_view bytes(buffer_.get(), filled_);
    filled_ = 0;
    return file_.write(offset_, bytes);
  }

 private:
  os::File& file_;
  std::unique_ptr<char[]> buffer_;
  uint64_t capacity_;
  uint64_t offset_ = 0;
  uint64_t filled_ = 0;
};

}  // namespace strata::storage
