#include <algorithm>
#include <string>

#include "model/json_path.h"
#include "model/json_query_run.h"
#include "model/key_codec.h"
#include "model/utf8.h"
#include "primitives/json_candidates.h"
#include "primitives/query_steps.h"
#include "strata/json.h"
#include "txn/context.h"
#include "txn/patience.h"
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

// Asks one document after the other, in the order of their keys, until as many are found as are wanted.
class Finder {
 public:
  Finder(const JsonFilter& filter, const txn::Context& context, uint64_t most, RowList* found)
      : filter_(filter),
        context_(context),
        quick_(!context.may_wait),
        most_(most),
        wraps_(asks_for_root(filter)),
        run_(0, context.keep_on),
        found_(*found) {}

  // All documents of the space.
  Status walk(txn::View* view) {
    const model::KeySpan span = model::prefix_span(context_.space, model::Tag::kJson);
    std::string begin = span.begin;
    Status status;
    while (!done()) {
      std::string last;
      const auto visit = [&](std::string_view key, const VersionedValue& row) {
        last = key;
        if (status.is_ok() && !done()) status = take(key.substr(span.begin.size()), row);
      };
      STRATA_ASSIGN(const bool more, view->scan({begin, span.end, kStride}, visit));
      STRATA_TRY(status);
      if (!more) break;
      if (!done()) STRATA_TRY(go_on());
      begin = last + '\0';
    }
    return Status::ok();
  }

  // Those of some keys that are there.
  Status look_up(txn::View* view, const primitives::CandidateKeys& keys) {
    for (size_t i = 0; i < keys.size() && !done(); ++i) {
      if (i % kStride == kStride - 1) STRATA_TRY(go_on());
      STRATA_ASSIGN(const auto row, view->get(model::TreeKey(context_.space, model::Tag::kJson, keys[i])));
      if (row) STRATA_TRY(take(keys[i], *row));
    }
    return Status::ok();
  }

 private:
  bool done() const { return found_.size() >= most_; }

  Status go_on() const {
    if (quick_) return Status::error(Code::kWouldBlock, "there are many documents");
    return txn::Patience(context_.keep_on).ask();
  }

  Status take(std::string_view key, const VersionedValue& row) {
    const Result<bool> fits = holds(row.value);
    STRATA_TRY(fits.status());
    if (*fits) found_.add(key, row);
    return Status::ok();
  }

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

  const JsonFilter& filter_;
  const txn::Context& context_;
  const bool quick_;
  const uint64_t most_;
  const bool wraps_;
  model::JsonQueryRun run_;
  RowList& found_;
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
  std::optional<txn::View> view(std::in_place, *context);
  STRATA_TRY(view->open(as_of));
  if (view->tracked()) {
    const model::KeySpan span = model::prefix_span(context->space, model::Tag::kJson);
    context->transaction->note_range(span.begin, span.end);
    view->stop_noting();
  }
  if (limit == uint64_t{0}) return Status::ok();
  STRATA_ASSIGN(const auto candidates, primitives::find_candidates(*context, {*filter, limit, as_of}, &view));
  Finder finder(*filter, *context, limit.value_or(UINT64_MAX), found);
  return candidates ? finder.look_up(&*view, *candidates) : finder.walk(&*view);
}

}  // namespace strata
