#include <algorithm>
#include <string>

#include "model/json_path.h"
#include "model/json_query_run.h"
#include "model/key_codec.h"
#include "model/utf8.h"
#include "primitives/query_steps.h"
#include "strata/json.h"
#include "txn/context.h"
#include "txn/view.h"

namespace strata {
namespace {

using model::JsonFilter;
using model::JsonQuery;

// Documents that are looked at before it is asked whether to go on.
constexpr uint64_t kStride = 256;

// The filter that a condition is, as a path: what stands in `$[?` and `]`, or that already.
std::string path_of(std::string_view condition) {
  constexpr std::string_view kBlanks = " \t\n\r";
  const size_t begin = std::min(condition.find_first_not_of(kBlanks), condition.size());
  const std::string_view text = condition.substr(begin, condition.find_last_not_of(kBlanks) + 1 - begin);
  if (text.starts_with("$[?")) return std::string(text);
  return "$[?" + std::string(text) + "]";
}

// Null: the path is something else than one filter.
const JsonFilter* only_filter(const model::JsonPath& path) {
  if (path.singular() || path.query().segments.size() != 1) return nullptr;
  const model::JsonSegment& segment = path.query().segments[0];
  return segment.descendant || segment.selectors.size() != 1 ? nullptr : segment.selectors[0].filter.get();
}

bool asks_for_root(const JsonQuery& query);

bool asks_for_root(const model::JsonOperand& operand) {
  const bool queries = operand.kind != model::JsonOperand::Kind::kLiteral &&
                       operand.kind != model::JsonOperand::Kind::kLength && asks_for_root(operand.query);
  return queries || std::any_of(operand.arguments.begin(), operand.arguments.end(),
                                [](const model::JsonOperand& part) { return asks_for_root(part); });
}

// Whether $ stands in a filter.
bool asks_for_root(const JsonFilter& filter) {
  if (filter.kind == JsonFilter::Kind::kExists && asks_for_root(filter.query)) return true;
  return std::any_of(filter.parts.begin(), filter.parts.end(),
                     [](const JsonFilter& part) { return asks_for_root(part); }) ||
         std::any_of(filter.operands.begin(), filter.operands.end(),
                     [](const model::JsonOperand& operand) { return asks_for_root(operand); });
}

bool asks_for_root(const JsonQuery& query) {
  if (!query.relative) return true;
  for (const model::JsonSegment& segment : query.segments) {
    for (const model::JsonSelector& selector : segment.selectors) {
      if (selector.filter != nullptr && asks_for_root(*selector.filter)) return true;
    }
  }
  return false;
}

// Asks one document after the other.
class Finder {
 public:
  Finder(const JsonFilter& filter, bool quick, const KeepOn* keep_on)
      : filter_(filter), quick_(quick), wraps_(asks_for_root(filter)), run_(0, keep_on) {}

  Result<bool> holds(std::string_view document) {
    run_.refill(primitives::steps_for(document.size(), quick_));
    std::string_view root = document;
    if (wraps_) {
      wrapped_.clear();
      if (!wrapped_.begin_array(1) || !wrapped_.value(ValueView(document)) || !wrapped_.end()) return wrapped_.error();
      root = wrapped_.result();
    }
    Result<bool> answer = run_.holds(filter_, root, document);
    if (answer.is_ok()) return answer;
    return primitives::put_off(answer.status(), quick_);
  }

 private:
  const JsonFilter& filter_;
  const bool quick_;
  const bool wraps_;
  model::JsonQueryRun run_;
  ValueWriter wrapped_;
};

}  // namespace

Status Json::find(std::string_view condition, std::optional<uint64_t> limit, AsOf as_of, RowList* found) {
  const std::string text = path_of(condition);
  model::JsonPath path;
  STRATA_TRY(path.parse(text));
  const JsonFilter* filter = only_filter(path);
  if (filter == nullptr) {
    return Status::error(Code::kInvalidPath, "json_find takes one condition, not " + model::quoted(text, 80),
                         "such as '@.age > 3', @ being the document");
  }
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  const model::KeySpan span = model::prefix_span(context->space, model::Tag::kJson);
  if (view.tracked()) {
    context->transaction->note_range(span.begin, span.end);
    view.stop_noting();
  }
  const bool quick = !context->may_wait;
  Finder finder(*filter, quick, context->keep_on);
  const size_t key_at = context->space.size() + 2;
  const uint64_t most = limit.value_or(UINT64_MAX);
  std::string begin = span.begin;
  Status status;
  while (found->size() < most) {
    std::string last;
    const auto visit = [&](std::string_view key, const VersionedValue& row) {
      last = key;
      if (!status.is_ok() || found->size() >= most) return;
      const Result<bool> holds = finder.holds(row.value);
      if (!holds.is_ok()) status = holds.status();
      if (holds.is_ok() && *holds) found->add(key.substr(key_at), row);
    };
    STRATA_ASSIGN(const bool more, view.scan({begin, span.end, kStride}, visit));
    STRATA_TRY(status);
    if (!more) break;
    if (quick && found->size() < most) return Status::error(Code::kWouldBlock, "there are many documents");
    if (context->keep_on != nullptr && !(*context->keep_on)()) {
      return Status::error(Code::kInvalidArgument, "the search was interrupted");
    }
    begin = last + '\0';
  }
  return Status::ok();
}

}  // namespace strata
