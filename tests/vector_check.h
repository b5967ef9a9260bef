// Whether the engine answers about a collection what the oracle says: what it lists and reads, and what searches find,
// compared with every vector in float64.
//
// Thread safety: none. Ownership: borrows the Call.
#pragma once

#include <algorithm>
#include <cmath>
#include <functional>
#include <limits>
#include <map>
#include <optional>
#include <span>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "model/vector_codec.h"
#include "strata/session.h"
#include "strata/value.h"
#include "strata/vector.h"
#include "testing/model_db.h"
#include "testing/random.h"

namespace strata {

class VectorCheck {
 public:
  // Of the Call's branch and space, which `where` names in what is said.
  VectorCheck(Call& call, std::string where, AsOf at) : call_(call), where_(std::move(where)), at_(at) {}

  // All collections that the space ever had.
  Status all(const testing::ModelBranch& branch, const std::string& space) {
    using testing::ModelFamily;
    STRATA_ASSIGN(const std::vector<CollectionInfo> listed, Vectors(call_).list_collections(at_));
    const auto expected = branch.scan(space, "", at_, ModelFamily::kCollection);
    if (listed.size() != expected.size()) {
      return differ(std::to_string(listed.size()) + " collections, not " + std::to_string(expected.size()));
    }
    for (size_t i = 0; i < listed.size(); ++i) {
      const auto& [name, definition] = expected[i];
      const bool same = listed[i].name == name &&
                        model::build_collection({listed[i].dimension, listed[i].metric}) == *definition->value;
      if (!same) return differ("collection " + listed[i].name + " in place of " + name);
      const auto vectors = branch.scan(space, testing::vector_key(name, ""), at_, ModelFamily::kVector);
      if (listed[i].count != vectors.size()) {
        return differ("collection " + name + " counts " + std::to_string(listed[i].count) + " vectors, not " +
                      std::to_string(vectors.size()));
      }
      STRATA_TRY(reads(name, vectors));
    }
    for (const std::string& name : branch.keys_ever(space, ModelFamily::kCollection)) {
      // The past is searched by reading all of it: not everywhere, always.
      if (at_ && (*at_ + name.size() + space.size()) % 3 != 0) continue;
      STRATA_TRY(searches(name, branch.collection(space, name, at_), at_.value_or(listed.size())));
    }
    return Status::ok();
  }

  // What searches of one find, however they ask. The same seed asks the same.
  Status searches(const std::string& name, const testing::ModelCollection& expected, uint64_t seed) {
    testing::Random random(seed);
    if (!expected.definition) return none(name);
    const auto definition = model::parse_collection(*expected.definition);
    if (!definition) return differ("a definition that is none");
    std::vector<Entry> entries;
    for (const auto& [key, value] : expected.vectors) entries.push_back({&key, &value, {}, {}});
    for (Entry& entry : entries) {
      model::VectorView view;
      STRATA_TRY(model::read_vector(*entry.value, &view));
      entry.components.resize(view.dimension);
      view.copy(entry.components.data());
      entry.metadata = view.metadata;
    }
    for (int i = 0; i < (at_ ? 1 : 3); ++i) STRATA_TRY(search(name, *definition, entries, &random));
    return Status::ok();
  }

 private:
  // A vector as the oracle has it.
  struct Entry {
    const std::string* key = nullptr;
    const std::string* value = nullptr;
    std::vector<float> components;
    std::string_view metadata;
  };
  struct Scored {
    const Entry* entry = nullptr;
    double score = 0;
    double tolerance = 0;  // float32 may differ by as much
  };
  // A condition as the engine is asked and as it is meant.
  struct Filter {
    std::string encoded;
    std::function<bool(std::string_view metadata)> holds = [](std::string_view) { return true; };
  };

  Status differ(const std::string& what) const { return Status::error(Code::kInvalidArgument, where_ + ": " + what); }

  Status reads(const std::string& name,
               const std::vector<std::pair<std::string, const testing::ModelVersion*>>& expected) const {
    constexpr size_t kEachOf = 5;
    KeyList keys;
    STRATA_TRY(Vectors(call_).list(name, "", std::nullopt, at_, &keys));
    if (keys.size() != expected.size()) {
      return differ("collection " + name + " lists " + std::to_string(keys.size()) + " vectors, not " +
                    std::to_string(expected.size()));
    }
    for (size_t i = 0; i < keys.size(); ++i) {
      const std::string key = expected[i].first.substr(name.size() + 1);
      if (keys[i] != key) return differ("vector " + std::string(keys[i]) + " in place of " + key);
      if (i % kEachOf != at_.value_or(0) % kEachOf) continue;
      std::string buffer;
      STRATA_ASSIGN(const auto found, Vectors(call_).get(name, key, at_, &buffer));
      const testing::ModelVersion& version = *expected[i].second;
      const bool same = found && buffer == *version.value && found->version == version.version &&
                        found->timestamp == version.timestamp;
      if (!same) return differ("another version of vector " + key);
    }
    KeyList some;
    STRATA_TRY(Vectors(call_).list(name, "v1", 2, at_, &some));
    const auto with_prefix = std::count_if(expected.begin(), expected.end(), [&](const auto& entry) {
      return entry.first.substr(name.size() + 1).starts_with("v1");
    });
    const bool same = some.size() == std::min<size_t>(2, static_cast<size_t>(with_prefix));
    return same ? Status::ok() : differ("collection " + name + " lists others that begin with v1");
  }

