// Everything that the engine answers, held against the oracle.
//
// Thread safety: none. Ownership: borrows session and oracle.
#pragma once

#include <algorithm>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "strata/branch.h"
#include "strata/event.h"
#include "strata/json.h"
#include "strata/kv.h"
#include "strata/session.h"
#include "strata/space.h"
#include "strata/state.h"
#include "strata/value.h"
#include "strata/vector.h"
#include "testing/model_db.h"
#include "vector_check.h"

namespace strata {

// Compares what the engine answers with the oracle; says what differs first, or nothing.
class Comparison {
 public:
  Comparison(Session& session, const testing::ModelDb& model) : session_(session), model_(model) {}

  // Everything of the present, histories of all keys, and the past at each of the moments.
  std::optional<std::string> all(const std::vector<uint64_t>& moments) {
    const Status status = branches(moments);
    if (status.is_ok()) return std::nullopt;
    return status.to_string();
  }

 private:
  static constexpr size_t kEachOf = 5;  // of what takes a call each

  static Status differ(const std::string& where, const std::string& what) {
    return Status::error(Code::kInvalidArgument, where + ": " + what);
  }

  static std::string joined(const std::vector<std::string>& names) {
    std::string text;
    for (const std::string& name : names) text += " " + name;
    return text;
  }

  Status branches(const std::vector<uint64_t>& moments) {
    Call call(session_, Call::kWait);
    STRATA_TRY(call.entered());
    std::vector<std::string> expected;
    for (const auto& [name, branch] : model_.branches()) expected.push_back(name);
    STRATA_ASSIGN(const std::vector<std::string> names, Branches(call).list());
    if (names != expected)
      return differ("branches", std::to_string(names.size()) + " are there, not " + std::to_string(expected.size()));
    for (const auto& [name, branch] : model_.branches()) {
      STRATA_TRY(info(call, name, branch));
      STRATA_TRY(call.branch_use(name));
      STRATA_TRY(moment(call, name, branch, std::nullopt));
      for (const uint64_t at : moments) {
        if (at >= branch.trimmed_before) STRATA_TRY(moment(call, name, branch, at));
      }
      STRATA_TRY(histories(call, name, branch));
      STRATA_TRY(diffs(call, name, moments));
    }
    return call.branch_use("default");
  }

  // With the branch behind it in their list, now and at those moments that both still know.
  Status diffs(Call& call, const std::string& name, const std::vector<uint64_t>& moments) {
    auto other = model_.branches().upper_bound(name);
    if (other == model_.branches().end()) other = model_.branches().begin();
    const uint64_t known = std::max(other->second.trimmed_before, model_.branch(name).trimmed_before);
    STRATA_TRY(diff(call, name, other->first, std::nullopt));
    for (const uint64_t at : moments) {
      if (at >= known) STRATA_TRY(diff(call, name, other->first, at));
    }
    return Status::ok();
  }

  Status diff(Call& call, const std::string& a, const std::string& b, AsOf at) {
    const std::string where = "diff of " + a + " and " + b + " as of " + (at ? std::to_string(*at) : "now");
    STRATA_ASSIGN(const DiffResult found, Branches(call).diff({a, b, {}, at}));
    const testing::ModelDiff expected = model_.diff(a, b, at);
    if (testing::ModelDiff{found.added, found.removed, found.modified} == expected &&
        found.entries.size() == expected.added + expected.removed + expected.modified) {
      return Status::ok();
    }
    return differ(where, std::to_string(found.added) + ", " + std::to_string(found.removed) + ", " +
                             std::to_string(found.modified) + " added, removed and modified, not " +
                             std::to_string(expected.added) + ", " + std::to_string(expected.removed) + ", " +
                             std::to_string(expected.modified));
  }

  Status info(Call& call, const std::string& name, const testing::ModelBranch& branch) {
    STRATA_ASSIGN(const std::optional<BranchInfo> found, Branches(call).get(name));
    if (!found.has_value()) return differ(name, "no information");
    if (found->key_count != branch.key_count()) {
      return differ(name,
                    "key_count " + std::to_string(found->key_count) + ", not " + std::to_string(branch.key_count()));
    }
    if (found->version != branch.commits) {
      return differ(name, "version " + std::to_string(found->version) + ", not " + std::to_string(branch.commits));
    }
    if (found->parent != branch.parent) return differ(name, "another parent");
    if (found->fork_timestamp != branch.fork_timestamp) return differ(name, "another fork_timestamp");
    STRATA_ASSIGN(const std::vector<CommitInfo> commits, Branches(call).log(name, std::nullopt));
    const std::vector<uint64_t> times = branch.log();
    bool same_log = commits.size() == times.size();
    for (size_t i = 0; same_log && i < times.size(); ++i) same_log = commits[i].timestamp == times[i];
    if (!same_log) {
      return differ(name, "a log of " + std::to_string(commits.size()) + " commits, not of " +
                              std::to_string(times.size()) + ", cut at " + std::to_string(branch.trimmed_before));
    }
    if (branch.created_at != 0 && found->created_at != branch.created_at) return differ(name, "another created_at");
    return Status::ok();
  }

