// Session.branch_diff and branch_merge.
#include "arguments.h"
#include "convert.h"
#include "pool.h"
#include "rows.h"
#include "session.h"
#include "strata/branch.h"
#include "strata/vector.h"
#include "vector_values.h"

namespace strata::python {
namespace {

constexpr char kDiffDoc[] =
    R"(branch_diff($self, a, b, *, limit=None, as_of=None)
--

Returns what differs between two branches, as seen going from `a` to `b`, in time proportional to what differs.

A dict: `branch_a`, `branch_b`, `summary` with `total_added`, `total_removed` and `total_modified`, and `entries`, at
most `limit` of them; the summary is exact all the same. An entry is `{"space", "primitive", "key", "change", "a",
"b"}`: `change` is "added" (only in `b`), "removed" (only in `a`) or "modified", the key of an event is its sequence
and its value `{"event_type", "value"}`. A value that was written again is no difference. With `as_of` both branches
are looked at as they were then. Raises NotFoundError `branch_not_found`; ConstraintError `history_trimmed`; StateError
`in_transaction`.

>>> db.kv_put("plan", "A")
1
>>> fork = db.branch_fork("default", "try")
>>> db.kv_put("plan", "B")
2
>>> db.branch_diff("try", "default")["entries"]
[{'space': 'default', 'primitive': 'kv', 'key': 'plan', 'change': 'modified', 'a': 'A', 'b': 'B'}]
)";

constexpr char kMergeDoc[] =
    R"(branch_merge($self, source, target, strategy=None, *, dry_run=False)
--

Brings what `source` changed since the two branches had a state in common into `target`, as one commit.

What only one side changed is taken from it, deletions too. What both changed, to different values, is a conflict, and
`strategy` says who wins it: "last_writer_wins" (None means this: the later write; `source` if they were at once),
"source", "target", "strict" (then a conflict raises and nothing is changed), or a callable. JSON objects merge member
by member. New events of `source` are appended behind those of `target`, each once however often branches are merged.
`source` stays as it is.

A callable gets each conflict, a dict without `resolution`, and returns the value that `target` shall have; the value of
a side means that side, its deletion too. It runs before anything is changed, and may use the database; if a branch is
changed meanwhile, it is asked again. With `dry_run` nothing is changed, and the answer tells what would be.

Returns `{"source", "target", "strategy", "keys_applied", "spaces_merged", "conflicts", "version", "timestamp"}`. A
conflict is `{"space", "primitive", "key", "base", "source", "target", "resolution"}`, with `path` if it lies inside a
JSON document. Raises ConflictError `merge_conflict`, whose `conflicts` are these, or `transaction_conflict` when a
branch changed each of ten times the callable ran; ValidationError `unknown_strategy`, `merge_into_itself`; NotFoundError
`branch_not_found`; ConstraintError `transaction_too_large` (1 GiB); StateError `in_transaction`; AccessDeniedError
`read_only`.

>>> db.kv_put("plan", "A")
1
>>> fork = db.branch_fork("default", "try")
>>> db.branch_use("try")
>>> db.kv_put("plan", "B")
2
>>> report = db.branch_merge("try", "default")
>>> report["keys_applied"], report["conflicts"]
(1, [])
>>> db.branch_use("default")
>>> db.kv_get("plan")
'B'
)";

constexpr Signature kMerge{"branch_merge", 3, 2, {"source", "target", "strategy", "dry_run"}};
constexpr Signature kDiff{"branch_diff", 2, 2, {"a", "b", "limit", "as_of"}};

// Names that many entries repeat; they live as long as the process.
PyObject* interned(PyObject** kept, const char* text) {
  if (*kept == nullptr) *kept = PyUnicode_InternFromString(text);
  return Py_XNewRef(*kept);
}

