#include "model/json_patch.h"

#include <array>
#include <utility>
#include <vector>

#include "base/check.h"
#include "model/json_compare.h"
#include "model/json_edit.h"
#include "model/sorted_members.h"

namespace strata::model {
namespace {

constexpr std::array<std::string_view, 6> kWords = {"add", "remove", "replace", "move", "copy", "test"};

bool is_object(ValueView value) {
  return !value.bytes().empty() && (static_cast<uint8_t>(value.bytes()[0]) & ~3u) == value_format::kObject;
}
bool is_null(ValueView value) { return value.bytes() == ValueView().bytes(); }

// ---- merge patches ----

class Merger {
 public:
  explicit Merger(ValueWriter* out) : out_(*out) {}

  // False: the writer has an error, or the target is damaged (damaged() says so).
  bool merge(std::optional<ValueView> target, ValueView patch) {
    if (!is_object(patch)) return out_.value(patch);
    const bool joins = target && is_object(*target);
    std::vector<Member> changes;
    std::vector<bool> used;
    if (joins && !sorted_members(patch, &changes)) return false;
    used.resize(changes.size());
    const uint32_t expected = ValueItems(joins ? *target : patch).count();
    if (!out_.begin_object(expected)) return false;
    if (joins && !keep_members(*target, changes, &used)) return false;
    ValueItems added(patch);  // in the patch's own order
    while (added.next()) {
      if (is_null(added.value())) continue;
      if (joins) {
        const Member* change = find_sorted(changes, added.name());
        if (change == nullptr || used[static_cast<size_t>(change - changes.data())]) continue;
      }
      if (!out_.name(added.name()) || !merge(std::nullopt, added.value())) return false;
    }
    return out_.end();
  }
  bool damaged() const { return damaged_; }

 private:
  // The target's members in their order, each as the patch wants it.
  bool keep_members(ValueView target, const std::vector<Member>& changes, std::vector<bool>* used) {
    ValueItems items(target);
    while (items.next()) {
      const Member* change = find_sorted(changes, items.name());
      if (change == nullptr) {
        if (!out_.name(items.name()) || !out_.value(items.value())) return false;
        continue;
      }
      (*used)[static_cast<size_t>(change - changes.data())] = true;
      if (is_null(change->second)) continue;
      if (!out_.name(items.name()) || !merge(items.value(), change->second)) return false;
    }
    damaged_ = !items.status().is_ok();
    return !damaged_;
  }

  ValueWriter& out_;
  bool damaged_ = false;
};

// ---- patches ----

// Whether `path` is `inner` or leads to something inside of it.
bool begins_with(std::span<const JsonStep> path, std::span<const JsonStep> outer) {
  if (path.size() < outer.size()) return false;
  for (size_t i = 0; i < outer.size(); ++i) {
    if (path[i].text != outer[i].text) return false;
  }
  return true;
}

Status misfit(const std::string& why) {
  return Status::error(Code::kPathConflict, why, "nothing was changed; json_get shows what is there");
}

Status find_for(std::string_view document, std::span<const JsonStep> path, std::string_view* found) {
  const Seek seek = find_json(document, path, found);
  if (seek == Seek::kDamaged) return damaged_document();
  return seek == Seek::kFound ? Status::ok() : misfit("there is nothing at " + show_path(path));
}

// Puts the document after `operation` into *out; *changed says whether it did.
Status apply(std::string_view document, const PatchOperation& operation, std::string* between, std::string* out,
             bool* changed) {
  const std::span<const JsonStep> path = operation.path->steps();
  *changed = operation.kind != PatchKind::kTest;
  std::string_view value = operation.value;
  switch (operation.kind) {
    case PatchKind::kTest: {
      std::string_view found;
      STRATA_TRY(find_for(document, path, &found));
      if (equal_json(ValueView(found), ValueView(value))) return Status::ok();
      return Status::error(Code::kPatchTestFailed, "the value at " + show_path(path) + " is another one",
                           "nothing was changed; read the document again");
    }
    case PatchKind::kAdd:
      return edit_json(document, path, JsonChange::kAdd, value, out);
    case PatchKind::kReplace:
      return edit_json(document, path, JsonChange::kReplace, value, out);
    case PatchKind::kRemove:
      if (path.empty()) return misfit("the whole document cannot be removed by a patch");
      return edit_json(document, path, JsonChange::kRemove, {}, out);
    case PatchKind::kCopy:
      STRATA_TRY(find_for(document, operation.from->steps(), &value));
      return edit_json(document, path, JsonChange::kAdd, value, out);
    case PatchKind::kMove:
      break;
  }
  const std::span<const JsonStep> from = operation.from->steps();
  STRATA_TRY(find_for(document, from, &value));
  if (begins_with(path, from)) {
    *changed = false;
    return path.size() == from.size() ? Status::ok() : misfit("a value cannot be moved into itself");
  }
  STRATA_TRY(edit_json(document, from, JsonChange::kRemove, {}, between));
  return edit_json(*between, path, JsonChange::kAdd, value, out);
}

Status name_operation(const Status& status, size_t number, PatchKind kind) {
  if (status.is_ok() || status.code() == Code::kCorruption) return status;
  std::string message = "JSON patch operation " + std::to_string(number) + ", ";
  message.append(kWords[static_cast<size_t>(kind)]).append(": ").append(status.message());
  return Status::error(status.code(), std::move(message), std::string(status.hint()));
}

}  // namespace

Status merge_json(std::optional<ValueView> target, ValueView patch, ValueWriter* out) {
  Merger merger(out);
  if (merger.merge(target, patch)) return Status::ok();
  const Status error = out->error();
  return error.is_ok() || merger.damaged() ? damaged_document() : error;
}

std::optional<PatchKind> patch_kind(std::string_view word) {
  for (size_t i = 0; i < kWords.size(); ++i) {
    if (kWords[i] == word) return static_cast<PatchKind>(i);
  }
  return std::nullopt;
}

Status patch_json(std::string_view document, std::span<const PatchOperation> operations, std::string* out) {
  std::string other;
  std::string between;
  out->assign(document);
  for (size_t i = 0; i < operations.size(); ++i) {
    bool changed = false;
    const Status applied = apply(*out, operations[i], &between, &other, &changed);
    if (!applied) return name_operation(applied, i, operations[i].kind);
    if (changed) out->swap(other);
  }
  return Status::ok();
}

}  // namespace strata::model
