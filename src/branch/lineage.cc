#include "branch/lineage.h"

#include <algorithm>
#include <unordered_set>

#include "branch/branch_codec.h"

namespace strata::branch {
namespace {

// Older knowledge of the same branch that a layer keeps for forks of its past. What such a fork cannot be told makes
// its ancestors older than they need be, never wrong.
constexpr size_t kMostSuperseded = 16;
constexpr size_t kLeastChanges = 64;
// So many deleted branches may be known before it is looked with care which are needed, and so much looking is worth
// it.
constexpr size_t kMuchKnown = 256;
constexpr size_t kMostLooks = 20'000'000;
constexpr uint32_t kNoLayer = 0xffffffff;  // ON DISK: never change

}  // namespace

struct Lineage::Layer {
  Layer() = default;
  Layer(const Layer&) = delete;
  Layer& operator=(const Layer&) = delete;
  // One after the other, not each inside the next: the stack is shorter than the chain may be.
  ~Layer() {
    LayerPtr next = std::move(parent);
    while (next != nullptr && next.use_count() == 1) next = LayerPtr(std::move(next->parent));
  }

  // The newest knowledge of the branch in this layer.
  const Known* find(uint32_t branch) const {
    const auto behind = std::upper_bound(known.begin(), known.end(), branch,
                                         [](uint32_t wanted, const Known& one) { return wanted < one.branch; });
    return behind != known.begin() && std::prev(behind)->branch == branch ? &*std::prev(behind) : nullptr;
  }
  // Adds what is newer than all it has of that branch.
  void add(const Known& news) {
    auto behind = std::upper_bound(known.begin(), known.end(), news.branch,
                                   [](uint32_t wanted, const Known& one) { return wanted < one.branch; });
    behind = std::next(known.insert(behind, news));
    auto first = std::prev(behind);
    while (first != known.begin() && std::prev(first)->branch == news.branch) --first;
    if (static_cast<size_t>(behind - first) > kMostSuperseded + 1) known.erase(first);
  }
  // Takes over what the layer below it holds, which nobody else stands on.
  void absorb_parent() {
    const LayerPtr below = std::move(parent);
    std::vector<Known> above;
    above.swap(known);
    known.swap(below->known);
    parent = std::move(below->parent);
    for (const Known& one : above) add(one);
  }