  Status none(const std::string& name) const {
    const float query = 1;
    VectorSearch what;
    what.collection = name;
    what.queries = {&query, 1};
    what.dimension = 1;
    what.as_of = at_;
    VectorHits hits;
    KeyList keys;
    const Status searched = Vectors(call_).search(what, &hits);
    const Status listed = Vectors(call_).list(name, "", std::nullopt, at_, &keys);
    for (const Status& status : {searched, listed}) {
      if (status.is_ok()) return differ("collection " + name + " is there");
      if (status.code() != Code::kCollectionNotFound) return status;
    }
    return Status::ok();
  }

  Status search(const std::string& name, const model::CollectionDefinition& definition,
                const std::vector<Entry>& entries, testing::Random* random) const {
    static constexpr VectorMetric kMetrics[] = {VectorMetric::kCosine, VectorMetric::kEuclidean,
                                                VectorMetric::kDotProduct};
    VectorSearch what;
    what.collection = name;
    what.dimension = definition.dimension;
    what.count = 1 + random->below(2);
    what.k = 1 + random->below(random->one_in(3) ? entries.size() + 3 : 12);
    what.exact = random->one_in(2);
    what.as_of = at_;
    if (random->one_in(4)) what.metric = kMetrics[random->below(std::size(kMetrics))];
    std::vector<float> queries;
    for (uint64_t i = 0; i < what.count; ++i) add_query(definition.dimension, entries, random, &queries);
    what.queries = queries;
    const Filter filter = any_filter(random);
    what.filters = filter.encoded;
    VectorHits hits;
    STRATA_TRY(Vectors(call_).search(what, &hits));
    const std::string how = "search of " + name + " for " + std::to_string(what.k) + (what.exact ? ", exact" : "") +
                            (filter.encoded.empty() ? "" : ", filtered") + ": ";
    if (hits.queries() != what.count) return differ(how + "answers to other queries");
    for (uint64_t i = 0; i < what.count; ++i) {
      const std::span<const float> query(queries.data() + i * what.dimension, what.dimension);
      std::vector<Scored> scored;
      for (const Entry& entry : entries) {
        if (!filter.holds(entry.metadata)) continue;
        scored.push_back(score(entry, query, what.metric.value_or(definition.metric)));
      }
      // So few that an approximate search looks at every one.
      const bool all_of_them = what.exact || entries.size() <= 40;
      const std::string wrong = compare(std::move(scored), what.k, all_of_them, hits, i);
      if (!wrong.empty()) return differ(how + wrong);
    }
    return Status::ok();
  }

  // A vector that is there or near one, or any; never zero.
  static void add_query(uint32_t dimension, const std::vector<Entry>& entries, testing::Random* random,
                        std::vector<float>* queries) {
    std::vector<float> query(dimension);
    if (!entries.empty() && !random->one_in(3)) query = entries[random->below(entries.size())].components;
    if (random->one_in(2)) {
      for (float& component : query) component += static_cast<float>(random->below(5)) - 2;
    }
    if (model::find_fault(query) == model::VectorFault::kZero) query[0] = 1;
    queries->insert(queries->end(), query.begin(), query.end());
  }

  static Filter any_filter(testing::Random* random) {
    Filter filter;
    const uint64_t dice = random->below(6);
    if (dice == 0) {
      const auto least = static_cast<int64_t>(random->below(5));
      filter.encoded = condition("n", "gte", [&](ValueWriter* writer) { return writer->integer(least); });
      filter.holds = [least](std::string_view metadata) { return integer_of(metadata, "n").value_or(-1) >= least; };
    } else if (dice == 1) {
      filter.encoded = condition("tag", "eq", [](ValueWriter* writer) { return writer->string("red"); });
      filter.holds = [](std::string_view metadata) { return metadata.find("red") != std::string_view::npos; };
    } else if (dice == 2) {
      filter.encoded = condition("tag", "exists", [](ValueWriter* writer) { return writer->boolean(false); });
      filter.holds = [](std::string_view metadata) { return metadata.find("tag") == std::string_view::npos; };
    }
    return filter;
  }

