#include "strata/json.h"

#include <algorithm>
#include <deque>
#include <functional>
#include <unordered_map>

#include "model/json_edit.h"
#include "model/json_patch.h"
#include "model/json_path.h"
#include "model/json_query_run.h"
#include "model/key_codec.h"
#include "model/utf8.h"
#include "primitives/json_indexes.h"
#include "primitives/key_listing.h"
#include "primitives/query_steps.h"
#include "primitives/space_marker.h"
#include "txn/context.h"
#include "txn/view.h"

namespace strata {
namespace {

constexpr const char* kWhatOperationsHave =
    "add, replace and test have 'path' and 'value', remove has 'path', move and copy have 'from' and 'path'";

using model::JsonPath;
using model::quoted;
using model::Tag;
using model::TreeKey;
using primitives::parse_singular;
using primitives::put_off;
using primitives::steps_for;
using Document = std::optional<std::string_view>;

// What is done while others wait for the commit lock costs no more than copying so much.
constexpr size_t kMostWorkUnderLock = size_t{4} << 20;

// Whether what costs so much work (bytes copied, about) is put off until it can be done aside.
Status check_work(size_t work, size_t most) {
  return work <= most ? Status::ok() : Status::error(Code::kWouldBlock, "the change takes long");
}

// txn::update of the current space, with a decision that is told how much work it may do: under the commit lock, and
// while nothing may wait, not much. One that answers kWouldBlock is made again aside, on a snapshot, and once more if
// somebody else changed meanwhile what it saw. `what` is the call, for errors.
using Decide = std::function<Status(txn::View& view, std::vector<txn::Write>* writes, size_t most_work)>;
Status update(const txn::Context& context, std::string_view what, const Decide& decide,
              std::vector<uint64_t>* versions) {
  const primitives::SpaceMarker marker(context.space);
  size_t most_work = context.transaction != nullptr && context.may_wait ? SIZE_MAX : kMostWorkUnderLock;
  const auto deciding = [&](txn::View& view, std::vector<txn::Write>* writes) {
    return decide(view, writes, most_work);
  };
  const Status quick = txn::update(context, what, marker.ensured(), std::ref(deciding), versions);
  if (quick.code() != Code::kWouldBlock || !context.may_wait) return quick;
  most_work = SIZE_MAX;
  return txn::atomically(context, [&](const txn::Context& inside) {
    return txn::update(inside, what, marker.ensured(), std::ref(deciding), versions);
  });
}

// Changes one document. `change(document, write, most_work)` looks at it, nothing if it is missing, and fills in the
// value or makes it a deletion; false: there is nothing to do. `work` says what that costs for a document of so many
// bytes. Returns the new version, or 0 if nothing was done.
template <typename Change, typename Work>
Result<uint64_t> change_document(const txn::Context& context, std::string_view what, std::string_view key,
                                 Change&& change, Work&& work) {
  const TreeKey tree_key(context.space, Tag::kJson, key);
  const auto decide = [&](txn::View& view, std::vector<txn::Write>* writes, size_t most_work) -> Status {
    STRATA_ASSIGN(const auto found, view.get(tree_key));
    const Document document = found ? Document(found->value) : std::nullopt;
    STRATA_TRY(check_work(work(document ? document->size() : 0), most_work));
    txn::Write write;
    write.key = tree_key;
    STRATA_ASSIGN(const bool changes, change(document, &write, most_work));
    if (changes) writes->push_back(write);
    return Status::ok();
  };
  std::vector<uint64_t> versions;
  STRATA_TRY(update(context, what, std::ref(decide), &versions));
  return versions.empty() ? uint64_t{0} : versions[0];
}

// What costs no more than a commit of the document itself.
constexpr auto kQuick = [](size_t) { return size_t{0}; };

// Each match counts as its bytes and so many more.
constexpr size_t kMatchBytes = 16;
constexpr size_t kMaxMatchBytes = size_t{256} << 20;

Result<uint64_t> erase_one(const txn::Context& context, std::string_view key, const JsonPath& place) {
  std::string changed;
  const auto change = [&](const Document& document, txn::Write* write, size_t) -> Result<bool> {
    if (!document) return false;
    write->tombstone = place.steps().empty();
    if (write->tombstone) return true;
    std::string_view part;
    const model::Seek seek = model::find_json(*document, place.steps(), &part);
    if (seek == model::Seek::kDamaged) return model::damaged_document();
    if (seek == model::Seek::kMissing) return false;
    STRATA_TRY(model::edit_json(document, place.steps(), model::JsonChange::kRemove, {}, &changed));
    write->value = changed;
    return true;
  };
  STRATA_ASSIGN(const uint64_t version, change_document(context, "json_delete", key, change, kQuick));
  return version != 0 ? uint64_t{1} : uint64_t{0};
}

// The places of nodes, each once.
class Places {
 public:
  void add(const char* place) {
    if (places_.size() == room_) {
      settle();
      room_ = 2 * places_.size() + 1024;
    }
    places_.push_back(place);
  }
  const std::vector<const char*>& settle() {
    std::sort(places_.begin(), places_.end());
    places_.erase(std::unique(places_.begin(), places_.end()), places_.end());
    return places_;
  }

