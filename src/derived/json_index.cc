#include "derived/json_index.h"

#include <algorithm>

#include "model/key_codec.h"
#include "os/spare_memory.h"

namespace strata::derived {
namespace {

// A tick is a step of the database's background work, a tenth of a second.
constexpr uint64_t kTicksBetweenSweeps = 10;
constexpr uint64_t kTicksKept = 600;
// Beyond it the line that was not asked for the longest time goes.
constexpr uint64_t kMostBytes = uint64_t{256} << 20;
// Nodes that branches let go of one by one.
constexpr uint64_t kMostGarbage = 1024;
// What making an index takes for each document, about.
constexpr uint64_t kBuildBytes = 200;
// A state that differs by more of the documents than this part is no start.
constexpr uint64_t kTooDifferent = 2;
constexpr uint64_t kNeverTooDifferent = 1000;

Result<uint64_t> count_between(const tree::Forest& forest, const tree::Root& root, std::string_view begin,
                               std::string_view end) {
  STRATA_ASSIGN(const uint64_t below_end, forest.rank(root, end));
  STRATA_ASSIGN(const uint64_t below_begin, forest.rank(root, begin));
  return below_end - below_begin;
}

}  // namespace

JsonIndexStore::JsonIndexStore() : nodes(storage::make_memory_node_store()), forest(*nodes, {kMostBytes, false}) {}

const JsonIndexState::Part* JsonIndexState::find(const JsonIndexPlace& place) const {
  const auto found = std::find_if(parts.begin(), parts.end(), [&](const Part& p) { return p.place->same_as(place); });
  return found != parts.end() ? &*found : nullptr;
}

// ---- asking ----

Result<uint64_t> JsonIndexView::count(size_t place, const model::IndexCodes& codes) const {
  if (codes.empty()) return uint64_t{0};
  return count_between(store_->forest, roots_[place], codes.begin, codes.end);
}

Status JsonIndexView::collect(size_t place, const model::IndexCodes& codes, KeyList* keys) const {
  tree::Cursor cursor(store_->forest, roots_[place]);
  STRATA_TRY(cursor.seek(codes.begin));
  while (cursor.valid() && cursor.key() < codes.end) {
    keys->add(cursor.key().substr(model::index_code_bytes(cursor.key())));
    STRATA_TRY(cursor.next());
  }
  return Status::ok();
}

// Whose state a branch without one begins with: its parent's, else that of any branch.
JsonIndex::Line* JsonIndex::kin_of(const txn::BranchState& branch, std::string_view space) const {
  Line* best = nullptr;
  for (const auto& [key, line] : lines_) {
    if (key.second != space || line->state == nullptr) continue;
    if (branch.origin.parent == line->branch->origin.name) return line.get();
    if (best == nullptr || line->used.load(std::memory_order_relaxed) > best->used.load(std::memory_order_relaxed)) {
      best = line.get();
    }
  }
  return best;
}

Result<std::unique_ptr<JsonIndexView>> JsonIndex::look(const JsonIndexRequest& request, const txn::Head& head,
                                                       const Distance& most) {
  std::shared_ptr<JsonIndexStore> store;
  {
    const base::MutexLock lock(mutex_);
    store = store_;
  }
  std::unique_ptr<JsonIndexView> none;
  if (store == nullptr) return none;
  auto view = std::make_unique<JsonIndexView>(store);
  StatePtr state;  // what the guard, taken before, keeps
  {
    const base::MutexLock lock(mutex_);
    const auto own = lines_.find(LineKey(request.branch->origin.id, request.space));
    Line* line = own != lines_.end() ? own->second.get() : nullptr;
    if (line == nullptr || line->state == nullptr) line = kin_of(*request.branch, request.space);
    if (line != nullptr) {
      line->used.store(now(), std::memory_order_relaxed);
      state = line->state;
    }
  }
  if (state == nullptr || state->store != store) return none;
  const uint64_t known = state->head.commit;
  if (head.commit > known && head.commit - known > most.commits) return none;
  for (const JsonIndexPlacePtr& place : request.places) {
    const JsonIndexState::Part* part = state->find(*place);
    if (part == nullptr) return none;
    view->roots_.push_back(part->root);
  }
  const model::KeySpan span = model::prefix_span(request.space, model::Tag::kJson);
  bool few = true;
  const auto visit = [&](std::string_view key, tree::Change, std::string_view, std::string_view) {
    few = view->changed_.size() < most.documents;
    if (few) view->changed_.add(key.substr(request.space.size() + 2));
    return few;
  };
  STRATA_TRY(engine_.forest().diff(state->head.present, head.present, {span.begin, span.end}, visit));
  return few ? std::move(view) : std::move(none);
}

// ---- catching up ----

// The right to replace the state of a line, given back at the end.
class JsonIndex::Building {
 public:
  Building(JsonIndex* index, LinePtr line) : index_(*index), line_(std::move(line)) {}
  ~Building() {
    const base::MutexLock lock(index_.mutex_);
    line_->building = false;
  }
  Building(const Building&) = delete;
  Building& operator=(const Building&) = delete;

