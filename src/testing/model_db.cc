#include "testing/model_db.h"

#include <algorithm>

#include "base/check.h"

namespace strata::testing {

const ModelVersion* ModelBranch::at_moment(const ModelChain& chain, ModelMoment at) {
  for (auto version = chain.rbegin(); version != chain.rend(); ++version) {
    if (!at.has_value() || version->timestamp <= *at) return &*version;
  }
  return nullptr;
}

ModelChain ModelBranch::kept(const ModelChain& chain) const {
  ModelChain kept;
  for (size_t i = 0; i < chain.size(); ++i) {
    const bool replaced = i + 1 < chain.size() && chain[i + 1].timestamp <= trimmed_before;
    const bool forgotten = !chain[i].value.has_value() && chain[i].timestamp <= trimmed_before;
    if (!replaced && !forgotten) kept.push_back(chain[i]);
  }
  return kept;
}

void ModelBranch::cut(std::map<Name, ModelChain>& chains, uint64_t at) {
  for (auto entry = chains.begin(); entry != chains.end();) {
    std::erase_if(entry->second, [&](const ModelVersion& version) { return version.timestamp > at; });
    entry = entry->second.empty() ? chains.erase(entry) : std::next(entry);
  }
}

const ModelVersion* ModelBranch::find(const std::string& space, const std::string& key, ModelMoment at,
                                      ModelFamily family) const {
  const auto chain = keys_.find({family, space, key});
  return chain == keys_.end() ? nullptr : at_moment(chain->second, at);
}

const ModelVersion* ModelBranch::get(const std::string& space, const std::string& key, ModelMoment at,
                                     ModelFamily family) const {
  const ModelVersion* version = find(space, key, at, family);
  return version != nullptr && version->value.has_value() ? version : nullptr;
}

std::vector<std::pair<std::string, const ModelVersion*>> ModelBranch::scan(const std::string& space,
                                                                           std::string_view prefix, ModelMoment at,
                                                                           ModelFamily family) const {
  std::vector<std::pair<std::string, const ModelVersion*>> rows;
  for (const auto& [name, chain] : keys_) {
    if (name.family != family || name.space != space || name.key.compare(0, prefix.size(), prefix) != 0) continue;
    const ModelVersion* version = at_moment(chain, at);
    if (version != nullptr && version->value.has_value()) rows.emplace_back(name.key, version);
  }
  return rows;
}

std::vector<ModelVersion> ModelBranch::history(const std::string& space, const std::string& key, ModelMoment at,
                                               ModelFamily family) const {
  const auto chain = keys_.find({family, space, key});
  if (chain == keys_.end()) return {};
  std::vector<ModelVersion> versions = kept(chain->second);
  if (at.has_value()) std::erase_if(versions, [&](const ModelVersion& version) { return version.timestamp > *at; });
  std::reverse(versions.begin(), versions.end());
  return versions;
}

std::vector<std::string> ModelBranch::keys_ever(const std::string& space, ModelFamily family) const {
  std::vector<std::string> keys;
  for (const auto& [name, chain] : keys_) {
    if (name.family == family && name.space == space) keys.push_back(name.key);
  }
  return keys;
}

std::vector<const ModelEvent*> ModelBranch::events(const std::string& space, ModelMoment at) const {
  std::vector<const ModelEvent*> found;
  const auto log = events_.find(space);
  if (log == events_.end()) return found;
  for (const ModelEvent& event : log->second) {
    const bool there = at ? event.appended_at <= *at && *at < event.removed_at : event.removed_at == UINT64_MAX;
    if (there) found.push_back(&event);
  }
  return found;
}

std::vector<uint64_t> ModelBranch::log() const {
  std::vector<uint64_t> times(log_.rbegin(), log_.rend());
  std::erase_if(times, [&](uint64_t time) { return time < trimmed_before; });
  return times;
}

size_t ModelBranch::events_ever(const std::string& space) const {
  const auto log = events_.find(space);
  return log == events_.end() ? 0 : log->second.size();
}

std::vector<std::string> ModelBranch::spaces(ModelMoment at) const {
  std::vector<std::string> names = {"default"};
  for (const auto& [name, chain] : spaces_) {
    const ModelVersion* version = at_moment(chain, at);
    if (version != nullptr && version->value.has_value()) names.push_back(name.space);
  }
  std::sort(names.begin(), names.end());
  return names;
}

void ModelBranch::add_version(ModelChain& chain, std::optional<std::string> value, uint64_t timestamp) const {
  STRATA_CHECK(chain.empty() || chain.back().timestamp < timestamp);
  const ModelChain before = kept(chain);
  chain.push_back({timestamp, before.empty() ? 1 : before.back().version + 1, std::move(value)});
}

uint64_t ModelBranch::key_count() const {
  auto count = static_cast<uint64_t>(std::count_if(keys_.begin(), keys_.end(), [](const auto& entry) {
    return entry.first.family != ModelFamily::kCollection && entry.second.back().value.has_value();
  }));
  for (const auto& [space, log] : events_) count += events(space, {}).size();
  return count;
}

std::vector<ModelWrite> ModelDb::effective(const std::string& name, const std::vector<ModelWrite>& writes) const {
  std::map<ModelBranch::Name, ModelWrite> last;
  std::vector<ModelWrite> changes;
  for (const ModelWrite& write : writes) {
    if (write.family == ModelFamily::kEvent) {
      changes.push_back(write);
      continue;
    }
    last[{write.family, write.space, write.key}] = write;
    if (write.family != ModelFamily::kCollection || write.value) continue;
    const std::string its = vector_key(write.key, "");
    for (const auto& [key, version] : branch(name).scan(write.space, its, {}, ModelFamily::kVector)) {
      last[{ModelFamily::kVector, write.space, key}] = {write.space, key, std::nullopt, ModelFamily::kVector};
    }
    for (auto& [where, each] : last) {
      const bool is_its = where.family == ModelFamily::kVector && where.space == write.space;
      if (is_its && where.key.starts_with(its)) each.value.reset();
    }
  }
  for (const auto& [where, write] : last) {
    const bool there = branch(name).get(write.space, write.key, {}, write.family) != nullptr;
    if (write.value.has_value() || there) changes.push_back(write);
  }
  return changes;
}

std::set<std::string> ModelDb::new_spaces(const std::string& name, const std::vector<ModelWrite>& writes) const {
  std::set<std::string> spaces;
  for (const ModelWrite& write : writes) {
    if (write.value.has_value()) spaces.insert(write.space);
  }
  for (const std::string& space : branch(name).spaces({})) spaces.erase(space);
  return spaces;
}

bool ModelDb::changes(const std::string& name, const std::vector<ModelWrite>& writes) const {
  return !effective(name, writes).empty() || !new_spaces(name, writes).empty();
}

void ModelDb::write(const std::string& name, const std::vector<ModelWrite>& writes, uint64_t timestamp) {
  ModelBranch& target = branches_.at(name);
  const auto add = [&](ModelChain& chain, std::optional<std::string> value) {
    target.add_version(chain, std::move(value), timestamp);
  };
  for (const ModelWrite& change : effective(name, writes)) {
    if (change.family == ModelFamily::kEvent) {
      const uint64_t sequence = target.events(change.space, {}).size();
      target.events_[change.space].push_back({timestamp, change.key, *change.value, UINT64_MAX, timestamp, sequence});
    } else {
      add(target.keys_[{change.family, change.space, change.key}], change.value);
    }
  }
  for (const std::string& space : new_spaces(name, writes)) add(target.spaces_[{ModelFamily::kKey, space, ""}], "");
  note_commit(&target, timestamp);
}

void ModelDb::note_commit(ModelBranch* branch, uint64_t timestamp) {
  ++branch->commits;
  branch->log_.push_back(timestamp);
  branch->twin.reset();
}

void ModelDb::remove_space(const std::string& name, const std::string& space, uint64_t timestamp) {
  ModelBranch& target = branches_.at(name);
  std::vector<ModelWrite> writes;
  for (const ModelFamily family : {ModelFamily::kKey, ModelFamily::kCell, ModelFamily::kDocument,
                                   ModelFamily::kCollection, ModelFamily::kVector}) {
    for (const auto& [key, version] : target.scan(space, "", {}, family)) {
      writes.push_back({space, key, std::nullopt, family});
    }
  }
  write(name, writes, timestamp);
  for (ModelEvent& event : target.events_[space]) event.removed_at = std::min(event.removed_at, timestamp);
  ModelChain& chain = target.spaces_.at({ModelFamily::kKey, space, ""});
  chain.push_back({timestamp, chain.back().version + 1, std::nullopt});
}

void ModelDb::create_branch(const std::string& name, uint64_t timestamp) {
  STRATA_CHECK(branches_.count(name) == 0);
  branches_[name].created_at = timestamp;
  branches_[name].id_ = ++last_id_;
}

void ModelDb::fork(const std::string& source, const std::string& destination, uint64_t state_of, uint64_t timestamp) {
  STRATA_CHECK(branches_.count(destination) == 0);
  const ModelBranch& origin = branches_.at(source);
  ModelBranch fork = origin;
  fork.created_at = timestamp;
  fork.commits = 0;
  fork.parent = source;
  fork.fork_timestamp = state_of;
  fork.twin = {origin.id_, state_of};
  std::erase_if(fork.log_, [&](uint64_t time) { return time > state_of; });
  ModelBranch::cut(fork.keys_, state_of);
  ModelBranch::cut(fork.spaces_, state_of);
  for (auto& [space, log] : fork.events_) {
    std::erase_if(log, [&](const ModelEvent& event) { return event.appended_at > state_of; });
    for (ModelEvent& event : log) {
      if (event.removed_at > state_of) event.removed_at = UINT64_MAX;
    }
  }
  const auto state = std::make_shared<const ModelBranch::Contents>(origin.contents(state_of));
  fork.id_ = ++last_id_;
  std::erase_if(fork.learned_, [&](const auto& learned) { return learned.first > state_of; });
  for (auto& [since, knowledge] : fork.learned_) {
    ModelBranch::limit(&knowledge, state_of, state);
    knowledge[origin.id_] = {state_of, state};
  }
  branches_[destination] = std::move(fork);
}

void ModelDb::copy_branch(const std::string& source, const std::string& destination, uint64_t timestamp) {
  copy_from(branch(source), destination, timestamp);
}

void ModelDb::copy_from(const ModelBranch& source, const std::string& destination, uint64_t timestamp) {
  STRATA_CHECK(branches_.count(destination) == 0);
  ModelBranch copy = source;
  copy.created_at = timestamp;
  copy.commits = 0;
  copy.twin = {source.id_, timestamp};
  copy.parent.reset();
  copy.fork_timestamp.reset();
  copy.id_ = ++last_id_;
  copy.learned_ = ModelBranch().learned_;  // nothing in common with any other
  branches_[destination] = std::move(copy);
}

void ModelDb::add_delta(const ModelBranch& source, const std::string& destination, uint64_t timestamp) {
  ModelBranch& target = branches_.at(destination);
  target.keys_ = source.keys_;
  target.spaces_ = source.spaces_;
  target.events_ = source.events_;
  target.log_ = source.log_;
  target.twin = {source.id_, timestamp};
  ++target.commits;
  // What came has earlier moments: who is as the target was at one of them is no more.
  for (auto& [name, other] : branches_) {
    if (other.twin && other.twin->id == target.id_) other.twin.reset();
  }
}

ModelDb::Reversal ModelDb::reversal(const std::string& name, uint64_t to) const {
  const ModelBranch& target = branch(name);
  Reversal reversal;
  const auto value_at = [](const ModelChain& chain, ModelMoment at) {
    const ModelVersion* version = ModelBranch::at_moment(chain, at);
    return version != nullptr ? version->value : std::nullopt;
  };
  for (const auto& [where, chain] : target.keys_) {
    const auto was = value_at(chain, to);
    if (was != value_at(chain, {})) reversal.keys[where] = was;
  }
  for (const auto& [where, chain] : target.spaces_) {
    const auto was = value_at(chain, to);
    if (was == value_at(chain, {}) || (!was && !target.events(where.space, {}).empty())) continue;
    reversal.spaces[where] = was;
  }
  return reversal;
}

bool ModelDb::is_as_at(const std::string& name, uint64_t to) const {
  const Reversal changes = reversal(name, to);
  return changes.keys.empty() && changes.spaces.empty();
}

void ModelDb::revert(const std::string& name, uint64_t to, uint64_t timestamp) {
  const Reversal changes = reversal(name, to);
  ModelBranch& target = branches_.at(name);
  const auto add = [&](ModelChain& chain, const std::optional<std::string>& value) {
    const ModelChain kept = target.kept(chain);
    chain.push_back({timestamp, kept.empty() ? 1 : kept.back().version + 1, value});
  };
  for (const auto& [where, value] : changes.keys) add(target.keys_.at(where), value);
  for (const auto& [where, value] : changes.spaces) add(target.spaces_.at(where), value);
  note_commit(&target, timestamp);
}

void ModelDb::trim_branch(const std::string& name, uint64_t cut) {
  ModelBranch& branch = branches_.at(name);
  branch.trimmed_before = std::max(branch.trimmed_before, cut);
}

void ModelDb::trim(uint64_t cut) {
  for (auto& [name, branch] : branches_) branch.trimmed_before = std::max(branch.trimmed_before, cut);
}

}  // namespace strata::testing