 private:
  std::vector<const char*> places_;
  size_t room_ = 1024;
};

Result<uint64_t> erase_many(const txn::Context& context, std::string_view key, const model::JsonQuery& query) {
  ValueWriter changed;
  uint64_t removed = 0;
  const auto change = [&](const Document& document, txn::Write* write, size_t most_work) -> Result<bool> {
    removed = 0;
    if (!document) return false;
    Places places;
    const bool quick = most_work != SIZE_MAX;
    model::JsonQueryRun run(steps_for(document->size(), quick), quick ? nullptr : context.keep_on);
    STRATA_TRY(put_off(run.select(query, *document,
                                  [&](std::string_view node) {
                                    places.add(node.data());
                                    return true;
                                  }),
                       quick));
    removed = places.settle().size();
    if (removed == 0) return false;
    changed.clear();
    STRATA_TRY(model::remove_nodes(*document, places.settle(), &changed));
    write->value = changed.result();
    return true;
  };
  STRATA_TRY(change_document(context, "json_delete", key, change, kQuick).status());
  return removed;
}

// The paths and kinds of a patch. What is wrong with an operation is told when its turn comes, after those before it.
struct ParsedPatch {
  std::deque<JsonPath> paths;
  std::vector<model::PatchOperation> operations;
  Status error;  // of the operation behind them

  explicit ParsedPatch(std::span<const JsonOperation> given) {
    for (size_t i = 0; i < given.size() && error.is_ok(); ++i) {
      const Status parsed = add(given[i]);
      if (parsed.is_ok()) continue;
      error = Status::error(parsed.code(),
                            "JSON patch operation " + std::to_string(i) + ": " + std::string(parsed.message()),
                            std::string(parsed.hint()));
    }
  }

 private:
  Status add(const JsonOperation& given) {
    using model::PatchKind;
    const std::optional<PatchKind> kind = model::patch_kind(given.op);
    if (!kind) {
      return Status::error(Code::kInvalidPatch, "there is no operation " + quoted(given.op),
                           "'op' is add, remove, replace, move, copy or test");
    }
    model::PatchOperation operation;
    operation.kind = *kind;
    STRATA_ASSIGN(operation.path, pointer(given.path, "path"));
    if (*kind == PatchKind::kMove || *kind == PatchKind::kCopy) {
      STRATA_ASSIGN(operation.from, pointer(given.from, "from"));
    } else if (*kind != PatchKind::kRemove) {
      if (!given.value) return Status::error(Code::kInvalidPatch, "its 'value' is missing", kWhatOperationsHave);
      operation.value = *given.value;
    }
    operations.push_back(operation);
    return Status::ok();
  }

  Result<const JsonPath*> pointer(const std::optional<std::string_view>& text, const char* name) {
    if (!text)
      return Status::error(Code::kInvalidPatch, "its '" + std::string(name) + "' is missing", kWhatOperationsHave);
    STRATA_TRY(paths.emplace_back().parse_pointer(*text));
    return &paths.back();
  }
};

// The documents of a batch while its items are applied.
class Batch {
 public:
  Batch(std::string_view space, std::span<const Json::Item> items, const std::deque<JsonPath>& places)
      : items_(items), places_(places), draft_of_(items.size()) {
    std::unordered_map<std::string_view, size_t> known;
    for (size_t i = 0; i < items.size(); ++i) {
      const auto [at, added] = known.emplace(items[i].key, drafts_.size());
      if (added) drafts_.emplace_back().tree_key = TreeKey(space, Tag::kJson, items[i].key).view();
      draft_of_[i] = at->second;
    }
    for (size_t i = 0; i < drafts_.size(); ++i) order_.push_back(i);
    const auto less = [this](size_t a, size_t b) { return drafts_[a].tree_key < drafts_[b].tree_key; };
    std::sort(order_.begin(), order_.end(), less);
  }