struct EntryNames {
  PyObject* space = PyUnicode_InternFromString("space");
  PyObject* primitive = PyUnicode_InternFromString("primitive");
  PyObject* key = PyUnicode_InternFromString("key");
  PyObject* change = PyUnicode_InternFromString("change");
  PyObject* a = PyUnicode_InternFromString("a");
  PyObject* b = PyUnicode_InternFromString("b");
};
const EntryNames& names_of_entries() {
  static const EntryNames all;
  return all;
}

// The value of an entity, None for none.
PyObject* value_of(const EntityName& entity, const std::optional<std::string>& value) {
  if (!value) return Py_NewRef(Py_None);
  return entity.collection ? vector_value(*value) : decode(*value);
}

PyObject* key_of(const EntityName& entity) {
  if (entity.sequence) return number(*entity.sequence);
  if (!entity.collection) return decode_text(entity.key);
  const Ref collection(decode_name(*entity.collection));
  const Ref key(decode_text(entity.key));
  return collection && key ? PyTuple_Pack(2, collection.get(), key.get()) : nullptr;
}

// space, primitive and key.
bool set_entity(PyObject* dict, const EntityName& entity) {
  const EntryNames& names = names_of_entries();
  return set_named(dict, names.space, decode_name(entity.space)) &&
         set_named(dict, names.primitive, decode_name(entity.primitive)) && set_named(dict, names.key, key_of(entity));
}

PyObject* word_of(DiffChange change) {
  static PyObject* words[3];
  constexpr const char* kWords[] = {"added", "removed", "modified"};
  const auto i = static_cast<size_t>(change);
  return interned(&words[i], kWords[i]);
}

PyObject* dict_of(const DiffEntry& entry) {
  const EntryNames& names = names_of_entries();
  Ref dict(new_dict(6));
  const bool filled = dict && set_entity(dict.get(), entry.entity) &&
                      set_named(dict.get(), names.change, word_of(entry.change)) &&
                      set_named(dict.get(), names.a, value_of(entry.entity, entry.a)) &&
                      set_named(dict.get(), names.b, value_of(entry.entity, entry.b));
  return filled ? dict.release() : nullptr;
}

PyObject* branch_diff(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  DiffQuery query;
  if (!given.parse(kDiff, arguments, count, names) || !text_argument(given[0], "branch name", &query.a) ||
      !text_argument(given[1], "branch name", &query.b) || !limit_argument(given[2], &query.limit) ||
      !time_argument(given[3], "as_of", &query.as_of)) {
    return nullptr;
  }
  const auto found = run_long(handle, [&](Call& call) { return Branches(call).diff(query); });
  if (!found.is_ok()) return raise(found.status());
  Ref summary(PyDict_New());
  Ref dict(PyDict_New());
  const bool filled =
      summary && dict && set(summary.get(), "total_added", number(found->added)) &&
      set(summary.get(), "total_removed", number(found->removed)) &&
      set(summary.get(), "total_modified", number(found->modified)) &&
      set(dict.get(), "branch_a", decode_text(query.a)) && set(dict.get(), "branch_b", decode_text(query.b)) &&
      set(dict.get(), "summary", summary.release()) &&
      set(dict.get(), "entries", list_of(found->entries.size(), [&](size_t i) { return dict_of(found->entries[i]); }));
  return filled ? dict.release() : nullptr;
}

// ---- merge ----

struct ConflictNames {
  PyObject* base = PyUnicode_InternFromString("base");
  PyObject* source = PyUnicode_InternFromString("source");
  PyObject* target = PyUnicode_InternFromString("target");
  PyObject* resolution = PyUnicode_InternFromString("resolution");
  PyObject* path = PyUnicode_InternFromString("path");
};
const ConflictNames& names_of_conflicts() {
  static const ConflictNames all;
  return all;
}

PyObject* word_of(Resolution resolution) {
  static PyObject* words[4];
  constexpr const char* kWords[] = {"", "source", "target", "value"};
  const auto i = static_cast<size_t>(resolution);
  return i == 0 ? Py_NewRef(Py_None) : interned(&words[i], kWords[i]);
}