  LayerPtr parent;           // null: none
  std::vector<Known> known;  // by branch, then time
};

Lineage::Lineage() = default;
Lineage::~Lineage() = default;

Lineage::Layer& Lineage::own_layer(uint32_t branch) {
  LayerPtr& top = tops_[branch];
  if (top == nullptr || top.use_count() > 1) {
    auto layer = std::make_shared<Layer>();
    layer->parent = std::move(top);
    top = std::move(layer);
  }
  while (top->parent != nullptr && top->parent.use_count() == 1) top->absorb_parent();
  return *top;
}

Lineage::Summary Lineage::summary(uint32_t branch) const {
  Summary newest;
  const auto top = tops_.find(branch);
  for (const Layer* layer = top == tops_.end() ? nullptr : top->second.get(); layer != nullptr;
       layer = layer->parent.get()) {
    for (auto one = layer->known.rbegin(); one != layer->known.rend(); ++one) newest.try_emplace(one->branch, &*one);
  }
  return newest;
}

void Lineage::fork(uint32_t source, uint32_t child, uint64_t timestamp, const tree::Root& present, bool past) {
  auto layer = std::make_shared<Layer>();
  const auto top = tops_.find(source);
  LayerPtr below = top == tops_.end() ? nullptr : top->second;
  if (past && below != nullptr) {
    // What was known then. What it was forked from by then is known up to that very state.
    std::vector<const Layer*> chain;
    for (const Layer* one = below.get(); one != nullptr; one = one->parent.get()) chain.push_back(one);
    for (auto one = chain.rbegin(); one != chain.rend(); ++one) {
      for (Known known : (*one)->known) {
        if (known.learned_at > timestamp) continue;
        if (known.timestamp > timestamp) {
          known.timestamp = timestamp;
          known.present = present;
        }
        layer->add(known);
      }
    }
  } else {
    layer->parent = std::move(below);
  }
  layer->add({source, timestamp, 0, present});
  tops_[child] = std::move(layer);
  changed();
}

void Lineage::merge(uint32_t target, uint64_t learned_at, const Known& source) {
  const Summary theirs = summary(source.branch);
  const Summary mine = summary(target);
  std::vector<Known> news;
  const auto learn = [&](const Known& known) {
    if (known.branch == target) return;
    const auto old = mine.find(known.branch);
    if (old != mine.end() && old->second->timestamp >= known.timestamp) return;
    news.push_back(known);
    news.back().learned_at = learned_at;
  };
  for (const auto& [branch, known] : theirs) learn(*known);
  learn(source);
  Layer& layer = own_layer(target);
  for (const Known& known : news) layer.add(known);
  changed();
}

void Lineage::remove(uint32_t branch) {
  tops_.erase(branch);
  changed();
}

std::optional<tree::Root> Lineage::ancestor(uint32_t a, uint32_t b) const {
  const Known* latest = nullptr;
  const auto offer = [&](const Known& known) {
    if (latest == nullptr || known.timestamp > latest->timestamp ||
        (known.timestamp == latest->timestamp && known.branch > latest->branch)) {
      latest = &known;
    }
  };
  const Summary of_a = summary(a);
  const Summary of_b = summary(b);
  // Each knows itself up to now.
  if (const auto known = of_a.find(b); known != of_a.end()) offer(*known->second);
  if (const auto known = of_b.find(a); known != of_b.end()) offer(*known->second);
  for (const auto& [branch, known] : of_a) {
    const auto other = of_b.find(branch);
    if (other == of_b.end()) continue;
    offer(known->timestamp <= other->second->timestamp ? *known : *other->second);
  }
  if (latest == nullptr) return std::nullopt;
  return latest->present;
}

void Lineage::trim(uint64_t cut) {
  for (Layer* layer : layers()) {
    // What was superseded at or before the cut.
    std::vector<Known> kept;
    for (size_t i = 0; i < layer->known.size(); ++i) {
      const bool superseded = i + 1 < layer->known.size() && layer->known[i + 1].branch == layer->known[i].branch &&
                              layer->known[i + 1].learned_at <= cut;
      if (!superseded) kept.push_back(layer->known[i]);
    }
    layer->known.swap(kept);
  }
}

void Lineage::for_each_root(const std::function<void(tree::Root&)>& visit) {
  for (Layer* layer : layers()) {
    for (Known& known : layer->known) visit(known.present);
  }
}

std::vector<Lineage::Layer*> Lineage::layers() const {
  std::vector<Layer*> all;
  std::unordered_set<const Layer*> seen;
  std::vector<Layer*> chain;
  for (const auto& [branch, top] : tops_) {
    chain.clear();
    for (Layer* layer = top.get(); layer != nullptr && seen.insert(layer).second; layer = layer->parent.get()) {
      chain.push_back(layer);
    }
    all.insert(all.end(), chain.rbegin(), chain.rend());
  }
  return all;
}

Lineage::Size Lineage::size() const {
  Size size;
  for (const Layer* layer : layers()) {
    ++size.layers;
    size.known += layer->known.size();
  }
  return size;
}

// ---- dropping what nobody needs ----

void Lineage::changed() {
  if (++changes_ < kLeastChanges + layers_then_) return;
  tidy();
  changes_ = 0;
  layers_then_ = layers().size();
}

void Lineage::erase(const std::function<bool(uint32_t)>& gone) {
  for (Layer* layer : layers()) {
    std::erase_if(layer->known, [&](const Known& known) { return gone(known.branch); });
  }
}

// A deleted branch can be an ancestor only of branches that know it from different layers: those that stand on one
// layer share a later state, that of the branch whose layer it was when the first of them was forked from it.
void Lineage::tidy() {
  std::unordered_set<const Layer*> seen;
  for (auto& [branch, top] : tops_) {
    for (Layer* layer = top.get(); layer != nullptr && seen.insert(layer).second; layer = layer->parent.get()) {
      while (layer->parent != nullptr && layer->parent.use_count() == 1) layer->absorb_parent();
    }
  }
  std::unordered_map<uint32_t, size_t> holders;
  for (const Layer* layer : layers()) {
    for (size_t i = 0; i < layer->known.size(); ++i) {
      if (i == 0 || layer->known[i - 1].branch != layer->known[i].branch) ++holders[layer->known[i].branch];
    }
  }
  erase([&](uint32_t branch) { return !tops_.contains(branch) && holders[branch] == 1; });
  std::erase_if(holders, [&](const auto& each) { return tops_.contains(each.first) || each.second == 1; });
  if (holders.size() > kMuchKnown + 2 * deleted_then_) deleted_then_ = holders.size() - forget_passed();
}

// A deleted branch that all who know it have passed is no ancestor any more: one of them is known to the others up to a
// later time than it is.
size_t Lineage::forget_passed() {
  size_t looks = 0;
  std::unordered_map<uint32_t, Summary> of;
  std::unordered_map<uint32_t, std::vector<uint32_t>> holders;  // of each deleted branch
  for (const auto& [branch, top] : tops_) {
    const Summary& known = of.emplace(branch, summary(branch)).first->second;
    looks += known.size();
    if (looks > kMostLooks) return 0;
    for (const auto& [other, what] : known) {
      if (!tops_.contains(other)) holders[other].push_back(branch);
    }
  }
  std::unordered_set<uint32_t> passed;
  for (const auto& [branch, knowing] : holders) {
    uint64_t latest = 0;
    for (const uint32_t one : knowing) latest = std::max(latest, of.at(one).at(branch)->timestamp);
    const auto knows = [&](uint32_t one, uint32_t other) {
      ++looks;
      if (one == other) return true;
      const auto found = of.at(one).find(other);
      return found != of.at(one).end() && found->second->timestamp >= latest;
    };
    for (const uint32_t candidate : knowing) {
      if (looks > kMostLooks) break;
      const auto knows_it = [&](uint32_t one) { return knows(one, candidate); };
      if (!std::all_of(knowing.begin(), knowing.end(), knows_it)) continue;
      passed.insert(branch);
      break;
    }
  }
  erase([&](uint32_t branch) { return passed.contains(branch); });
  return passed.size();
}

// ---- checkpoints ----

void Lineage::encode(std::string* out) const {
  const std::vector<Layer*> all = layers();
  std::unordered_map<const Layer*, uint32_t> number;
  base::put_u32(*out, static_cast<uint32_t>(all.size()));
  for (const Layer* layer : all) {
    base::put_u32(*out, layer->parent == nullptr ? kNoLayer : number.at(layer->parent.get()));
    base::put_u32(*out, static_cast<uint32_t>(layer->known.size()));
    for (const Known& known : layer->known) {
      base::put_u32(*out, known.branch);
      base::put_u64(*out, known.timestamp);
      base::put_u64(*out, known.learned_at);
      put_root(*out, known.present);
    }
    number.emplace(layer, static_cast<uint32_t>(number.size()));
  }
  std::vector<std::pair<uint32_t, uint32_t>> tops;
  for (const auto& [branch, top] : tops_) tops.emplace_back(branch, top == nullptr ? kNoLayer : number.at(top.get()));
  std::sort(tops.begin(), tops.end());
  base::put_u32(*out, static_cast<uint32_t>(tops.size()));
  for (const auto& [branch, layer] : tops) {
    base::put_u32(*out, branch);
    base::put_u32(*out, layer);
  }
}

bool Lineage::decode(std::string_view bytes) {
  base::Reader reader(bytes);
  std::vector<LayerPtr> all;
  uint32_t count = 0;
  if (!reader.read_u32(count)) return false;
  for (uint32_t i = 0; i < count; ++i) {
    auto layer = std::make_shared<Layer>();
    uint32_t parent = 0;
    uint32_t known = 0;
    if (!reader.read_u32(parent) || !reader.read_u32(known) || (parent != kNoLayer && parent >= i)) return false;
    if (parent != kNoLayer) layer->parent = all[parent];
    for (uint32_t k = 0; k < known; ++k) {
      Known one;
      if (!reader.read_u32(one.branch) || !reader.read_u64(one.timestamp) || !reader.read_u64(one.learned_at) ||
          !read_root(reader, &one.present)) {
        return false;
      }
      if (!layer->known.empty() && layer->known.back().branch > one.branch) return false;
      layer->known.push_back(one);
    }
    all.push_back(std::move(layer));
  }
  if (!reader.read_u32(count)) return false;
  for (uint32_t i = 0; i < count; ++i) {
    uint32_t branch = 0;
    uint32_t layer = 0;
    if (!reader.read_u32(branch) || !reader.read_u32(layer)) return false;
    if (layer != kNoLayer && layer >= all.size()) return false;
    tops_[branch] = layer == kNoLayer ? nullptr : all[layer];
  }
  layers_then_ = all.size();
  return reader.done();
}

}  // namespace strata::branch
