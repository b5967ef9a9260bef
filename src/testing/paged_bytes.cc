#include "testing/paged_bytes.h"

#include <algorithm>
#include <cstring>

namespace strata::testing {

PagedBytes& own(SharedBytes& bytes) {
  if (bytes.use_count() > 1) bytes = std::make_shared<PagedBytes>(*bytes);
  return *bytes;
}

size_t PagedBytes::read(uint64_t offset, size_t n, char* out) const {
  if (offset >= size_) return 0;
  n = static_cast<size_t>(std::min<uint64_t>(n, size_ - offset));
  for (size_t done = 0; done < n;) {
    const uint64_t at = offset + done;
    const size_t within = at % kPageBytes;
    const size_t length = std::min(n - done, kPageBytes - within);
    const auto& page = pages_[at / kPageBytes];
    if (page == nullptr) {
      std::memset(out + done, 0, length);
    } else {
      std::memcpy(out + done, page->data() + within, length);
    }
    done += length;
  }
  return n;
}

void PagedBytes::write(uint64_t offset, std::string_view bytes) {
  if (bytes.empty()) return;
  extend(offset + bytes.size());
  while (!bytes.empty()) {
    const size_t number = offset / kPageBytes;
    const size_t within = offset % kPageBytes;
    const std::string_view piece = bytes.substr(0, kPageBytes - within);
    const bool zeros = piece.find_first_not_of('\0') == std::string_view::npos;
    if (pages_[number] != nullptr || !zeros) std::memcpy(own_page(number).data() + within, piece.data(), piece.size());
    offset += piece.size();
    bytes.remove_prefix(piece.size());
  }
}

void PagedBytes::extend(uint64_t size) {
  if (size <= size_) return;
  size_ = size;
  pages_.resize((size + kPageBytes - 1) / kPageBytes);
}

void PagedBytes::truncate(uint64_t size) {
  if (size >= size_) return extend(size);
  size_ = size;
  pages_.resize((size + kPageBytes - 1) / kPageBytes);
  if (const size_t within = size % kPageBytes; within != 0 && pages_.back() != nullptr) {
    std::memset(own_page(pages_.size() - 1).data() + within, 0, kPageBytes - within);
  }
}

PagedBytes::Page& PagedBytes::own_page(size_t number) {
  std::shared_ptr<Page>& page = pages_[number];
  if (page == nullptr) {
    page = std::make_shared<Page>();
    page->fill('\0');
  } else if (page.use_count() > 1) {
    page = std::make_shared<Page>(*page);
  }
  return *page;
}

}  // namespace strata::testing