PyObject* dict_of(const MergeConflict& conflict, bool with_resolution) {
  const ConflictNames& names = names_of_conflicts();
  Ref dict(new_dict(8));
  const bool filled = dict && set_entity(dict.get(), conflict.entity) &&
                      set_named(dict.get(), names.base, value_of(conflict.entity, conflict.base)) &&
                      set_named(dict.get(), names.source, value_of(conflict.entity, conflict.source)) &&
                      set_named(dict.get(), names.target, value_of(conflict.entity, conflict.target)) &&
                      (!with_resolution || set_named(dict.get(), names.resolution, word_of(conflict.resolution))) &&
                      (!conflict.path || set_named(dict.get(), names.path, decode_text(*conflict.path)));
  return filled ? dict.release() : nullptr;
}

PyObject* list_of_conflicts(const std::vector<MergeConflict>& conflicts) {
  return list_of(conflicts.size(), [&](size_t i) { return dict_of(conflicts[i], true); });
}

constexpr std::pair<std::string_view, MergeStrategy> kStrategies[] = {
    {"last_writer_wins", MergeStrategy::kLastWriterWins},
    {"source", MergeStrategy::kSource},
    {"target", MergeStrategy::kTarget},
    {"strict", MergeStrategy::kStrict},
};

// *word: how the answer names it.
bool strategy_argument(PyObject* given, MergeStrategy* strategy, std::string_view* word) {
  *word = kStrategies[0].first;
  if (given == nullptr || given == Py_None) return true;
  if (PyCallable_Check(given)) {
    *strategy = MergeStrategy::kAnswers;
    *word = "callable";
    return true;
  }
  if (!PyUnicode_Check(given)) {
    raise_type("strategy must be str or a callable, not " + type_name(given));
    return false;
  }
  if (!text_argument(given, "strategy", word)) return false;
  for (const auto& [name, meaning] : kStrategies) {
    *strategy = meaning;
    if (name == *word) return true;
  }
  raise(Code::kUnknownStrategy, "merge strategy '" + std::string(*word).substr(0, 40) + "' is not known",
        "last_writer_wins, source, target, strict, or a callable");
  return false;
}

bool same_side(const std::optional<std::string>& side, std::string_view answer, bool is_vector) {
  const bool is_none = answer.size() == 1;  // of what a vector can be
  if (is_vector && (is_none || !side)) return is_none && !side;
  if (is_vector) return Vectors::same_value(*side, answer);
  // Nothing shows as None, so None takes it.
  const std::string_view shown = side ? std::string_view(*side) : std::string_view("\0", 1);
  return same(ValueView(shown), ValueView(answer));
}

// What the callable answered, as it would be stored; null in the binary form for None.
bool encode_answer(const EntityName& entity, PyObject* chosen, std::string* answer) {
  if (entity.collection && chosen != Py_None) return encode_vector_value(chosen, answer);
  Pooled<ValueWriter> writer;
  if (!encode(chosen, *writer)) return false;
  answer->assign(writer->result());
  return true;
}

// Asks the callable about one conflict.
bool ask(PyObject* strategy, const MergeConflict& conflict, MergeAnswer* answer) {
  const Ref shown(dict_of(conflict, false));
  if (!shown) return false;
  const Ref chosen(PyObject_CallOneArg(strategy, shown.get()));
  std::string value;
  if (!chosen || !encode_answer(conflict.entity, chosen.get(), &value)) return false;
  const bool is_vector = conflict.entity.collection.has_value();
  if (same_side(conflict.source, value, is_vector)) {
    answer->resolution = Resolution::kSource;
    return true;
  }
  if (same_side(conflict.target, value, is_vector)) {
    answer->resolution = Resolution::kTarget;
    return true;
  }
  // A collection is one with its vectors, and nothing is no vector.
  if (conflict.entity.primitive == "collection" || (is_vector && chosen.get() == Py_None)) {
    raise(Code::kInvalidResolution,
          std::string(conflict.entity.primitive) + " '" + conflict.entity.key +
              "': the strategy returned the value of neither side",
          "return conflict[\"source\"] or conflict[\"target\"]");
    return false;
  }
  answer->resolution = Resolution::kValue;
  answer->value = std::move(value);
  return true;
}

