#include "model/json_three_way.h"

#include <gtest/gtest.h>

#include "model/json_test_support.h"

namespace strata::model {
namespace {

struct Merged {
  std::string document;
  std::string paths;  // of what was to be decided, with both sides
};

enum class Choice : uint8_t { kSource, kTarget, kNothing, kOther };

Merged merged(std::string_view base, std::string_view source, std::string_view target,
              Choice choice = Choice::kSource) {
  const std::string encoded_base = base.empty() ? "" : from_json(base);
  const std::string encoded_source = from_json(source);
  const std::string encoded_target = from_json(target);
  const std::string other = from_json("['other']");
  Merged result;
  const auto show = [](const std::optional<ValueView>& side) { return side ? to_json(*side) : std::string("-"); };
  const JsonJudge judge = [&](const JsonClash& clash) -> Result<std::optional<ValueView>> {
    result.paths +=
        std::string(clash.path) + " " + show(clash.base) + " " + show(clash.source) + " " + show(clash.target) + ";";
    switch (choice) {
      case Choice::kSource:
        return clash.source;
      case Choice::kTarget:
        return clash.target;
      case Choice::kOther:
        return std::optional<ValueView>(ValueView(other));
      case Choice::kNothing:
        break;
    }
    return std::optional<ValueView>();
  };
  std::optional<ValueView> view;
  if (!base.empty()) view.emplace(encoded_base);
  std::string out;
  const Status status = merge_objects(view, ValueView(encoded_source), ValueView(encoded_target), judge, &out);
  EXPECT_TRUE(status.is_ok()) << status.to_string();
  EXPECT_TRUE(ValueView(out).validate().is_ok());
  result.document = to_json(out);
  return result;
}

TEST(JsonThreeWayTest, DisjointChangesMeetInTheTargetsOrder) {
  const Merged found =
      merged("{'a':1,'b':{'x':1,'y':2},'gone':1,'ours':1}", "{'new':1,'b':{'y':3,'x':1},'a':1,'ours':1}",
             "{'own':2,'a':5,'b':{'x':1,'y':2,'z':4},'gone':1}");
  EXPECT_EQ(found.document, "{'own':2,'a':5,'b':{'x':1,'y':3,'z':4},'new':1}");
  EXPECT_EQ(found.paths, "");
}

TEST(JsonThreeWayTest, WhatBothChangedIsDecided) {
  constexpr std::string_view kBase = "{'a':1,'b':{'c':[1]},'d':1}";
  constexpr std::string_view kSource = "{'a':2,'b':{'c':[2]},'n':1}";
  constexpr std::string_view kTarget = "{'a':3,'b':{'c':[3]},'d':4,'n':2}";
  const Merged found = merged(kBase, kSource, kTarget);
  EXPECT_EQ(found.paths, "$['a'] 1 2 3;$['b']['c'] [1] [2] [3];$['d'] 1 - 4;$['n'] - 1 2;");
  EXPECT_EQ(found.document, "{'a':2,'b':{'c':[2]},'n':1}");
  EXPECT_EQ(merged(kBase, kSource, kTarget, Choice::kTarget).document, "{'a':3,'b':{'c':[3]},'d':4,'n':2}");
  EXPECT_EQ(merged(kBase, kSource, kTarget, Choice::kNothing).document, "{'b':{}}");
  EXPECT_EQ(merged(kBase, kSource, kTarget, Choice::kOther).document,
            "{'a':['other'],'b':{'c':['other']},'d':['other'],'n':['other']}");
}

TEST(JsonThreeWayTest, ObjectsAgainstOthersAreWhole) {
  EXPECT_EQ(merged("{'a':{'b':1}}", "{'a':1}", "{'a':{'b':2}}").paths, "$['a'] {'b':1} 1 {'b':2};");
  EXPECT_EQ(merged("{'a':1}", "{'a':{'b':1}}", "{'a':{'b':2}}").paths, "$['a'] 1 {'b':1} {'b':2};");
  EXPECT_EQ(merged("{}", "{'a':{'b':1}}", "{'a':{'b':2}}").paths, "$['a']['b'] - 1 2;");
  EXPECT_EQ(merged("", "{'a':{'b':1}}", "{'a':{'c':2}}").document, "{'a':{'c':2,'b':1}}");
}

TEST(JsonThreeWayTest, EqualChangesAreNone) {
  const Merged found = merged("{'a':1,'b':1}", "{'a':{'x':1,'y':2}}", "{'a':{'y':2,'x':1}}");
  EXPECT_EQ(found.paths, "");
  EXPECT_EQ(found.document, "{'a':{'y':2,'x':1}}");
}

TEST(JsonThreeWayTest, ManyMembers) {
  std::string base = "{";
  std::string source = "{";
  std::string target = "{";
  for (int i = 0; i < 500; ++i) {
    const std::string name = std::string(i > 0 ? "," : "") + "'m" + std::to_string(i) + "':";
    base += name + "0";
    source += name + (i % 2 == 0 ? "1" : "0");
    target += name + (i % 2 == 1 ? "2" : "0");
  }
  const Merged found = merged(base + "}", source + "}", target + "}");
  EXPECT_EQ(found.paths, "");
  std::string expected = "{";
  for (int i = 0; i < 500; ++i) {
    expected += std::string(i > 0 ? "," : "") + "'m" + std::to_string(i) + "':" + (i % 2 == 0 ? "1" : "2");
  }
  EXPECT_EQ(found.document, expected + "}");
}

TEST(JsonThreeWayTest, DamageIsAnError) {
  const std::string sound = from_json("{'a':1,'b':2}");
  const JsonJudge judge = [](const JsonClash&) -> Result<std::optional<ValueView>> {
    return std::optional<ValueView>();
  };
  std::string out;
  const std::string cut = sound.substr(0, sound.size() - 1);
  EXPECT_FALSE(merge_objects(std::nullopt, ValueView(cut), ValueView(sound), judge, &out).is_ok());
  EXPECT_FALSE(merge_objects(ValueView(cut), ValueView(sound), ValueView(sound), judge, &out).is_ok());
  EXPECT_FALSE(merge_objects(std::nullopt, ValueView(sound), ValueView(cut), judge, &out).is_ok());
}

TEST(JsonThreeWayTest, TheJudgesErrorIsTheAnswer) {
  const JsonJudge judge = [](const JsonClash&) -> Result<std::optional<ValueView>> {
    return Status::error(Code::kInvalidArgument, "enough");
  };
  std::string out;
  const std::string one = from_json("{'a':1}");
  const std::string other = from_json("{'a':2}");
  const Status status = merge_objects(std::nullopt, ValueView(one), ValueView(other), judge, &out);
  EXPECT_EQ(status.message(), "enough");
}

}  // namespace
}  // namespace strata::model
