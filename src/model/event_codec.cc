#include "model/event_codec.h"

#include <bit>

#include "base/check.h"
#include "base/coding.h"

namespace strata::model {
namespace {

// Collects the encoding and hands it to the hash in large pieces.
class Hasher {
 public:
  void raw(std::string_view bytes) {
    if (bytes.size() > sizeof(buffer_) - size_) {
      flush();
      if (bytes.size() > sizeof(buffer_)) return sha_.add(bytes);
    }
    std::memcpy(buffer_ + size_, bytes.data(), bytes.size());
    size_ += bytes.size();
  }
  void tag(char letter) { raw({&letter, 1}); }
  void word(char letter, uint64_t bits) {
    char bytes[9] = {letter};
    base::store_be64(bytes + 1, bits);
    raw({bytes, 9});
  }
  void count(char letter, size_t n) {
    char bytes[9];
    base::store_be64(bytes + 1, n);
    bytes[4] = letter;
    raw({bytes + 4, 5});  // the low 4 bytes of n behind the letter
  }
  void text(char letter, std::string_view bytes) {
    count(letter, bytes.size());
    if (!bytes.empty()) raw(bytes);
  }
  base::Sha256::Digest finish() {
    flush();
    return sha_.finish();
  }

 private:
  void flush() {
    sha_.add({buffer_, size_});
    size_ = 0;
  }
  base::Sha256 sha_;
  size_t size_ = 0;
  char buffer_[512];
};

bool hash_values(const char* at, const char* end, int depth, Hasher* hasher);

bool hash_token(const ValueToken& token, int depth, Hasher* hasher) {
  switch (token.type) {
    case ValueType::kNull:
      return hasher->tag('N'), true;
    case ValueType::kBoolean:
      return hasher->tag(token.boolean ? 'T' : 'F'), true;
    case ValueType::kInteger:
      return hasher->word('I', static_cast<uint64_t>(token.integer)), true;
    case ValueType::kFloat:
      return hasher->word('D', std::bit_cast<uint64_t>(token.real)), true;
    case ValueType::kString:
      return hasher->text('S', token.bytes), true;
    case ValueType::kBytes:
      return hasher->text('B', token.bytes), true;
    case ValueType::kArray:
    case ValueType::kObject:
      hasher->count(token.type == ValueType::kArray ? 'A' : 'O', token.count);
      return depth < kMaxValueNesting &&
             hash_values(token.bytes.data(), token.bytes.data() + token.bytes.size(), depth + 1, hasher);
  }
  return false;
}

// One after the other: items of an array, names and values of an object.
bool hash_values(const char* at, const char* end, int depth, Hasher* hasher) {
  while (at != end) {
    ValueToken token;
    if (!read_value(at, end, token) || !hash_token(token, depth, hasher)) return false;
  }
  return true;
}

}  // namespace

bool parse_event(std::string_view bytes, EventRow* row) {
  if (bytes.size() < kEventHeadBytes) return false;
  row->flags = static_cast<uint8_t>(bytes[0]);
  row->hash = bytes.substr(kEventHashOffset, base::Sha256::kBytes);
  row->origin.branch = base::load_u32(bytes.data() + kEventBranchOffset);
  row->origin.sequence = base::load_u64(bytes.data() + kEventSequenceOffset);
  row->origin.timestamp = base::load_u64(bytes.data() + kEventTimestampOffset);
  row->origin.database = 0;
  base::Reader reader(bytes.substr(kEventHeadBytes));
  if ((row->flags & kForeignOrigin) != 0 && !reader.read_u64(row->origin.database)) return false;
  uint16_t type_bytes = 0;
  if (!reader.read_u16(type_bytes) || !reader.read_bytes(type_bytes, row->type)) return false;
  row->payload = std::string_view(reader.position(), reader.remaining());
  return (row->flags & ~(kForeignOrigin | kUnordered)) == 0 && !row->payload.empty();
}

Status read_event(std::string_view bytes, uint64_t sequence, EventRow* row) {
  if (parse_event(bytes, row)) return Status::ok();
  return Status::error(Code::kCorruption, "the row of event " + std::to_string(sequence) + " is damaged",
                       "restore the folder from a backup; verify() lists all damage");
}

void build_event(const EventRow& row, std::string* out) {
  STRATA_ASSERT(row.hash.empty() || row.hash.size() == base::Sha256::kBytes);
  const bool foreign = row.origin.database != 0;
  const size_t type_at = kEventHeadBytes + (foreign ? 8 : 0);
  const size_t begin = out->size();
  out->resize(begin + type_at + 2 + row.type.size() + row.payload.size());
  char* at = out->data() + begin;
  std::memset(at, 0, kEventBranchOffset);
  at[0] = static_cast<char>((row.flags & ~kForeignOrigin) | (foreign ? kForeignOrigin : 0));
  if (!row.hash.empty()) std::memcpy(at + kEventHashOffset, row.hash.data(), row.hash.size());
  base::store_u32(at + kEventBranchOffset, row.origin.branch);
  base::store_u64(at + kEventSequenceOffset, row.origin.sequence);
  base::store_u64(at + kEventTimestampOffset, row.origin.timestamp);
  if (foreign) base::store_u64(at + kEventHeadBytes, row.origin.database);
  base::store_u16(at + type_at, static_cast<uint16_t>(row.type.size()));
  std::memcpy(at + type_at + 2, row.type.data(), row.type.size());
  std::memcpy(at + type_at + 2 + row.type.size(), row.payload.data(), row.payload.size());
}

Result<base::Sha256::Digest> event_hash(std::string_view previous, uint64_t sequence, std::string_view type,
                                        uint64_t timestamp, ValueView payload) {
  Hasher hasher;
  hasher.raw(previous);
  hasher.count('A', 4);
  hasher.word('I', sequence);
  hasher.text('S', type);
  hasher.word('I', timestamp);
  STRATA_ASSIGN(const ValueToken token, payload.read());
  if (hash_token(token, 0, &hasher)) return hasher.finish();
  return Status::error(Code::kCorruption, "the payload of event " + std::to_string(sequence) + " is damaged");
}

}  // namespace strata::model
