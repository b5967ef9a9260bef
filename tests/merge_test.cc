// The algebra of merges over random graphs of branches: forks, forks of forks, commits and merges at random, and then
// what must hold whatever came before:
//   - what only one side changed is in the result, and what only one side deleted is not; a collection that the sides
//     define otherwise counts with its vectors as one;
//   - merging again applies nothing, and merging both ways makes both alike;
//   - a dry run says what the merge then does, and a strict merge does all or nothing;
//   - in which order two branches that changed other things are merged does not matter;
//   - no event is ever lost from its branch, or twice in one.
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <map>
#include <optional>
#include <set>
#include <string>
#include <vector>

#include "db/session_impl.h"
#include "strata/branch.h"
#include "strata/event.h"
#include "strata/json.h"
#include "strata/kv.h"
#include "strata/space.h"
#include "strata/state.h"
#include "strata/value.h"
#include "strata/vector.h"
#include "testing/random.h"

namespace strata {
namespace {

using testing::Random;

constexpr const char* kSpaces[] = {"default", "s"};
constexpr uint64_t kKeys = 6;

std::string encoded(int64_t number) {
  ValueWriter writer;
  (void)writer.integer(number);
  return std::string(writer.result());
}

// What a branch shows. Documents are shown member by member, since so they merge.
struct Contents {
  std::map<std::string, std::string> values;
  std::map<std::string, std::multiset<std::string>> events;  // by space
  bool operator==(const Contents&) const = default;
};

class Graph {
 public:
  Graph(Session& session, uint64_t number, uint64_t seed)
      : call_(session, Call::kWait), prefix_("g" + std::to_string(number) + "/"), random_(seed) {}

  // The first thing that does not hold; empty if all does.
  std::string run() {
    ok(Branches(call_).create(name_of(0)));
    branches_ = {name_of(0)};
    const uint64_t steps = 4 + random_.below(14);
    for (uint64_t i = 0; i < steps && problem_.empty(); ++i) step();
    if (problem_.empty()) three_way();
    if (problem_.empty()) independent();
    ok(call_.branch_use("default"));
    for (const std::string& branch : branches_) ok(Branches(call_).remove(branch));
    return problem_;
  }
  uint64_t merges() const { return merges_; }

 private:
  std::string name_of(size_t i) const { return prefix_ + std::to_string(i); }

  bool ok(const Status& status) {
    if (!status.is_ok()) fail(status.to_string());
    return status.is_ok();
  }
  void fail(const std::string& what) {
    if (problem_.empty()) problem_ = what;
  }
  void expect(bool holds, const std::string& what) {
    if (!holds) fail(what);
  }

  std::string fork(const std::string& source) {
    const std::string name = name_of(next_++);
    ok(Branches(call_).fork(source, name, std::nullopt).status());
    branches_.push_back(name);
    return name;
  }

  void step() {
    const uint64_t dice = random_.below(10);
    if (dice < 3 && branches_.size() < 6) return void(fork(random_.pick(branches_)));
    if (dice < 7 || branches_.size() < 2) return change(random_.pick(branches_), 1 + random_.below(4), 0, kKeys);
    const std::string source = random_.pick(branches_);
    std::string target = source;
    while (target == source) target = random_.pick(branches_);
    checked_merge(source, target);
  }

  // Writes and erases, keys first..end alone. Values are few, so that both sides often write the same.
  void change(const std::string& branch, uint64_t writes, uint64_t first, uint64_t end) {
    ok(call_.branch_use(branch));
    for (uint64_t i = 0; i < writes; ++i) {
      ok(call_.space_use(kSpaces[random_.below(std::size(kSpaces))]));
      const std::string key = "k" + std::to_string(first + random_.below(end - first));
      const std::string value = encoded(static_cast<int64_t>(random_.below(4)));
      switch (random_.below(11)) {
        case 0:
          ok(Kv(call_).erase(key).status());
          break;
        case 1:
          ok(State(call_).set(key, value).status());
          break;
        case 2:
          ok(State(call_).erase(key).status());
          break;
        case 3:
          ok(Json(call_).set("d" + std::to_string(first), "$." + key, value).status());
          break;
        case 4:
          ok(Json(call_).erase("d" + std::to_string(first), "$." + key).status());
          break;
        case 5:
          append();
          break;
        case 6:
        case 7:
        case 8:
          change_vectors("c" + std::to_string(first), key);
          break;
        default:
          ok(Kv(call_).put(key, value).status());
      }
    }
  }

