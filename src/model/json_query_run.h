// Running a query over an encoded document: walks its bytes and decodes only what a filter compares.
//
// What a query may cost is bounded: every node that is looked at, and every place of a regular expression that is
// tried, is a step, and there is a number of them.
//
// Thread safety: none; one object a thread. Ownership: borrows everything; nodes handed out lie in the document.
// Documents may be bytes of any origin: damage is kCorruption.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "model/json_query.h"
#include "model/value_seek.h"
#include "strata/status.h"

namespace strata::model {

// What a query over a document of so many bytes may take: whole walks of the largest document, and seconds at the most.
constexpr uint64_t query_steps(size_t document_bytes) { return 100'000'000 + 8 * uint64_t{document_bytes}; }

class JsonQueryRun {
 public:
  // Asked now and then whether to go on; may be null.
  using KeepOn = std::function<bool()>;
  // Nodes in the order of the standard, some of them several times. Returns false to stop.
  using Visitor = std::function<bool(std::string_view node)>;

  explicit JsonQueryRun(uint64_t steps, const KeepOn* keep_on = nullptr) : steps_(steps), keep_on_(keep_on) {}

  // So many steps from now on.
  void refill(uint64_t steps) { steps_ = steps; }
  // Errors: kQueryTooCostly once the steps are used up; kInvalidArgument once it is not wanted any more.
  Status select(const JsonQuery& query, std::string_view document, const Visitor& visit);
  // Whether the filter holds for `node`, with `document` as what $ means. Errors as select.
  Result<bool> holds(const JsonFilter& filter, std::string_view document, std::string_view node);

 private:
  struct Place;    // where a query stands
  struct Operand;  // what is compared
  class Members;

  bool spend(uint64_t steps);
  bool give_up(Status status);
  bool damaged();

  bool run(const JsonQuery& query, std::string_view node, const Visitor& visit);
  bool go_on(const Place& place, std::string_view node);
  bool descend(const Place& place, std::string_view node, const ValueToken& token);
  bool choose(const Place& place, const JsonSelector& selector, std::string_view node, const ValueToken& token);
  bool choose_all(const Place& place, const ValueToken& token, const JsonFilter* filter);
  bool choose_slice(const Place& place, const JsonSelector& slice, std::string_view node, const ValueToken& token);

  bool test(const JsonFilter& filter, std::string_view node);
  bool exists(const JsonQuery& query, std::string_view node);
  bool compare(const JsonFilter& filter, std::string_view node);
  bool test_pattern(const JsonFilter& filter, std::string_view node);
  Operand evaluate(const JsonOperand& operand, std::string_view node);
  Operand of_node(std::string_view node);
  Operand length_of(const Operand& operand);

  uint64_t steps_;
  const KeepOn* const keep_on_;
  Status status_;  // an error ends everything
  std::string_view document_;
  uint64_t next_question_ = 0;
  int depth_ = 0;  // of calls
  std::string last_pattern_;
  std::unique_ptr<const IRegexp> last_regexp_;
};

// The document without the nodes that begin at `nodes`, in *out. REQUIRES: they are sorted, distinct, places of nodes
// that a run handed out, none of them the root.
Status remove_nodes(std::string_view document, const std::vector<const char*>& nodes, ValueWriter* out);

}  // namespace strata::model