  Status decide(txn::View& view, std::vector<txn::Write>* writes, size_t most_work) {
    size_t work = 0;
    for (Draft& draft : drafts_) {
      STRATA_ASSIGN(const auto found, view.get(draft.tree_key));
      draft.document.reset();
      if (!found) continue;
      draft.document = draft.held[0].assign(found->value);
      draft.turn = 0;
    }
    for (size_t i = 0; i < items_.size(); ++i) {
      Draft& draft = drafts_[draft_of_[i]];
      work += items_[i].value.size() + (draft.document ? draft.document->size() : 0);
      STRATA_TRY(check_work(work, most_work));
      std::string& next = draft.held[draft.turn ^= 1];
      STRATA_TRY(model::edit_json(draft.document, places_[i].steps(), model::JsonChange::kSet, items_[i].value, &next));
      draft.document = next;
    }
    for (const size_t i : order_) {
      txn::Write& write = writes->emplace_back();
      write.key = drafts_[i].tree_key;
      write.value = *drafts_[i].document;
    }
    return Status::ok();
  }

  // For each item the version of its document; `written` has them in the order of the writes.
  std::vector<uint64_t> answers(const std::vector<uint64_t>& written) const {
    std::vector<uint64_t> version_of(drafts_.size());
    for (size_t i = 0; i < order_.size(); ++i) version_of[order_[i]] = written[i];
    std::vector<uint64_t> versions(items_.size());
    for (size_t i = 0; i < items_.size(); ++i) versions[i] = version_of[draft_of_[i]];
    return versions;
  }

 private:
  struct Draft {
    std::string tree_key;
    Document document;
    std::string held[2];  // by turns: what `document` views, and what comes next
    size_t turn = 0;
  };