  static std::string condition(std::string_view field, std::string_view op,
                               const std::function<bool(ValueWriter*)>& value) {
    ValueWriter writer;
    const bool written = writer.begin_array() && writer.begin_object() && writer.name("field") &&
                         writer.string(field) && writer.name("op") && writer.string(op) && writer.name("value") &&
                         value(&writer) && writer.end() && writer.end();
    return written ? std::string(writer.result()) : std::string();
  }

  static std::optional<int64_t> integer_of(std::string_view metadata, std::string_view name) {
    const auto found = ValueView(metadata).find(name);
    if (!found.is_ok() || !*found) return std::nullopt;
    const auto token = (*found)->read();
    return token.is_ok() ? std::optional<int64_t>(token->integer) : std::nullopt;
  }

  static Scored score(const Entry& entry, std::span<const float> query, VectorMetric metric) {
    double product = 0;
    double size = 0;  // of the terms of the product: what float32 rounds
    double distance = 0;
    double mine = 0;
    double theirs = 0;
    for (size_t i = 0; i < query.size(); ++i) {
      const double x = query[i];
      const double y = entry.components[i];
      product += x * y;
      size += std::abs(x * y);
      distance += (x - y) * (x - y);
      mine += x * x;
      theirs += y * y;
    }
    constexpr double kTolerance = 1e-5;
    if (metric == VectorMetric::kDotProduct) {
      // Beyond float32 a product is infinite.
      const bool beyond = std::abs(product) > double{std::numeric_limits<float>::max()};
      if (beyond) product = std::copysign(std::numeric_limits<double>::infinity(), product);
      return {&entry, product, kTolerance * (1 + size)};
    }
    if (metric == VectorMetric::kEuclidean) return {&entry, 1 / (1 + std::sqrt(distance)), kTolerance};
    const double lengths = std::sqrt(mine) * std::sqrt(theirs);
    return {&entry, lengths > 0 ? std::clamp(product / lengths, -1.0, 1.0) : 0, kTolerance};
  }

  // What is wrong with the answer to one query; empty if nothing is.
  static std::string compare(std::vector<Scored> scored, uint64_t k, bool all_of_them, const VectorHits& hits,
                             uint64_t query) {
    std::sort(scored.begin(), scored.end(), [](const Scored& a, const Scored& b) {
      return a.score != b.score ? a.score > b.score : *a.entry->key < *b.entry->key;
    });
    const size_t first = hits.begin(query);
    const size_t count = hits.end(query) - first;
    const size_t wanted = std::min<uint64_t>(k, scored.size());
    if (count != wanted) return std::to_string(count) + " hits, not " + std::to_string(wanted);
    std::map<std::string_view, const Scored*> by_key;
    // Vectors that are alike come in the order of their keys, and none is left out before another.
    std::map<std::vector<float>, std::vector<std::string_view>> alike;
    for (const Scored& one : scored) {
      by_key[*one.entry->key] = &one;
      alike[one.entry->components].push_back(*one.entry->key);
    }
    std::map<std::vector<float>, size_t> seen;
    size_t misses = 0;
    for (size_t i = 0; i < count; ++i) {
      const std::string key(hits.key(first + i));
      const auto found = by_key.find(key);
      if (found == by_key.end()) return "found " + key + ", which is no answer, or twice";
      const Scored& one = *found->second;
      by_key.erase(found);
      const float score = hits.score(first + i);
      if (!is_near(one.score, score, one.tolerance)) {
        return key + " scores " + std::to_string(score) + ", not " + std::to_string(one.score);
      }
      if (hits.metadata(first + i) != one.entry->metadata) return key + " has other metadata";
      const bool follows = i == 0 || hits.score(first + i - 1) > score ||
                           (hits.score(first + i - 1) == score && hits.key(first + i - 1) < key);
      if (!follows) return key + " comes too late";
      const Scored& last = scored[wanted - 1];
      if (one.score < last.score - one.tolerance - last.tolerance) ++misses;
      if (all_of_them && alike[one.entry->components][seen[one.entry->components]++] != key) {
        return key + " comes before its like";
      }
    }
    const size_t allowed = all_of_them ? 0 : wanted / 5;
    return misses <= allowed ? std::string() : std::to_string(misses) + " of " + std::to_string(count) + " are missed";
  }

  static bool is_near(double expected, float found, double tolerance) {
    return std::isfinite(expected) ? std::abs(expected - double{found}) <= tolerance : expected == double{found};
  }

  Call& call_;
  const std::string where_;
  const AsOf at_;
};

}  // namespace strata
