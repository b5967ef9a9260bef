// The bytes of a file as pages that copies share until one of them writes: a copy costs a table of pointers, however
// much was written. Pages that hold only zeros are not stored.
// Thread safety: none; copies may be used in different threads if nobody writes at the same time.
// Ownership: shares its pages with its copies.
#pragma once

#include <array>
#include <cstdint>
#include <memory>
#include <string_view>
#include <vector>

namespace strata::testing {

class PagedBytes {
 public:
  uint64_t size() const { return size_; }
  size_t read(uint64_t offset, size_t n, char* out) const;
  void write(uint64_t offset, std::string_view bytes);
  void extend(uint64_t size);
  void truncate(uint64_t size);

 private:
  static constexpr size_t kPageBytes = 4096;
  using Page = std::array<char, kPageBytes>;

  Page& own_page(size_t number);

  uint64_t size_ = 0;
  std::vector<std::shared_ptr<Page>> pages_;  // covers size_; null: zeros. Bytes behind size_ are zero.
};

// Shared contents, copied by the first who writes.
using SharedBytes = std::shared_ptr<PagedBytes>;
PagedBytes& own(SharedBytes& bytes);

}  // namespace strata::testing