  Status moment(Call& call, const std::string& name, const testing::ModelBranch& branch, AsOf at) {
    const std::string where = name + " as of " + (at.has_value() ? std::to_string(*at) : "now");
    STRATA_ASSIGN(const std::vector<std::string> spaces, Spaces(call).list(at));
    if (spaces != branch.spaces(at))
      return differ(where, "spaces" + joined(spaces) + ", not" + joined(branch.spaces(at)));
    for (const std::string& space : spaces) {
      STRATA_TRY(call.space_use(space));
      KvScan scan;
      scan.as_of = at;
      RowList rows;
      STRATA_TRY(Kv(call).scan(scan, &rows));
      const auto expected = branch.scan(space, "", at);
      STRATA_ASSIGN(const uint64_t count, Kv(call).count("", at));
      if (count != expected.size() || rows.size() != expected.size()) {
        return differ(where, space + " has " + std::to_string(rows.size()) + " keys and counts " +
                                 std::to_string(count) + ", not " + std::to_string(expected.size()));
      }
      for (size_t i = 0; i < rows.size(); ++i) {
        const auto& [key, version] = expected[i];
        if (rows.key(i) != key) return differ(where, "key " + std::string(rows.key(i)) + " in place of " + key);
        STRATA_TRY(same(where + " " + space + "/" + key, rows, i, *version));
      }
      STRATA_TRY(cells(call, where + " " + space, branch, space, at));
      STRATA_TRY(documents(call, where + " " + space, branch, space, at));
      STRATA_TRY(VectorCheck(call, where + " " + space, at).all(branch, space));
      STRATA_TRY(events(call, where + " " + space, branch.events(space, at), at));
      STRATA_TRY(single_keys(call, where + " " + space + "/", branch, space, at));
      STRATA_TRY(single_events(call, where + " " + space, branch.events(space, at), at));
      if (at) STRATA_TRY(histories_of_space(call, where + " " + space + "/", branch, space, at));
    }
    for (const char* space : {"default", "notes", "a", "never"}) {
      STRATA_ASSIGN(const bool found, Spaces(call).exists(space, at));
      if (found != (std::find(spaces.begin(), spaces.end(), space) != spaces.end())) {
        return differ(where, std::string("whether there is a space ") + space);
      }
    }
    return Status::ok();
  }

  // What lists do not show, of some of the keys.
  static Status single_keys(Call& call, const std::string& where, const testing::ModelBranch& branch,
                            const std::string& space, AsOf at) {
    const std::vector<std::string> ever = branch.keys_ever(space);
    std::vector<std::string_view> asked;
    std::string value;
    for (size_t i = at.value_or(0) % kEachOf; i < ever.size(); i += kEachOf) {
      const testing::ModelVersion* expected = branch.get(space, ever[i], at);
      STRATA_ASSIGN(const bool exists, Kv(call).exists(ever[i], at));
      STRATA_ASSIGN(const auto found, Kv(call).get(ever[i], at, &value));
      const bool there = expected != nullptr;
      if (exists != there || found.has_value() != there) return differ(where + ever[i], "whether it is there");
      if (there && (value != *expected->value || found->version != expected->version ||
                    found->timestamp != expected->timestamp)) {
        return differ(where + ever[i], "another version");
      }
      asked.push_back(ever[i]);
    }
    RowList rows;
    STRATA_TRY(Kv(call).get_batch(asked, at, &rows));
    if (rows.size() != asked.size()) return differ(where, "a batch of another size");
    for (size_t i = 0; i < rows.size(); ++i) {
      const testing::ModelVersion* expected = branch.get(space, std::string(asked[i]), at);
      const bool there = rows.entry(i).version != 0;
      if (there != (expected != nullptr) || (there && rows.value(i) != *expected->value)) {
        return differ(where + std::string(asked[i]), "another value in a batch");
      }
    }
    return pages(call, where, branch, space, at);
  }