  // Makes the collection where there is none; some are deleted, so that they may be made anew otherwise.
  void change_vectors(const std::string& collection, const std::string& key) {
    Vectors vectors(call_);
    const uint64_t dice = random_.below(8);
    if (dice == 0) return void(ok(vectors.erase_collection(collection).status()));
    if (dice == 1) return void(ok(vectors.erase(collection, key).status()));
    uint32_t dimension = dimension_of(collection);
    if (dimension == 0) {
      dimension = 2 + static_cast<uint32_t>(random_.below(2));
      const VectorMetric metric = random_.one_in(2) ? VectorMetric::kEuclidean : VectorMetric::kDotProduct;
      ok(vectors.create_collection(collection, dimension, metric).status());
    }
    const std::vector<float> components(dimension, static_cast<float>(random_.below(4)));
    ValueWriter metadata;
    const bool written = metadata.begin_object() && metadata.name("n") &&
                         metadata.integer(static_cast<int64_t>(random_.below(2))) && metadata.end();
    const VectorItem item{key, components, written && random_.one_in(2) ? metadata.result() : std::string_view()};
    ok(vectors.upsert(collection, {&item, 1}, false).status());
  }

  // 0: there is no such collection.
  uint32_t dimension_of(const std::string& collection) {
    const auto all = Vectors(call_).list_collections(std::nullopt);
    if (!ok(all.status())) return 0;
    for (const CollectionInfo& info : *all) {
      if (info.name == collection) return info.dimension;
    }
    return 0;
  }

  void append() {
    ValueWriter writer;
    (void)(writer.begin_object() && writer.name("n") && writer.integer(++events_) && writer.end());
    ok(Events(call_).append("e" + std::to_string(events_ % 3), writer.result()).status());
  }

  Contents contents(const std::string& branch) {
    Contents contents;
    ok(call_.branch_use(branch));
    for (const char* space : kSpaces) {
      ok(call_.space_use(space));
      const std::string where(space);
      RowList rows;
      KvScan all;
      ok(Kv(call_).scan(all, &rows));
      for (size_t i = 0; i < rows.size(); ++i)
        contents.values[where + " kv " + std::string(rows.key(i))] = rows.value(i);
      KeyList cells;
      ok(State(call_).list("", std::nullopt, &cells));
      for (size_t i = 0; i < cells.size(); ++i) {
        std::string value;
        ok(State(call_).get(cells[i], std::nullopt, &value).status());
        contents.values[where + " state " + std::string(cells[i])] = value;
      }
      documents(where, &contents);
      collections(where, &contents);
      EventList events;
      ok(Events(call_).list({}, &events));
      for (size_t i = 0; i < events.size(); ++i) contents.events[where].insert(std::string(events[i].payload));
      const auto verdict = Events(call_).verify(std::nullopt);
      ok(verdict.status());
      expect(verdict.is_ok() && verdict->valid, "a chain of events is broken on " + branch);
    }
    ok(call_.space_use("default"));
    return contents;
  }

  void documents(const std::string& where, Contents* contents) {
    for (const uint64_t first : {uint64_t{0}, kKeys}) {
      const std::string key = "d" + std::to_string(first);
      std::string document;
      const auto found = Json(call_).get(key, "$", std::nullopt, &document);
      ok(found.status());
      if (!found.is_ok() || !*found) continue;
      for (ValueItems items{ValueView(document)}; items.next();) {
        contents->values[where + " json " + key + " " + std::string(items.name())] = items.value().bytes();
      }
    }
  }

  void collections(const std::string& where, Contents* contents) {
    const auto all = Vectors(call_).list_collections(std::nullopt);
    if (!ok(all.status())) return;
    for (const CollectionInfo& info : *all) {
      contents->values[collection_name(where, info.name)] =
          std::to_string(info.dimension) + " " + std::string(metric_name(info.metric));
      KeyList keys;
      ok(Vectors(call_).list(info.name, "", std::nullopt, std::nullopt, &keys));
      expect(keys.size() == info.count, "a collection counts other vectors than it has");
      std::set<std::string, std::less<>> left;
      for (size_t i = 0; i < keys.size(); ++i) {
        std::string value;
        ok(Vectors(call_).get(info.name, keys[i], std::nullopt, &value).status());
        contents->values[vector_prefix(where, info.name) + std::string(keys[i])] = value;
        left.emplace(keys[i]);
      }
      search_all(info, std::move(left));
    }
  }

