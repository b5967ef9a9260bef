// Any bytes as a value: nothing that reads them may leave them, and what validates is read, walked and written back to
// the same bytes.
#include "fuzz_support.h"
#include "strata/value.h"

namespace {

using strata::ValueItems;
using strata::ValueToken;
using strata::ValueType;
using strata::ValueView;
using strata::ValueWriter;

// Walks at most so many values, whatever the bytes say.
uint64_t walk(ValueView view, uint64_t budget) {
  const auto token = view.read();
  if (!token.is_ok() || budget == 0) return 0;
  (void)view.find("a");
  (void)view.at(0);
  (void)view.at(17);
  uint64_t seen = 1;
  for (ValueItems items(view); seen < budget && items.next();) seen += walk(items.value(), budget - seen);
  return seen;
}

bool copy(ValueView view, ValueWriter& writer) {
  const auto token = view.read();
  STRATA_CHECK(token.is_ok());
  switch (token->type) {
    case ValueType::kNull:
      return writer.null();
    case ValueType::kBoolean:
      return writer.boolean(token->boolean);
    case ValueType::kInteger:
      return writer.integer(token->integer);
    case ValueType::kFloat:
      return writer.real(token->real);
    case ValueType::kString:
      return writer.string(token->bytes);
    case ValueType::kBytes:
      return writer.bytes(token->bytes);
    case ValueType::kArray:
    case ValueType::kObject:
      break;
  }
  const bool object = token->type == ValueType::kObject;
  if (!(object ? writer.begin_object(token->count) : writer.begin_array(token->count))) return false;
  ValueItems items(view);
  while (items.next()) {
    if (object && !writer.name(items.name())) return false;
    if (!copy(items.value(), writer)) return false;
  }
  STRATA_CHECK(items.status().is_ok());
  return writer.end();
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string bytes(reinterpret_cast<const char*>(data), size);
  const ValueView view(bytes);
  walk(view, 10'000);
  if (!view.validate().is_ok()) return 0;
  ValueWriter writer;
  STRATA_CHECK(copy(view, writer));
  STRATA_CHECK(writer.result() == bytes);
  STRATA_CHECK(same(view, ValueView(writer.result())));
  return 0;
}
