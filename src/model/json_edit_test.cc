#include "model/json_edit.h"

#include <gtest/gtest.h>

#include <random>
#include <string>
#include <vector>

#include "model/json_test_support.h"

namespace strata::model {
namespace {

class Random {
 public:
  explicit Random(uint64_t seed) : engine_(seed) {}
  uint64_t below(uint64_t n) { return engine_() % n; }

 private:
  std::mt19937_64 engine_;
};

struct Outcome {
  Code code = Code::kOk;
  std::string document;  // as JSON
};

Outcome edit(std::optional<std::string> document, std::string_view path, JsonChange change,
             std::string_view value = {}) {
  JsonPath place;
  const Status parsed = path.starts_with('/') ? place.parse_pointer(path) : place.parse(path);
  EXPECT_TRUE(parsed.is_ok()) << parsed.to_string();
  std::string out;
  std::optional<std::string> encoded;
  if (document) encoded = from_json(*document);
  const std::optional<std::string_view> given = encoded ? std::optional<std::string_view>(*encoded) : std::nullopt;
  const Status status = edit_json(given, place.steps(), change, value.empty() ? "" : from_json(value), &out);
  if (!status.is_ok()) return {status.code(), std::string(status.message())};
  const Status valid = ValueView(out).validate();
  EXPECT_TRUE(valid.is_ok()) << valid.to_string();
  return {Code::kOk, to_json(out)};
}
std::string set(std::optional<std::string> document, std::string_view path, std::string_view value) {
  return edit(std::move(document), path, JsonChange::kSet, value).document;
}

TEST(JsonEditTest, SetReplacesAddsAndAppends) {
  EXPECT_EQ(set("{'a':1,'b':2}", "$.a", "[]"), "{'a':[],'b':2}");
  EXPECT_EQ(set("{'a':1}", "$.b", "2"), "{'a':1,'b':2}");
  EXPECT_EQ(set("{'a':1}", "$", "2"), "2");
  EXPECT_EQ(set("[1,2]", "$[1]", "3"), "[1,3]");
  EXPECT_EQ(set("[1,2]", "$[-2]", "3"), "[3,2]");
  EXPECT_EQ(set("[1,2]", "$[2]", "3"), "[1,2,3]");
  EXPECT_EQ(set("[]", "$[0]", "3"), "[3]");
  EXPECT_EQ(set("{'a':{'b':[{'c':1}]}}", "$.a.b[0].c", "'x'"), "{'a':{'b':[{'c':'x'}]}}");
}

TEST(JsonEditTest, SetMakesWhatIsMissingOnTheWay) {
  EXPECT_EQ(set(std::nullopt, "$", "1"), "1");
  EXPECT_EQ(set(std::nullopt, "$.a.b", "1"), "{'a':{'b':1}}");
  EXPECT_EQ(set("{}", "$.a.b.c", "1"), "{'a':{'b':{'c':1}}}");
  EXPECT_EQ(set("[0]", "$[1].a", "1"), "[0,{'a':1}]");
}

TEST(JsonEditTest, WhatDoesNotFitIsAConflict) {
  for (const char* path : {"$[0]", "$.a.b", "$.a[0]", "$.l.x", "$.l[2]", "$.l[-2]", "$.n.x", "$.new[0]", "$.l[1][0]"}) {
    const Outcome outcome = edit("{'a':1,'l':[1],'n':null}", path, JsonChange::kSet, "1");
    EXPECT_EQ(outcome.code, Code::kPathConflict) << path;
    EXPECT_NE(outcome.document.find(" at $"), std::string::npos) << outcome.document;
  }
  EXPECT_EQ(edit(std::nullopt, "$[0]", JsonChange::kSet, "1").code, Code::kPathConflict);
}

TEST(JsonEditTest, ChangesOfPatches) {
  EXPECT_EQ(edit("[1,2]", "/0", JsonChange::kAdd, "0").document, "[0,1,2]");
  EXPECT_EQ(edit("[1,2]", "/2", JsonChange::kAdd, "0").document, "[1,2,0]");
  EXPECT_EQ(edit("[1,2]", "/-", JsonChange::kAdd, "0").document, "[1,2,0]");
  EXPECT_EQ(edit("{'0':1}", "/0", JsonChange::kAdd, "2").document, "{'0':2}");
  EXPECT_EQ(edit("{'a':[1]}", "/a/0", JsonChange::kReplace, "2").document, "{'a':[2]}");
  EXPECT_EQ(edit("{'a':[1]}", "/a/0", JsonChange::kRemove).document, "{'a':[]}");
  EXPECT_EQ(edit("{'a':1,'b':2}", "/a", JsonChange::kRemove).document, "{'b':2}");
  for (const char* path : {"/3", "/-1", "/01", "/1e", "/99999999999999999999", "/0/x"}) {
    EXPECT_EQ(edit("[1,2]", path, JsonChange::kAdd, "0").code, Code::kPathConflict) << path;
  }
  EXPECT_EQ(edit("{'a':1}", "/b/c", JsonChange::kAdd, "0").code, Code::kPathConflict);
  EXPECT_EQ(edit("{'a':1}", "/b", JsonChange::kReplace, "0").code, Code::kPathConflict);
  EXPECT_EQ(edit("[1]", "/1", JsonChange::kReplace, "0").code, Code::kPathConflict);
  EXPECT_EQ(edit("[1]", "/-", JsonChange::kRemove).code, Code::kPathConflict);
}

TEST(JsonEditTest, NestingIsThatOfTheWholeDocument) {
  const auto nested = [](int depth) {
    std::string text;
    for (int i = 0; i < depth; ++i) text += "[";
    return text + std::string(static_cast<size_t>(depth), ']');
  };
  std::string path = "$";
  for (int i = 0; i < 128; ++i) {
    EXPECT_EQ(edit(std::nullopt, path, JsonChange::kSet, nested(128 - i)).code, Code::kOk) << i;
    if (i > 0) {
      EXPECT_EQ(edit(std::nullopt, path, JsonChange::kSet, nested(129 - i)).code, Code::kNestingTooDeep) << i;
    }
    path += ".a";
  }
  EXPECT_EQ(edit(std::nullopt, path, JsonChange::kSet, "1").code, Code::kOk);
  EXPECT_EQ(edit(std::nullopt, path, JsonChange::kSet, "[]").code, Code::kNestingTooDeep);
  EXPECT_EQ(edit(std::nullopt, path + ".a", JsonChange::kSet, "1").code, Code::kNestingTooDeep);
}

// ---- the same by decoding, changing and encoding ----

// A value as a tree of nodes.
struct Node {
  std::string scalar;  // encoded; empty for a container
  bool object = false;
  std::vector<std::pair<std::string, Node>> members;
};

Node decode(ValueView value) {
  const auto token = value.read();
  if (token->type != ValueType::kObject && token->type != ValueType::kArray)
    return {std::string(value.bytes()), false, {}};
  Node node;
  node.object = token->type == ValueType::kObject;
  for (ValueItems items(value); items.next();) node.members.emplace_back(items.name(), decode(items.value()));
  return node;
}

bool encode(const Node& node, ValueWriter* out) {
  if (!node.scalar.empty()) return out->value(ValueView(node.scalar));
  if (!(node.object ? out->begin_object() : out->begin_array())) return false;
  for (const auto& [name, member] : node.members) {
    if ((node.object && !out->name(name)) || !encode(member, out)) return false;
  }
  return out->end();
}

Node random_scalar(Random& random) {
  ValueWriter out;
  switch (random.below(5)) {
    case 0:
      EXPECT_TRUE(out.integer(static_cast<int64_t>(random.below(1000)) - 500));
      break;
    case 1:
      EXPECT_TRUE(out.real(0.5));
      break;
    case 2:
      EXPECT_TRUE(out.string(std::string(random.below(100) == 0 ? 70'000 : random.below(300), 's')));
      break;
    case 3:
      EXPECT_TRUE(out.bytes(std::string(random.below(300), 'b')));
      break;
    default:
      EXPECT_TRUE(out.null());
  }
  return {std::string(out.result()), false, {}};
}

Node random_node(Random& random, int depth) {
  if (depth == 0 || random.below(3) == 0) return random_scalar(random);
  Node node;
  node.object = random.below(2) == 0;
  constexpr size_t kCounts[] = {0, 1, 2, 15, 16, 17, 18, 31, 32, 33, 48, 100};
  const size_t count = kCounts[random.below(depth > 1 ? 12 : 3)];
  for (size_t i = 0; i < count; ++i) {
    node.members.emplace_back(node.object ? "name" + std::to_string(i) : "",
                              random_node(random, depth - 1 - (count > 3)));
  }
  return node;
}

// Makes the change in a tree of nodes. False: it does not fit.
bool change_node(Node* node, std::span<const JsonStep> path, JsonChange change, const Node& value) {
  if (path.empty()) {
    *node = value;
    return true;
  }
  auto& members = node->members;
  const JsonStep& step = path[0];
  const bool last = path.size() == 1;
  const bool may_add = change == JsonChange::kSet || (last && change == JsonChange::kAdd);
  if (!node->scalar.empty() || node->object != (step.kind == JsonStep::Kind::kName)) return false;
  size_t at = 0;
  if (node->object) {
    while (at < members.size() && members[at].first != step.text) ++at;
  } else {
    at = static_cast<size_t>(step.index < 0 ? step.index + static_cast<int64_t>(members.size()) : step.index);
    if (at > members.size()) return false;
  }
  if (at == members.size() || (!node->object && last && change == JsonChange::kAdd)) {
    if (!may_add) return false;
    Node made;
    made.object = true;
    if (!last && path[1].kind != JsonStep::Kind::kName) return false;
    members.emplace(members.begin() + static_cast<std::ptrdiff_t>(at), std::string(step.text), last ? value : made);
    return last || change_node(&members[at].second, path.subspan(1), change, value);
  }
  if (last && change == JsonChange::kRemove) {
    members.erase(members.begin() + static_cast<std::ptrdiff_t>(at));
    return true;
  }
  return change_node(&members[at].second, path.subspan(1), change, value);
}

std::vector<JsonStep> random_path(Random& random, const Node& root, std::vector<std::string>* names) {
  std::vector<JsonStep> path;
  const Node* node = &root;
  names->reserve(8);
  while (path.size() < 6 && (path.empty() || random.below(5) != 0)) {
    const auto count = static_cast<int64_t>(node->members.size());
    if (!node->scalar.empty() || (count == 0 && random.below(2) == 0)) {
      if (random.below(3) != 0) break;
      names->push_back("new" + std::to_string(random.below(3)));
      path.push_back({JsonStep::Kind::kName, names->back(), 0});
      continue;
    }
    if (node->object) {
      const bool known = count > 0 && random.below(8) != 0;
      names->push_back(known ? node->members[random.below(static_cast<uint64_t>(count))].first : "new");
      path.push_back({JsonStep::Kind::kName, names->back(), 0});
    } else {
      const auto index = static_cast<int64_t>(random.below(static_cast<uint64_t>(count) + 2));
      path.push_back({JsonStep::Kind::kIndex, {}, random.below(4) == 0 ? index - count - 1 : index});
    }
    const Node* next = nullptr;
    for (const auto& [name, member] : node->members) {
      if (node->object && name == path.back().text) next = &member;
    }
    const int64_t index = path.back().index < 0 ? path.back().index + count : path.back().index;
    if (!node->object && index >= 0 && index < count) next = &node->members[static_cast<size_t>(index)].second;
    if (next == nullptr) break;
    node = next;
  }
  return path;
}

TEST(JsonEditTest, RandomEditsAreWhatTheyAreInATree) {
  const char* given = std::getenv("STRATA_SEED");
  const uint64_t seed = given != nullptr ? std::strtoull(given, nullptr, 10) : 1;
  std::printf("STRATA_SEED=%llu\n", static_cast<unsigned long long>(seed));
  Random random(seed);
  int fitted = 0;
  for (int round = 0; round < 300; ++round) {
    Node root = random_node(random, 4);
    ValueWriter writer;
    ASSERT_TRUE(encode(root, &writer));
    std::string document(writer.result());
    for (int step = 0; step < 20; ++step) {
      std::vector<std::string> names;
      const std::vector<JsonStep> path = random_path(random, root, &names);
      const auto change = static_cast<JsonChange>(random.below(4));
      if (path.empty() && change == JsonChange::kRemove) continue;
      const Node value = random_node(random, 2);
      ValueWriter encoded;
      ASSERT_TRUE(encode(value, &encoded));
      Node changed = root;
      const bool fits = change_node(&changed, path, change, value);
      std::string out;
      const Status status = edit_json(document, path, change, encoded.result(), &out);
      ASSERT_EQ(status.is_ok(), fits) << status.to_string() << " " << show_path(path);
      std::string_view found;
      ASSERT_NE(find_json(document, path, &found), Seek::kDamaged);
      if (!fits) {
        ASSERT_EQ(status.code(), Code::kPathConflict);
        continue;
      }
      ++fitted;
      root = changed;
      writer.clear();
      ASSERT_TRUE(encode(root, &writer));
      ASSERT_EQ(out, writer.result()) << show_path(path) << " " << static_cast<int>(change);
      document = out;
      if (change == JsonChange::kSet && (path.empty() || path.back().kind == JsonStep::Kind::kName)) {
        ASSERT_EQ(find_json(document, path, &found), Seek::kFound);
        ASSERT_EQ(found, encoded.result());
      }
    }
  }
  EXPECT_GT(fitted, 1000);
}

// Any damage is found or harmless: reads and edits stay inside of the bytes (sanitizers watch).
TEST(JsonEditTest, DamagedDocumentsAreRefusedOrRead) {
  Random random(7);
  std::string text = "{'list':[";
  for (int i = 0; i < 40; ++i) text += std::to_string(i) + ",";
  text += "],'o':{";
  for (int i = 0; i < 40; ++i) text += "'k" + std::to_string(i) + "':{'n':'text'},";
  const std::string whole = from_json(text + "}}");
  const char* const kPaths[] = {"/list/20", "/list/-", "/list/0", "/o/k30/n", "/o/k5", "/o/new", "/list/39"};
  int refused = 0;
  for (int round = 0; round < 20'000; ++round) {
    std::string damaged = whole;
    for (uint64_t flips = 1 + random.below(3); flips > 0; --flips) {
      damaged[random.below(damaged.size())] = static_cast<char>(random.below(256));
    }
    if (random.below(4) == 0) damaged.resize(1 + random.below(damaged.size()));
    JsonPath path;
    ASSERT_TRUE(path.parse_pointer(kPaths[random.below(7)]).is_ok());
    std::string_view found;
    (void)find_json(damaged, path.steps(), &found);
    std::string out;
    const Status status = edit_json(damaged, path.steps(), static_cast<JsonChange>(1 + random.below(3)), "\x01", &out);
    refused += status.code() == Code::kCorruption ? 1 : 0;
  }
  EXPECT_GT(refused, 100);
}

}  // namespace
}  // namespace strata::model