// The callable runs with neither the session's lock nor the engine's, and may use both.
bool ask_all(PyObject* strategy, const MergeResult& found, std::vector<MergeAnswer>* answers) {
  answers->assign(found.conflicts.size(), MergeAnswer());
  for (const MergeConflict& conflict : found.conflicts) {
    if (!ask(strategy, conflict, &(*answers)[conflict.number])) return false;
  }
  return true;
}

// ConflictError with the conflicts.
PyObject* raise_conflicts(const Status& status, const std::vector<MergeConflict>& conflicts) {
  const Ref list(list_of_conflicts(conflicts));
  if (!list) return nullptr;
  raise(status);
  PyObject* type = nullptr;
  PyObject* error = nullptr;
  PyObject* trace = nullptr;
  PyErr_Fetch(&type, &error, &trace);
  PyErr_NormalizeException(&type, &error, &trace);
  if (error == nullptr || PyObject_SetAttrString(error, "conflicts", list.get()) != 0) PyErr_Clear();
  PyErr_Restore(type, error, trace);
  return nullptr;
}

PyObject* branch_merge(Handle* handle, PyObject* const* arguments, Py_ssize_t count, PyObject* names) {
  Arguments given;
  MergeRequest request;
  std::string_view word;
  if (!given.parse(kMerge, arguments, count, names) || !text_argument(given[0], "branch name", &request.source) ||
      !text_argument(given[1], "branch name", &request.target) ||
      !strategy_argument(given[2], &request.strategy, &word) ||
      (given[3] != nullptr && !flag_argument(given[3], &request.dry_run))) {
    return nullptr;
  }
  constexpr int kMostRounds = 10;  // of asking
  MergeResult result;
  std::vector<MergeAnswer> answers;
  for (int round = 0; !result.done; ++round) {
    if (round > kMostRounds) {
      return raise(Code::kTransactionConflict,
                   "merge of '" + std::string(request.source) + "' into '" + std::string(request.target) +
                       "': a branch changed each time the strategy ran",
                   "merge again when they are quiet");
    }
    if (round > 0) {
      if (!ask_all(given[2], result, &answers)) return nullptr;
      request.answers = &answers;
      request.answered = result.seen;
    }
    const Status status = run_long(handle, [&](Call& call) { return Branches(call).merge(request, &result); });
    if (status.code() == Code::kMergeConflict) return raise_conflicts(status, result.conflicts);
    if (!status.is_ok()) return raise(status);
  }
  Ref dict(new_dict(8));
  const bool filled =
      dict && set(dict.get(), "source", decode_text(request.source)) &&
      set(dict.get(), "target", decode_text(request.target)) && set(dict.get(), "strategy", decode_text(word)) &&
      set(dict.get(), "keys_applied", number(result.keys_applied)) &&
      set(dict.get(), "spaces_merged", number(result.spaces_merged)) &&
      set(dict.get(), "conflicts", list_of_conflicts(result.conflicts)) &&
      set(dict.get(), "version", number(result.version)) && set(dict.get(), "timestamp", number(result.timestamp));
  return filled ? dict.release() : nullptr;
}

}  // namespace

std::span<const PyMethodDef> merge_methods() {
  static const PyMethodDef methods[] = {
      define<branch_diff>("branch_diff", kDiffDoc),
      define<branch_merge>("branch_merge", kMergeDoc),
  };
  return methods;
}

}  // namespace strata::python
