// Diff and merge of the oracle: over whole states, with sets and maps.
#include <algorithm>
#include <set>

#include "base/check.h"
#include "testing/model_db.h"

namespace strata::testing {

ModelBranch::Contents ModelBranch::contents(ModelMoment at) const {
  Contents contents;
  for (const auto& [name, chain] : keys_) {
    const ModelVersion* version = at_moment(chain, at);
    if (version != nullptr && version->value.has_value()) contents.values[name] = *version->value;
  }
  for (const std::string& space : spaces(at)) {
    if (space != "default") contents.spaces.insert(space);
  }
  for (const auto& [space, log] : events_) {
    for (const ModelEvent* event : events(space, at)) contents.events[space].push_back(*event);
  }
  return contents;
}

void ModelBranch::limit(Knowledge* knowledge, uint64_t at, const std::shared_ptr<const Contents>& contents) {
  for (auto& [id, known] : *knowledge) {
    if (known.timestamp > at) known = {at, contents};
  }
}

uint64_t ModelBranch::last_write(const Name& name) const {
  const auto chain = keys_.find(name);
  if (chain == keys_.end() || chain->second.empty()) return 0;
  const ModelVersion& last = chain->second.back();
  return !last.value && last.timestamp <= trimmed_before ? 0 : last.timestamp;
}

ModelDiff ModelDb::diff(const std::string& a, const std::string& b, ModelMoment at) const {
  const ModelBranch::Contents before = branch(a).contents(at);
  const ModelBranch::Contents after = branch(b).contents(at);
  ModelDiff diff;
  for (const auto& [name, value] : before.values) {
    const auto other = after.values.find(name);
    if (other == after.values.end()) ++diff.removed;
    if (other != after.values.end() && other->second != value) ++diff.modified;
  }
  for (const auto& [name, value] : after.values) diff.added += before.values.contains(name) ? 0 : 1;
  std::set<std::string> spaces;
  for (const auto& [space, log] : before.events) spaces.insert(space);
  for (const auto& [space, log] : after.events) spaces.insert(space);
  for (const std::string& space : spaces) {
    const auto mine = before.events.find(space);
    const auto theirs = after.events.find(space);
    const size_t one = mine == before.events.end() ? 0 : mine->second.size();
    const size_t other = theirs == after.events.end() ? 0 : theirs->second.size();
    for (size_t i = 0; i < std::min(one, other); ++i) {
      const ModelEvent& x = mine->second[i];
      const ModelEvent& y = theirs->second[i];
      if (x.type != y.type || x.payload != y.payload) ++diff.modified;
    }
    diff.removed += one > other ? one - other : 0;
    diff.added += other > one ? other - one : 0;
  }
  return diff;
}

// One merge: what it writes, and what it answers.
class ModelMerging {
 public:
  using Name = ModelBranch::Name;

  ModelMerging(const ModelBranch& source, const ModelBranch& target, ModelStrategy strategy)
      : source_branch_(source), target_branch_(target), strategy_(strategy) {
    source_ = source.contents({});
    target_ = target.contents({});
    find_base();
    std::set<Name> names;
    for (const auto* side : {&base_, &source_, &target_}) {
      for (const auto& [name, value] : side->values) names.insert(name);
    }
    for (const Name& name : names) {
      if (name.family == ModelFamily::kCollection && find(source_, name) != find(target_, name)) whole_.insert(name);
    }
    for (const Name& name : names) {
      if (!belongs_to_whole(name)) merge(name);
    }
    for (const Name& collection : whole_) merge_whole(collection, names);
    append_events();
    settle_spaces();
  }

  ModelMerge answer() const {
    std::set<std::string> spaces;
    ModelMerge answer;
    answer.conflicts = conflicts_;
    for (const auto& [name, value] : writes) {
      spaces.insert(name.space);
      answer.keys_applied += name.family != ModelFamily::kCollection ? 1 : 0;
    }
    for (const auto& [space, appended] : events) {
      answer.keys_applied += appended.size();
      spaces.insert(space);
    }
    for (const auto& [space, there] : spaces_) spaces.insert(space);
    answer.spaces_merged = spaces.size();
    return answer;
  }
  const std::map<std::string, bool>& spaces() const { return spaces_; }

  std::map<Name, std::optional<std::string>> writes;
  std::map<std::string, std::vector<ModelEvent>> events;

 private:
  static std::optional<std::string> find(const ModelBranch::Contents& side, const Name& name) {
    const auto found = side.values.find(name);
    return found == side.values.end() ? std::nullopt : std::optional<std::string>(found->second);
  }

  // The latest state that both know; each knows itself up to now.
  void find_base() {
    const auto mine = source_branch_.knowledge();
    const auto theirs = target_branch_.knowledge();
    std::pair<uint64_t, uint64_t> latest;
    const auto offer = [&](uint64_t id, const ModelBranch::Known& known) {
      if (std::pair(known.timestamp, id) <= latest) return;
      latest = {known.timestamp, id};
      base_ = *known.contents;
    };
    for (const auto& [id, known] : mine) {
      const auto other = theirs.find(id);
      if (id == target_branch_.id_) offer(id, known);
      if (other == theirs.end()) continue;
      offer(id, known.timestamp <= other->second.timestamp ? known : other->second);
    }
    const auto of_source = theirs.find(source_branch_.id_);
    if (of_source != theirs.end()) offer(of_source->first, of_source->second);
  }