  const std::span<const Json::Item> items_;
  const std::deque<JsonPath>& places_;
  std::vector<Draft> drafts_;
  std::vector<size_t> draft_of_;  // of each item
  std::vector<size_t> order_;     // the drafts by key
};

}  // namespace

Result<uint64_t> Json::set(std::string_view key, std::string_view path, std::string_view value) {
  STRATA_TRY(model::check_key(key));
  JsonPath place;
  STRATA_TRY(parse_singular(path, "json_set", &place));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  std::string changed;
  return change_document(
      *context, "json_set", key,
      [&](const Document& document, txn::Write* write, size_t) -> Result<bool> {
        STRATA_TRY(model::edit_json(document, place.steps(), model::JsonChange::kSet, value, &changed));
        write->value = changed;
        return true;
      },
      kQuick);
}

Result<std::optional<VersionedValue>> Json::get(std::string_view key, std::string_view path, AsOf as_of,
                                                std::string* value) {
  STRATA_TRY(model::check_key(key));
  JsonPath place;
  STRATA_TRY(parse_singular(path, "get", &place));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  STRATA_ASSIGN(auto found, view.get(TreeKey(context->space, Tag::kJson, key)));
  if (!found) return found;
  std::string_view part;
  const model::Seek seek = model::find_json(found->value, place.steps(), &part);
  if (seek == model::Seek::kDamaged) return model::damaged_document();
  if (seek == model::Seek::kMissing) return std::optional<VersionedValue>();
  value->assign(part);
  found->value = *value;
  return found;
}

Status Json::select(std::string_view key, std::string_view path, AsOf as_of, RowList* matches) {
  STRATA_TRY(model::check_key(key));
  JsonPath query;
  STRATA_TRY(query.parse(path));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  STRATA_ASSIGN(const auto found, view.get(TreeKey(context->space, Tag::kJson, key)));
  if (!found) return Status::ok();
  size_t left = kMaxMatchBytes;
  const auto take = [&](std::string_view node) {
    const size_t size = node.size() + kMatchBytes;
    left = size > left ? 0 : left - size;
    if (left > 0) matches->add({}, VersionedValue{node, 0, std::nullopt, false});
    return left > 0;
  };
  if (query.singular()) {
    std::string_view part;
    const model::Seek seek = model::find_json(found->value, query.steps(), &part);
    if (seek == model::Seek::kDamaged) return model::damaged_document();
    if (seek == model::Seek::kFound) (void)take(part);
    return Status::ok();
  }
  const bool quick = !context->may_wait;
  model::JsonQueryRun run(steps_for(found->value.size(), quick), context->keep_on);
  STRATA_TRY(put_off(run.select(query.query(), found->value, take), quick));
  if (left > 0) return Status::ok();
  return Status::error(Code::kQueryTooCostly, "the query finds more than 256 MiB", "use a narrower path");
}

Result<uint64_t> Json::erase(std::string_view key, std::string_view path) {
  STRATA_TRY(model::check_key(key));
  JsonPath place;
  STRATA_TRY(place.parse(path));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  return place.singular() ? erase_one(*context, key, place) : erase_many(*context, key, place.query());
}

Status Json::list(std::string_view prefix, std::optional<uint64_t> limit, AsOf as_of, KeyList* keys) {
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  return primitives::list_keys(*context, Tag::kJson, prefix, limit, as_of, keys);
}

Result<bool> Json::history(std::string_view key, AsOf as_of, RowList* versions) {
  STRATA_TRY(model::check_key(key));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  txn::View view(*context);
  STRATA_TRY(view.open(as_of));
  return view.history(TreeKey(context->space, Tag::kJson, key), [&](const VersionedValue& version) {
    versions->add({}, version);
    return true;
  });
}

Result<uint64_t> Json::merge(std::string_view key, std::string_view patch, std::string_view path) {
  STRATA_TRY(model::check_key(key));
  JsonPath place;
  STRATA_TRY(parse_singular(path, "json_merge", &place));
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  ValueWriter merged;
  std::string changed;
  return change_document(
      *context, "json_merge", key,
      [&](const Document& document, txn::Write* write, size_t) -> Result<bool> {
        std::string_view part;
        const model::Seek seek = document ? model::find_json(*document, place.steps(), &part) : model::Seek::kMissing;
        if (seek == model::Seek::kDamaged) return model::damaged_document();
        std::optional<ValueView> target;
        if (seek == model::Seek::kFound) target.emplace(part);
        merged.clear();
        STRATA_TRY(model::merge_json(target, ValueView(patch), &merged));
        STRATA_TRY(model::edit_json(document, place.steps(), model::JsonChange::kSet, merged.result(), &changed));
        write->value = changed;
        return true;
      },
      [&](size_t bytes) { return 8 * (bytes + patch.size()); });
}

Result<uint64_t> Json::patch(std::string_view key, std::span<const JsonOperation> operations) {
  STRATA_TRY(model::check_key(key));
  const ParsedPatch parsed(operations);
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  std::string changed;
  return change_document(
      *context, "json_patch", key,
      [&](const Document& document, txn::Write* write, size_t) -> Result<bool> {
        if (!document) {
          return Status::error(Code::kDocumentNotFound, "document " + quoted(key) + " does not exist",
                               "json_set(key, '$', {}) makes one");
        }
        STRATA_TRY(model::patch_json(*document, parsed.operations, &changed));
        STRATA_TRY(parsed.error);
        write->value = changed;
        return true;
      },
      [&](size_t bytes) { return 2 * bytes * (operations.size() + 1); });
}

Result<std::vector<uint64_t>> Json::set_batch(std::span<const Item> items) {
  std::deque<JsonPath> places;
  for (const Item& item : items) {
    STRATA_TRY(model::check_key(item.key));
    STRATA_TRY(parse_singular(item.path, "json_batch_set", &places.emplace_back()));
  }
  STRATA_ASSIGN(const txn::Context* context, call_.context());
  if (items.empty()) return std::vector<uint64_t>();
  // Who may only read hears of it at the first item that would do.
  const bool writable = txn::check_writable(*context, "json_batch_set").is_ok();
  Batch batch(context->space, writable ? items : items.first(1), places);
  const auto decide = [&](txn::View& view, std::vector<txn::Write>* writes, size_t most_work) {
    return batch.decide(view, writes, most_work);
  };
  std::vector<uint64_t> written;
  STRATA_TRY(update(*context, "json_batch_set", std::ref(decide), &written));
  return batch.answers(written);
}

}  // namespace strata
