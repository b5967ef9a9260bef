// Any bytes for each decoder that reads stored bytes behind a checksum: nothing is read outside of them, no length is
// believed, and whatever is accepted can be walked to its end.
#include "branch/branch_codec.h"
#include "fuzz_support.h"
#include "model/key_codec.h"
#include "recovery/checkpoint_head.h"
#include "storage/commit_record.h"
#include "storage/log_format.h"
#include "storage/log_time_index.h"
#include "storage/page_format.h"
#include "txn/row.h"

namespace {

using namespace strata;

constexpr uint64_t kDatabaseId = 42;

void fuzz_record(std::string_view bytes) {
  const auto record = storage::parse_record(storage::make_position(1, 128), bytes);
  if (!record.is_ok()) return;
  storage::EntityReader reader(storage::make_position(1, 128), *record, kDatabaseId);
  uint64_t entities = 0;
  while (true) {
    const auto more = reader.next();
    if (!more.is_ok() || !*more) break;
    STRATA_CHECK(++entities <= bytes.size());
  }
}

void fuzz_head(std::string_view bytes) {
  const auto head = recovery::decode_head(bytes);
  if (!head.is_ok()) return;
  STRATA_CHECK(head->branches.size() <= bytes.size());
  const std::string again = recovery::encode_head(*head);
  STRATA_CHECK(recovery::decode_head(again).is_ok());
}

void fuzz_page_map(std::string_view bytes) {
  storage::PageMap map;
  size_t bad = 0;
  if (storage::decode_page_map(bytes, 1u << 16, &map, &bad)) {
    storage::PageMap again;
    STRATA_CHECK(storage::decode_page_map(storage::encode_page_map(map), 1u << 16, &again, &bad));
  } else {
    STRATA_CHECK(bad <= bytes.size());
  }
}

void fuzz_time_index(std::string_view bytes) {
  storage::LogTimeIndex index;
  if (!storage::LogTimeIndex::decode(bytes, 1u << 20, &index)) return;
  for (const uint64_t at : {uint64_t{0}, uint64_t{1} << 40, ~uint64_t{0}}) {
    const auto* entry = index.find(at);
    STRATA_CHECK(entry == nullptr || (entry->timestamp <= at && entry->offset < 1u << 20));
  }
}

void fuzz_headers(std::string_view bytes) {
  (void)storage::decode_segment_header(bytes, kDatabaseId, "fuzz");
  storage::RecordHeader header;
  if (bytes.size() >= storage::kRecordHeaderBytes) (void)storage::decode_record_header(bytes.data(), 7, &header);
  storage::MetaPage meta;
  if (bytes.size() >= storage::kPageBytes) (void)storage::decode_meta(bytes.substr(0, storage::kPageBytes), &meta);
}

void fuzz_keys_and_rows(std::string_view bytes) {
  if (const auto split = model::split_key(bytes); split.has_value()) {
    STRATA_CHECK(split->space.size() + split->user.size() < bytes.size());
  }
  txn::RowView row;
  (void)txn::read_row(bytes, &row);
  (void)model::check_branch_name(bytes);
  (void)model::check_space_name(bytes);
  (void)model::check_key(bytes, "key");
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  strata::fuzz::FuzzInput input(data, size);
  constexpr void (*kDecoders[])(std::string_view) = {fuzz_record,     fuzz_head,    fuzz_page_map,
                                                     fuzz_time_index, fuzz_headers, fuzz_keys_and_rows};
  const uint64_t which = input.number(1) % std::size(kDecoders);
  // A copy of its own size, so that the address sanitizer sees a step behind the end.
  const std::vector<char> bytes = [&] {
    const std::string_view rest = input.rest();
    return std::vector<char>(rest.begin(), rest.end());
  }();
  kDecoders[which](std::string_view(bytes.data(), bytes.size()));
  return 0;
}