  void merge(const Name& name) {
    const auto base = find(base_, name);
    const auto source = find(source_, name);
    const auto target = find(target_, name);
    if (source == base || source == target) return;
    if (target == base || source_wins({name})) writes[name] = source;
  }

  // Of a conflict about these.
  bool source_wins(const std::vector<Name>& names) {
    ++conflicts_;
    if (strategy_ != ModelStrategy::kLastWriterWins) return strategy_ == ModelStrategy::kSource;
    uint64_t source = 0;
    uint64_t target = 0;
    for (const Name& name : names) {
      source = std::max(source, source_branch_.last_write(name));
      target = std::max(target, target_branch_.last_write(name));
    }
    return source >= target;
  }

  bool belongs_to_whole(const Name& name) const {
    if (name.family == ModelFamily::kCollection) return whole_.contains(name);
    return name.family == ModelFamily::kVector &&
           whole_.contains({ModelFamily::kCollection, name.space, collection_of(name.key)});
  }

  // A collection that the sides define otherwise, with all its vectors as one.
  void merge_whole(const Name& collection, const std::set<Name>& names) {
    std::vector<Name> parts = {collection};
    for (const Name& name : names) {
      const bool is_vector = name.family == ModelFamily::kVector && name.space == collection.space;
      if (is_vector && collection_of(name.key) == collection.key) parts.push_back(name);
    }
    const auto alike = [&](const ModelBranch::Contents& a, const ModelBranch::Contents& b) {
      return std::all_of(parts.begin(), parts.end(), [&](const Name& part) { return find(a, part) == find(b, part); });
    };
    if (alike(source_, base_)) return;
    if (!alike(target_, base_) && !source_wins(parts)) return;
    for (const Name& part : parts) {
      if (find(source_, part) != find(target_, part)) writes[part] = find(source_, part);
    }
  }

  void append_events() {
    for (const auto& [space, log] : source_.events) {
      std::set<std::pair<uint64_t, uint64_t>> known;
      for (const auto* side : {&base_, &target_}) {
        const auto there = side->events.find(space);
        if (there == side->events.end()) continue;
        for (const ModelEvent& event : there->second) known.insert({event.timestamp, event.sequence});
      }
      for (const ModelEvent& event : log) {
        if (!known.contains({event.timestamp, event.sequence})) events[space].push_back(event);
      }
    }
  }

  void settle_spaces() {
    std::set<std::string> all;
    std::set<std::string> holding;
    for (const auto* side : {&base_, &source_, &target_}) all.insert(side->spaces.begin(), side->spaces.end());
    for (const auto& [name, value] : target_.values) {
      const auto write = writes.find(name);
      if (write == writes.end() || write->second) holding.insert(name.space);
    }
    for (const auto& [name, value] : writes) {
      if (value) holding.insert(name.space);
    }
    for (const auto* log : {&target_.events, &events}) {
      for (const auto& [space, some] : *log) {
        if (!some.empty()) holding.insert(space);
      }
    }
    all.insert(holding.begin(), holding.end());
    all.erase("default");
    for (const std::string& space : all) {
      const bool in_base = base_.spaces.contains(space);
      const bool in_source = source_.spaces.contains(space);
      const bool in_target = target_.spaces.contains(space);
      const bool wanted = holding.contains(space) || (in_source == in_base ? in_target : in_source);
      if (wanted != in_target) spaces_[space] = wanted;
    }
  }

  const ModelBranch& source_branch_;
  const ModelBranch& target_branch_;
  const ModelStrategy strategy_;
  ModelBranch::Contents base_;
  ModelBranch::Contents source_;
  ModelBranch::Contents target_;
  std::set<Name> whole_;  // collections that merge with their vectors as one
  std::map<std::string, bool> spaces_;
  uint64_t conflicts_ = 0;
};

ModelMerge ModelDb::try_merge(const ModelMergeOrder& order) const {
  return ModelMerging(branch(order.source), branch(order.target), order.strategy).answer();
}

ModelMerge ModelDb::merge(const ModelMergeOrder& order, uint64_t before, uint64_t timestamp) {
  const ModelBranch& from = branch(order.source);
  ModelBranch& into = branches_.at(order.target);
  const ModelMerging merging(from, into, order.strategy);
  auto knowledge = into.knowledge();
  auto news = from.knowledge();
  news[from.id_] = {before, std::make_shared<const ModelBranch::Contents>(from.contents({}))};
  for (auto& [id, known] : news) {
    if (id == into.id_) continue;
    ModelBranch::Known& mine = knowledge[id];
    if (mine.timestamp < known.timestamp) mine = known;
  }
  into.learned_.emplace_back(timestamp, std::move(knowledge));
  for (const auto& [name, value] : merging.writes) into.add_version(into.keys_[name], value, timestamp);
  for (const auto& [space, appended] : merging.events) {
    for (ModelEvent event : appended) {
      event.appended_at = timestamp;
      event.removed_at = UINT64_MAX;
      into.events_[space].push_back(event);
    }
  }
  for (const auto& [space, there] : merging.spaces()) {
    into.add_version(into.spaces_[{ModelFamily::kKey, space, ""}],
                     there ? std::optional<std::string>("") : std::nullopt, timestamp);
  }
  note_commit(&into, timestamp);
  return merging.answer();
}

}  // namespace strata::testing