 private:
  JsonIndex& index_;
  const LinePtr line_;
};

Result<bool> JsonIndex::catch_up(const JsonIndexRequest& request, const HeldHead& held, const KeepOn* keep_on) {
  const LinePtr line = begin_building(request, held.head());
  if (line == nullptr) return false;
  const Building building(this, line);
  return build(line.get(), request, held, keep_on);
}

// Null: another thread is at it, or what is asked for is older than what is known.
JsonIndex::LinePtr JsonIndex::begin_building(const JsonIndexRequest& request, const txn::Head& head) {
  const base::MutexLock editing(editing_);
  const base::MutexLock lock(mutex_);
  if (request.branch->deleted.load(std::memory_order_acquire)) return nullptr;
  if (store_ == nullptr) store_ = std::make_shared<JsonIndexStore>();
  Line* const kin = kin_of(*request.branch, request.space);
  LinePtr& line = lines_[LineKey(request.branch->origin.id, request.space)];
  if (line == nullptr) line = std::make_shared<Line>(request.branch);
  line->used.store(now(), std::memory_order_relaxed);
  if (line->building) return nullptr;
  if (line->state == nullptr && kin != nullptr) {
    auto adopted = std::make_shared<JsonIndexState>(*kin->state);
    adopted->adopted = true;
    line->state = std::move(adopted);
    line->shared_until = kin->shared_until = last_edit_;
  }
  if (line->state != nullptr && !line->state->adopted && line->state->head.commit > head.commit) return nullptr;
  line->building = true;
  return line;
}

Result<bool> JsonIndex::build(Line* line, const JsonIndexRequest& request, const HeldHead& held,
                              const KeepOn* keep_on) {
  const tree::Root& to = held.head().present;
  uint64_t documents = 0;
  {
    const model::KeySpan span = model::prefix_span(request.space, model::Tag::kJson);
    const tree::ReadGuard guard(engine_.forest());
    STRATA_ASSIGN(documents, count_between(engine_.forest(), to, span.begin, span.end));
  }
  auto state = std::make_shared<JsonIndexState>();
  StatePtr before;
  {
    const base::MutexLock lock(mutex_);
    before = line->state;
    state->store = before != nullptr ? before->store : store_;
  }
  if (state->store == nullptr) return false;  // let go of meanwhile
  state->head = held.head();

  // What is known moves on, what is missing is made.
  std::vector<JsonIndexPlacePtr> known;
  for (const JsonIndexPlacePtr& place : request.defined) {
    const JsonIndexState::Part* part = before != nullptr ? before->find(*place) : nullptr;
    if (part == nullptr || state->find(*place) != nullptr) continue;
    known.push_back(place);
    state->parts.push_back({place, part->root});
  }
  std::optional<JsonIndexChange> of_known(std::in_place, engine_, request.space, known);
  if (!known.empty()) {
    const uint64_t most = documents / kTooDifferent + kNeverTooDifferent;
    STRATA_ASSIGN(const bool follows, of_known->gather(before->head.present, to, most, keep_on));
    if (!follows) {
      known.clear();
      state->parts.clear();
      of_known.emplace(engine_, request.space, known);
    }
  }
  std::vector<JsonIndexPlacePtr> missing;
  for (const JsonIndexPlacePtr& place : request.places) {
    if (state->find(*place) != nullptr) continue;
    missing.push_back(place);
    state->parts.push_back({place, tree::Root()});
  }
  JsonIndexChange of_missing(engine_, request.space, missing);
  if (!missing.empty()) {
    if (!os::has_spare_memory(documents * missing.size() * kBuildBytes)) return false;
    STRATA_TRY(of_missing.gather(tree::Root(), to, UINT64_MAX, keep_on).status());
  }
  return publish(line, std::move(state), known.size(), &*of_known, &of_missing);
}

// The first `known` parts have the roots that of_known moves on, the others none yet.
Result<bool> JsonIndex::publish(Line* line, std::shared_ptr<JsonIndexState> state, size_t known,
                                JsonIndexChange* of_known, JsonIndexChange* of_missing) {
  const tree::Root& documents = state->head.present;
  state->pin = std::make_shared<const tree::Pin>(engine_.forest().pin(state->head.commit, {&documents, 1}));
  std::vector<tree::Root> roots;
  for (const JsonIndexState::Part& part : state->parts) roots.push_back(part.root);
  const std::span<tree::Root> all(roots);

  StatePtr before;  // let go of without the locks
  const base::MutexLock editing(editing_);
  if (line->dropped) return false;
  tree::Edit edit = state->store->forest.edit(++last_edit_);
  STRATA_TRY(of_known->apply(&edit, all.first(known), line->shared_until));
  STRATA_TRY(of_missing->apply(&edit, all.subspan(known), line->shared_until));
  for (size_t i = 0; i < roots.size(); ++i) state->parts[i].root = roots[i];
  {
    const base::MutexLock lock(mutex_);
    before = std::exchange(line->state, std::move(state));
  }
  edit.finish();
  garbage_ = garbage_ || (before != nullptr && before->parts.size() > known);
  return true;
}

// ---- letting go ----

JsonIndex::Lines::iterator JsonIndex::drop(Lines::iterator at, std::vector<LinePtr>* dropped) {
  at->second->dropped = true;
  dropped->push_back(at->second);
  garbage_ = true;
  return lines_.erase(at);
}

void JsonIndex::drop_unused(std::vector<LinePtr>* dropped) {
  auto oldest = lines_.end();
  for (auto at = lines_.begin(); at != lines_.end();) {
    const Line& line = *at->second;
    const uint64_t used = line.used.load(std::memory_order_relaxed);
    if (line.branch->deleted.load(std::memory_order_acquire) || used + kTicksKept < now()) {
      at = drop(at, dropped);
      continue;
    }
    if (oldest == lines_.end() || used < oldest->second->used.load(std::memory_order_relaxed)) oldest = at;
    ++at;
  }
  if (lines_.empty()) {
    store_.reset();
  } else if (lines_.size() > 1 && store_->forest.stats().resident_bytes > kMostBytes) {
    drop(oldest, dropped);
  }
}

void JsonIndex::tick() {
  if (ticks_.fetch_add(1, std::memory_order_relaxed) % kTicksBetweenSweeps != 0) return;
  std::vector<LinePtr> dropped;  // let go of without the locks
  if (!editing_.try_lock()) return;
  std::shared_ptr<JsonIndexStore> store;
  std::vector<tree::Root> roots;
  {
    const base::MutexLock lock(mutex_);
    if (store_ != nullptr) drop_unused(&dropped);
    store = store_;
    for (const auto& [key, line] : lines_) {
      if (line->state == nullptr) continue;
      for (const JsonIndexState::Part& part : line->state->parts) roots.push_back(part.root);
    }
  }
  if (store != nullptr && store->forest.stats().shared_garbage >= kMostGarbage) garbage_ = true;
  // What cannot be freed now is freed another time.
  if (store != nullptr && garbage_ && store->forest.collect(roots).is_ok()) garbage_ = false;
  editing_.unlock();
}

void JsonIndex::release() {
  Lines lines;  // let go of without the locks
  std::shared_ptr<JsonIndexStore> store;
  const base::MutexLock editing(editing_);
  const base::MutexLock lock(mutex_);
  for (const auto& [key, line] : lines_) line->dropped = true;
  lines.swap(lines_);
  store.swap(store_);
}

uint64_t JsonIndex::memory_bytes() const {
  const base::MutexLock lock(mutex_);
  return store_ != nullptr ? store_->forest.stats().resident_bytes : 0;
}

}  // namespace strata::derived