  // A search for all finds just these: what searches are answered from follows every merge.
  void search_all(const CollectionInfo& info, std::set<std::string, std::less<>> keys) {
    const std::vector<float> query(info.dimension, 1);
    VectorSearch what;
    what.collection = info.name;
    what.queries = query;
    what.dimension = info.dimension;
    what.k = keys.size() + 1;
    VectorHits hits;
    if (!ok(Vectors(call_).search(what, &hits))) return;
    for (size_t i = 0; i < hits.end(0); ++i) {
      expect(keys.erase(std::string(hits.key(i))) == 1, "a search finds a vector twice, or one that is not there");
    }
    expect(keys.empty(), "a search finds not all vectors");
  }

  static std::string collection_name(const std::string& where, const std::string& collection) {
    return where + " collection " + collection;
  }
  static std::string vector_prefix(const std::string& where, const std::string& collection) {
    return where + " vector " + collection + "/";
  }

  MergeResult merge(const std::string& source, const std::string& target, MergeStrategy strategy, bool dry_run,
                    Status* refused = nullptr) {
    ++merges_;
    MergeRequest request;
    request.source = source;
    request.target = target;
    request.strategy = strategy;
    request.dry_run = dry_run;
    MergeResult result;
    const Status status = Branches(call_).merge(request, &result);
    if (refused != nullptr) {
      *refused = status;
    } else {
      ok(status);
    }
    return result;
  }

  MergeStrategy any_strategy() {
    static constexpr MergeStrategy kSides[] = {MergeStrategy::kLastWriterWins, MergeStrategy::kSource,
                                               MergeStrategy::kTarget};
    return kSides[random_.below(3)];
  }

  // A merge with all that must hold of any.
  void checked_merge(const std::string& source, const std::string& target) {
    const Contents before = contents(target);
    const Contents theirs = contents(source);
    const MergeResult strict = merge(source, target, MergeStrategy::kStrict, true);
    expect(contents(target) == before, "a dry run changed something");
    Status refused;
    if (!strict.conflicts.empty()) {
      merge(source, target, MergeStrategy::kStrict, false, &refused);
      expect(refused.code() == Code::kMergeConflict, "a strict merge went through a conflict");
      expect(contents(target) == before, "a strict merge that was refused changed something");
      const MergeStrategy strategy = any_strategy();
      const MergeResult dry = merge(source, target, strategy, true);
      const MergeResult done = merge(source, target, strategy, false);
      expect(dry.keys_applied == done.keys_applied && dry.conflicts.size() == done.conflicts.size(),
             "a dry run said something else than the merge did");
    } else {
      const MergeResult done = merge(source, target, MergeStrategy::kStrict, false);
      expect(done.keys_applied == strict.keys_applied, "a dry run said something else than the merge did");
    }
    const MergeResult again = merge(source, target, MergeStrategy::kStrict, false);
    expect(again.keys_applied == 0 && again.conflicts.empty(), "merging again applied something");
    expect(contents(source) == theirs, "a merge changed its source");
    events_are_kept(before, theirs, contents(target));
    if (random_.one_in(2)) {
      merge(target, source, MergeStrategy::kStrict, false);
      expect(contents(source) == contents(target), "merging both ways did not converge");
    }
  }

  void events_are_kept(const Contents& before, const Contents& theirs, const Contents& after) {
    for (const char* space : kSpaces) {
      const auto log = after.events.find(space);
      const std::multiset<std::string> found = log == after.events.end() ? std::multiset<std::string>() : log->second;
      for (const std::string& event : found) expect(found.count(event) == 1, "an event is twice in a log");
      for (const Contents* side : {&before, &theirs}) {
        const auto had = side->events.find(space);
        if (had == side->events.end()) continue;
        for (const std::string& event : had->second) expect(found.contains(event), "an event was lost");
      }
    }
  }

  static const std::string* find(const Contents& contents, const std::string& name) {
    const auto found = contents.values.find(name);
    return found == contents.values.end() ? nullptr : &found->second;
  }
  static bool same(const std::string* a, const std::string* b) {
    return a == nullptr || b == nullptr ? a == b : *a == *b;
  }

  // The collections that two states define otherwise: the beginnings of all names of each.
  static std::vector<std::vector<std::string>> whole_collections(const Contents& a, const Contents& b) {
    std::vector<std::vector<std::string>> whole;
    for (const char* space : kSpaces) {
      for (const uint64_t first : {uint64_t{0}, kKeys}) {
        const std::string collection = "c" + std::to_string(first);
        const std::string definition = collection_name(space, collection);
        if (same(find(a, definition), find(b, definition))) continue;
        whole.push_back({definition, vector_prefix(space, collection)});
      }
    }
    return whole;
  }