  static Status pages(Call& call, const std::string& where, const testing::ModelBranch& branch,
                      const std::string& space, AsOf at) {
    const std::string prefix = "key/1";
    std::vector<std::string> seen;
    std::optional<std::string> cursor;
    do {
      KeyList page;
      std::optional<std::string> next;
      STRATA_TRY(
          Kv(call).page(prefix, 3, cursor ? std::optional<std::string_view>(*cursor) : std::nullopt, at, &page, &next));
      for (size_t i = 0; i < page.size(); ++i) seen.emplace_back(page[i]);
      cursor = std::move(next);
    } while (cursor);
    const auto expected = branch.scan(space, prefix, at);
    bool equal = seen.size() == expected.size();
    for (size_t i = 0; equal && i < seen.size(); ++i) equal = seen[i] == expected[i].first;
    return equal ? Status::ok() : differ(where, "other pages of keys" + joined(seen));
  }

  static Status single_events(Call& call, const std::string& where,
                              const std::vector<const testing::ModelEvent*>& expected, AsOf at) {
    for (uint64_t sequence = at.value_or(0) % kEachOf; sequence < expected.size() + kEachOf; sequence += kEachOf) {
      EventList found;
      STRATA_ASSIGN(const bool there, Events(call).get(sequence, at, &found));
      if (there != (sequence < expected.size()) || (there && found[0].payload != expected[sequence]->payload)) {
        return differ(where, "another event " + std::to_string(sequence));
      }
    }
    if (expected.empty()) return Status::ok();
    EventQuery query;
    query.as_of = at;
    query.since = expected[expected.size() / 3]->timestamp;
    query.until = expected[expected.size() / 2]->timestamp;
    const auto chosen =
        static_cast<size_t>(std::count_if(expected.begin(), expected.end(), [&](const testing::ModelEvent* event) {
          return event->timestamp >= *query.since && event->timestamp <= *query.until;
        }));
    EventList some;
    STRATA_TRY(Events(call).list(query, &some));
    if (some.size() == chosen) return Status::ok();
    return differ(where, std::to_string(some.size()) + " events between " + std::to_string(*query.since) + " and " +
                             std::to_string(*query.until) + ", not " + std::to_string(chosen));
  }

  static Status documents(Call& call, const std::string& where, const testing::ModelBranch& branch,
                          const std::string& space, AsOf at) {
    KeyList rows;
    STRATA_TRY(Json(call).list("", std::nullopt, at, &rows));
    const auto expected = branch.scan(space, "", at, testing::ModelFamily::kDocument);
    if (rows.size() != expected.size()) {
      return differ(where, std::to_string(rows.size()) + " documents, not " + std::to_string(expected.size()));
    }
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto& [key, version] = expected[i];
      if (rows[i] != key) return differ(where, "document " + std::string(rows[i]) + " in place of " + key);
      std::string whole;
      std::string part;
      STRATA_ASSIGN(const auto found, Json(call).get(key, "$", at, &whole));
      if (!found || found->version != version->version || found->timestamp != version->timestamp) {
        return differ(where, "another version of document " + key);
      }
      STRATA_TRY(Json(call).get(key, "$.v", at, &part).status());
      STRATA_ASSIGN(const auto member, ValueView(*version->value).find("v"));
      if (whole != *version->value || part != member->bytes()) return differ(where, "another document " + key);
    }
    return Status::ok();
  }

  static Status cells(Call& call, const std::string& where, const testing::ModelBranch& branch,
                      const std::string& space, AsOf at) {
    KeyList rows;
    STRATA_TRY(State(call).list("", at, &rows));
    const auto expected = branch.scan(space, "", at, testing::ModelFamily::kCell);
    if (rows.size() != expected.size()) {
      return differ(where, std::to_string(rows.size()) + " cells, not " + std::to_string(expected.size()));
    }
    for (size_t i = 0; i < rows.size(); ++i) {
      const auto& [cell, version] = expected[i];
      if (rows[i] != cell) return differ(where, "cell " + std::string(rows[i]) + " in place of " + cell);
      std::string value;
      STRATA_ASSIGN(const auto found, State(call).get(cell, at, &value));
      if (!found || found->version != version->version || found->timestamp != version->timestamp) {
        return differ(where, "another version of cell " + cell);
      }
      if (value != *version->value) return differ(where, "another value in cell " + cell);
    }
    return Status::ok();
  }

