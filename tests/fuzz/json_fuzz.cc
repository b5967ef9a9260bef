// Any bytes as a path, a pointer, a document, a merge patch: what reads them stays inside of them; a damaged document
// is refused or read, and what becomes of a valid one is valid.
#include "fuzz_support.h"
#include "model/json_compare.h"
#include "model/json_edit.h"
#include "model/json_patch.h"
#include "model/json_path.h"

namespace {

using namespace strata;
using model::JsonPath;

std::vector<model::JsonStep> random_steps(fuzz::FuzzInput& input) {
  std::vector<model::JsonStep> steps;
  for (uint64_t count = input.number(1) % 6; count > 0; --count) {
    model::JsonStep& step = steps.emplace_back();
    step.kind = static_cast<model::JsonStep::Kind>(input.number(1) % 3);
    step.text = input.bytes(input.number(1) % 4);
    step.index = static_cast<int64_t>(input.number(1)) - 64;
  }
  return steps;
}

void fuzz_path(std::string_view text) {
  JsonPath path;
  if (path.parse(text).is_ok() && path.singular()) {
    size_t bytes = 0;
    for (const model::JsonStep& step : path.steps()) bytes += step.text.size();
    STRATA_CHECK(bytes <= text.size());
    STRATA_CHECK(!model::show_path(path.steps()).empty());
  }
  JsonPath pointer;
  if (pointer.parse_pointer(text).is_ok()) STRATA_CHECK(pointer.steps().size() <= text.size());
}

void check_edit(std::string_view document, bool valid, const std::vector<model::JsonStep>& steps) {
  constexpr std::string_view kValues[] = {"\x01", "\x81x", std::string_view("\x08\x01\x00", 3)};
  for (const auto change :
       {model::JsonChange::kSet, model::JsonChange::kAdd, model::JsonChange::kReplace, model::JsonChange::kRemove}) {
    if (steps.empty() && change == model::JsonChange::kRemove) continue;
    for (const std::string_view value : kValues) {
      std::string out;
      const Status status = model::edit_json(document, steps, change, value, &out);
      if (!valid) continue;
      STRATA_CHECK(status.code() != Code::kCorruption);
      if (!status.is_ok()) continue;
      STRATA_CHECK(ValueView(out).validate().is_ok());
      std::string_view found;
      const bool sets =
          change == model::JsonChange::kSet && !steps.empty() && steps.back().kind == model::JsonStep::Kind::kName;
      if (sets) STRATA_CHECK(model::find_json(out, steps, &found) == model::Seek::kFound && found == value);
    }
  }
}

void fuzz_document(fuzz::FuzzInput input) {
  const std::vector<model::JsonStep> steps = random_steps(input);
  const std::string_view patch = input.bytes(input.number(2) % 400);
  const std::string_view document = input.rest();
  const bool valid = ValueView(document).validate().is_ok();
  std::string_view found;
  const model::Seek seek = model::find_json(document, steps, &found);
  STRATA_CHECK(!valid || seek != model::Seek::kDamaged);
  // Names that are put in must be valid themselves.
  bool good_names = true;
  for (const model::JsonStep& step : steps) {
    for (const char c : step.text) good_names = good_names && static_cast<uint8_t>(c) < 0x80;
  }
  if (good_names) check_edit(document, valid, steps);
  (void)model::equal_json(ValueView(document), ValueView(patch));
  if (!ValueView(patch).validate().is_ok()) return;
  ValueWriter out;
  const Status merged = model::merge_json(ValueView(document), ValueView(patch), &out);
  if (valid && merged.is_ok()) STRATA_CHECK(ValueView(out.result()).validate().is_ok());
  STRATA_CHECK(!valid || merged.code() != Code::kCorruption);
}

}  // namespace

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  if (size == 0) return 0;
  const std::string bytes(reinterpret_cast<const char*>(data + 1), size - 1);
  if (data[0] % 2 == 0) {
    fuzz_path("$" + bytes);
  } else {
    fuzz_document(fuzz::FuzzInput(reinterpret_cast<const uint8_t*>(bytes.data()), bytes.size()));
  }
  return 0;
}