  // Those whose names begin so.
  static std::map<std::string, std::string> part_of(const Contents& contents,
                                                    const std::vector<std::string>& prefixes) {
    std::map<std::string, std::string> part;
    for (const auto& [name, value] : contents.values) {
      const bool is_part = std::any_of(prefixes.begin(), prefixes.end(),
                                       [&](const std::string& prefix) { return name.starts_with(prefix); });
      if (is_part) part[name] = value;
    }
    return part;
  }

  // What has to be left of three values.
  template <typename Value>
  static Value merged(const Value& base, const Value& source, const Value& target, bool source_wins) {
    if (source == base) return target;
    if (target == base) return source;
    return source_wins ? source : target;
  }

  // Two forks of one state, each changed: the result, name by name.
  void three_way() {
    const std::string origin = random_.pick(branches_);
    const std::string source = fork(origin);
    const std::string target = fork(origin);
    const Contents base = contents(origin);
    change(source, 1 + random_.below(8), 0, kKeys);
    change(target, 1 + random_.below(8), 0, kKeys);
    if (random_.one_in(3)) change(origin, 1 + random_.below(4), 0, kKeys);  // is none of their business
    const Contents a = contents(source);
    const Contents b = contents(target);
    const bool source_wins = random_.one_in(2);
    merge(source, target, source_wins ? MergeStrategy::kSource : MergeStrategy::kTarget, false);
    const Contents after = contents(target);
    std::set<std::string> names;
    for (const Contents* each : {&base, &a, &b, &after}) {
      for (const auto& [name, value] : each->values) names.insert(name);
    }
    for (const std::vector<std::string>& whole : whole_collections(a, b)) {
      const auto expected = merged(part_of(base, whole), part_of(a, whole), part_of(b, whole), source_wins);
      expect(part_of(after, whole) == expected, "after a merge, " + whole[0] + " is not what it should be");
      std::erase_if(names,
                    [&](const std::string& name) { return name.starts_with(whole[0]) || name.starts_with(whole[1]); });
    }
    const auto value_of = [](const Contents& contents, const std::string& name) {
      const std::string* value = find(contents, name);
      return value != nullptr ? std::optional<std::string>(*value) : std::nullopt;
    };
    for (const std::string& name : names) {
      const auto expected = merged(value_of(base, name), value_of(a, name), value_of(b, name), source_wins);
      expect(value_of(after, name) == expected, "after a merge, " + name + " is not what it should be");
    }
    events_are_kept(b, a, after);
    merge(target, source, MergeStrategy::kStrict, false);
    expect(contents(source) == after, "merging both ways did not converge");
  }

  void independent() {
    const std::string origin = random_.pick(branches_);
    const std::string a = fork(origin);
    const std::string b = fork(origin);
    const std::string first = fork(origin);
    const std::string other = fork(origin);
    change(a, 1 + random_.below(6), 0, kKeys);
    change(b, 1 + random_.below(6), kKeys, 2 * kKeys);
    for (const std::string& source : {a, b}) merge(source, first, MergeStrategy::kStrict, false);
    for (const std::string& source : {b, a}) merge(source, other, MergeStrategy::kStrict, false);
    expect(contents(first) == contents(other), "the order of two independent merges mattered");
  }

  Call call_;
  const std::string prefix_;
  Random random_;
  std::vector<std::string> branches_;
  size_t next_ = 1;
  int64_t events_ = 0;
  uint64_t merges_ = 0;
  std::string problem_;
};

TEST(MergeTest, TheAlgebraHolds) {
  const uint64_t seed = testing::test_seed(1);
  const uint64_t graphs = testing::scaled(4000);
  constexpr uint64_t kGraphsInOne = 200;
  uint64_t merges = 0;
  std::unique_ptr<Session> session;
  for (uint64_t i = 0; i < graphs; ++i) {
    if (i % kGraphsInOne == 0) {
      auto opened = Session::open_memory({});
      ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
      session = std::move(*opened);
    }
    Graph graph(*session, i, seed + i);
    ASSERT_EQ(graph.run(), "") << "graph " << i << ": STRATA_SEED=" << seed + i << " STRATA_SCALE=0.00025 shows it";
    merges += graph.merges();
  }
  std::printf("counted: %llu graphs of branches, %llu merges, 0 wrong, seed %llu\n",
              static_cast<unsigned long long>(graphs), static_cast<unsigned long long>(merges),
              static_cast<unsigned long long>(seed));
}

}  // namespace
}  // namespace strata
