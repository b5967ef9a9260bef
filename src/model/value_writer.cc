#include <cstdlib>
#include <string>

#include "base/check.h"
#include "base/out_of_memory.h"
#include "model/value_table.h"
#include "strata/value.h"

namespace strata {

using namespace value_format;

ValueWriter::~ValueWriter() { std::free(buffer_); }

void ValueWriter::clear() {
  if (buffer_ != nullptr && static_cast<size_t>(limit_ - buffer_) > kKeptBytes) {
    std::free(buffer_);
    buffer_ = nullptr;
    limit_ = nullptr;
  }
  at_ = buffer_;
  frame_ = frames_;
  frames_[0] = Frame{0, 0, 0, false};
  error_ = Code::kOk;
}

// The limit is part of the growth: the buffer never has room for more than a value may take.
bool ValueWriter::grow(size_t n) {
  const size_t used = size();
  if (n > kMaxValueBytes - used) {
    error_ = Code::kValueTooLarge;
    return false;
  }
  size_t room = buffer_ == nullptr ? 512 : 2 * static_cast<size_t>(limit_ - buffer_);
  if (room < used + n) room = used + n;
  if (room > kMaxValueBytes) room = kMaxValueBytes;
  auto* bigger = static_cast<char*>(std::realloc(buffer_, room + kSlack));
  if (bigger == nullptr) base::out_of_memory();
  buffer_ = bigger;
  at_ = buffer_ + used;
  limit_ = buffer_ + room;
  return true;
}

bool ValueWriter::put_long(unsigned tag, std::string_view bytes) {
  if (bytes.size() > kMaxValueBytes) {
    error_ = Code::kValueTooLarge;
    return false;
  }
  const unsigned code = width_code(bytes.size());
  const size_t width = size_t{1} << code;
  if (!reserve(1 + width + bytes.size())) return false;
  *at_++ = static_cast<char>(tag + code);
  store(at_, static_cast<uint32_t>(bytes.size()), width);
  at_ += width;
  if (!bytes.empty()) std::memcpy(at_, bytes.data(), bytes.size());
  at_ += bytes.size();
  return true;
}

bool ValueWriter::bytes(std::string_view v) {
  ++frame_->count;
  return put_long(kBytes, v);
}

bool ValueWriter::value(ValueView encoded) {
  const std::string_view raw = encoded.bytes();
  if (!reserve(raw.size())) return false;
  ++frame_->count;
  std::memcpy(at_, raw.data(), raw.size());
  at_ += raw.size();
  return true;
}

// Ends a container whose width was guessed wrong or which needs a table.
bool ValueWriter::end_large() {
  STRATA_ASSERT(frame_ > frames_);
  const Frame frame = *frame_;
  const size_t guessed = size_t{1} << frame.width_code;
  const size_t members = size() - frame.start - 1 - 2 * guessed;
  unsigned code = 0;
  while (code < 2 &&
         width_code((size_t{1} << code) + members + table_bytes(frame.count, size_t{1} << code, frame.object)) > code) {
    ++code;
  }
  const size_t width = size_t{1} << code;
  const size_t table = table_bytes(frame.count, width, frame.object);
  if (!reserve((width > guessed ? 2 * (width - guessed) : 0) + table)) return false;
  char* head = buffer_ + frame.start;
  char* first = head + 1 + 2 * width;
  if (width != guessed) std::memmove(first, head + 1 + 2 * guessed, members);
  *head = static_cast<char>((frame.object ? kObject : kArray) + code);
  store(head + 1, static_cast<uint32_t>(width + members + table), width);
  store(head + 1 + width, frame.count, width);
  at_ = first + members;
  if (table > 0) {
    char* fingerprints = at_;
    char* offsets = at_ + (frame.object ? frame.count : 0);
    const char* member = first;
    ValueToken token;
    for (uint32_t i = 0; i < frame.count; ++i) {
      if (i > 0 && i % kStride == 0) {
        store(offsets, static_cast<uint32_t>(member - first), width);
        offsets += width;
      }
      bool whole = true;
      if (frame.object) {
        whole = read_value(member, fingerprints, token);
        at_[i] = static_cast<char>(model::name_fingerprint(token.bytes));
      }
      whole = whole && read_value(member, fingerprints, token);
      STRATA_CHECK(whole);
    }
    STRATA_ASSERT(member == fingerprints);
    at_ += table;
  }
  --frame_;
  return true;
}

Status ValueWriter::error() const {
  if (error_ == Code::kNestingTooDeep) {
    return Status::error(error_, "nesting deeper than " + std::to_string(kMaxValueNesting),
                         "a container that holds itself is refused here too");
  }
  if (error_ == Code::kValueTooLarge) {
    return Status::error(error_, "value is larger than 64 MiB encoded", "split it over several keys");
  }
  return Status::ok();
}

}  // namespace strata