  static Status events(Call& call, const std::string& where, const std::vector<const testing::ModelEvent*>& expected,
                       AsOf at) {
    STRATA_ASSIGN(const uint64_t length, Events(call).length(at));
    EventQuery query;
    query.as_of = at;
    EventList all;
    STRATA_TRY(Events(call).list(query, &all));
    if (length != expected.size() || all.size() != expected.size()) {
      return differ(where, std::to_string(all.size()) + " events and a length of " + std::to_string(length) + ", not " +
                               std::to_string(expected.size()));
    }
    std::map<std::string, std::vector<uint64_t>> of_type;
    for (size_t i = 0; i < all.size(); ++i) {
      const EventView event = all[i];
      if (event.sequence != i || event.type != expected[i]->type || event.payload != expected[i]->payload ||
          event.timestamp != expected[i]->timestamp) {
        return differ(where, "another event " + std::to_string(i));
      }
      of_type[expected[i]->type].push_back(i);
    }
    STRATA_ASSIGN(const std::vector<std::string> types, Events(call).types(at));
    if (types.size() != of_type.size()) return differ(where, "types" + joined(types));
    for (const auto& [type, sequences] : of_type) {
      query.type = type;
      EventList some;
      STRATA_TRY(Events(call).list(query, &some));
      bool equal = some.size() == sequences.size();
      for (size_t i = 0; equal && i < some.size(); ++i) equal = some[i].sequence == sequences[i];
      if (!equal) return differ(where, "other events of type " + type);
    }
    STRATA_ASSIGN(const EventVerdict verdict, Events(call).verify(at));
    if (!verdict.valid) return differ(where, "the chain breaks at event " + std::to_string(*verdict.first_bad));
    return Status::ok();
  }

  Status histories(Call& call, const std::string& name, const testing::ModelBranch& branch) {
    for (const std::string& space : branch.spaces({})) {
      STRATA_TRY(call.space_use(space));
      STRATA_TRY(histories_of_space(call, name + " " + space + "/", branch, space, std::nullopt));
    }
    return Status::ok();
  }

  // Of all now, of some as of then.
  static Status histories_of_space(Call& call, const std::string& what, const testing::ModelBranch& branch,
                                   const std::string& space, AsOf at) {
    using Family = testing::ModelFamily;
    const size_t step = at ? kEachOf : 1;
    for (const Family family : {Family::kKey, Family::kCell, Family::kDocument, Family::kVector}) {
      const std::vector<std::string> ever = branch.keys_ever(space, family);
      for (size_t i = at.value_or(0) % step; i < ever.size(); i += step) {
        STRATA_TRY(history_of(call, what + ever[i], branch.history(space, ever[i], at, family), family, ever[i], at));
      }
    }
    return Status::ok();
  }

  static Status history_of(Call& call, const std::string& where, const std::vector<testing::ModelVersion>& expected,
                           testing::ModelFamily family, const std::string& key, AsOf at) {
    RowList rows;
    const auto ask = [&]() -> Result<bool> {
      if (family == testing::ModelFamily::kCell) return State(call).history(key, at, &rows);
      if (family == testing::ModelFamily::kDocument) return Json(call).history(key, at, &rows);
      if (family == testing::ModelFamily::kKey) return Kv(call).history(key, at, &rows);
      const std::string collection = testing::collection_of(key);
      return Vectors(call).history(collection, key.substr(collection.size() + 1), at, &rows);
    };
    const auto known = ask();
    STRATA_TRY(known.status());
    if (rows.size() != expected.size() || *known == expected.empty()) {
      return differ(where + " history",
                    std::to_string(rows.size()) + " versions, not " + std::to_string(expected.size()));
    }
    for (size_t i = 0; i < rows.size(); ++i) STRATA_TRY(same(where + " history", rows, i, expected[i]));
    return Status::ok();
  }

  static Status same(const std::string& where, const RowList& rows, size_t i, const testing::ModelVersion& expected) {
    const RowList::Entry& entry = rows.entry(i);
    if (entry.version != expected.version || entry.timestamp != expected.timestamp) {
      return differ(where, "version " + std::to_string(entry.version) + " of " + std::to_string(entry.timestamp) +
                               ", not " + std::to_string(expected.version) + " of " +
                               std::to_string(expected.timestamp));
    }
    if (entry.deleted == expected.value.has_value()) return differ(where, "deleted or not");
    if (expected.value.has_value() && rows.value(i) != *expected.value) return differ(where, "another value");
    return Status::ok();
  }

  Session& session_;
  const testing::ModelDb& model_;
};

}  // namespace strata
