#include "model/json_patch.h"

#include <gtest/gtest.h>

#include <deque>
#include <string>
#include <vector>

#include "model/json_compare.h"
#include "model/json_test_support.h"

namespace strata::model {
namespace {

std::string merged(std::string_view target, std::string_view patch) {
  const std::string before = from_json(target);
  const std::string change = from_json(patch);
  ValueWriter out;
  const Status status = merge_json(ValueView(before), ValueView(change), &out);
  EXPECT_TRUE(status.is_ok()) << status.to_string();
  EXPECT_TRUE(ValueView(out.result()).validate().is_ok());
  return to_json(out.result());
}

// RFC 7396, appendix A.
TEST(JsonMergeTest, ExamplesOfTheRfc) {
  EXPECT_EQ(merged("{'a':'b'}", "{'a':'c'}"), "{'a':'c'}");
  EXPECT_EQ(merged("{'a':'b'}", "{'b':'c'}"), "{'a':'b','b':'c'}");
  EXPECT_EQ(merged("{'a':'b'}", "{'a':null}"), "{}");
  EXPECT_EQ(merged("{'a':'b','b':'c'}", "{'a':null}"), "{'b':'c'}");
  EXPECT_EQ(merged("{'a':['b']}", "{'a':'c'}"), "{'a':'c'}");
  EXPECT_EQ(merged("{'a':'c'}", "{'a':['b']}"), "{'a':['b']}");
  EXPECT_EQ(merged("{'a':{'b':'c'}}", "{'a':{'b':'d','c':null}}"), "{'a':{'b':'d'}}");
  EXPECT_EQ(merged("{'a':[{'b':'c'}]}", "{'a':[1]}"), "{'a':[1]}");
  EXPECT_EQ(merged("['a','b']", "['c','d']"), "['c','d']");
  EXPECT_EQ(merged("{'a':'b'}", "['c']"), "['c']");
  EXPECT_EQ(merged("{'a':'foo'}", "null"), "null");
  EXPECT_EQ(merged("{'a':'foo'}", "'bar'"), "'bar'");
  EXPECT_EQ(merged("{'e':null}", "{'a':1}"), "{'e':null,'a':1}");
  EXPECT_EQ(merged("[1,2]", "{'a':'b','c':null}"), "{'a':'b'}");
  EXPECT_EQ(merged("{}", "{'a':{'bb':{'ccc':null}}}"), "{'a':{'bb':{}}}");
}

TEST(JsonMergeTest, MissingTargetAndOrder) {
  const std::string patch = from_json("{'z':{'y':null,'x':[null]},'a':1}");
  ValueWriter out;
  ASSERT_TRUE(merge_json(std::nullopt, ValueView(patch), &out).is_ok());
  EXPECT_EQ(to_json(out.result()), "{'z':{'x':[null]},'a':1}");
  EXPECT_EQ(merged("{'c':1,'a':2,'b':3}", "{'new':0,'b':4,'a':null,'also':1}"), "{'c':1,'b':4,'new':0,'also':1}");
}

TEST(JsonMergeTest, DamagedTargets) {
  std::string target = from_json("{'a':{'b':1},'c':2}");
  const std::string patch = from_json("{'a':{'x':1}}");
  for (size_t i = 0; i < target.size(); ++i) {
    for (int byte = 0; byte < 256; byte += 5) {
      std::string damaged = target;
      damaged[i] = static_cast<char>(byte);
      ValueWriter out;
      const Status status = merge_json(ValueView(damaged), ValueView(patch), &out);
      EXPECT_TRUE(status.is_ok() || status.code() == Code::kCorruption) << status.to_string();
    }
  }
}

struct Op {
  const char* kind;
  const char* path;
  const char* value;  // or the pointer of `from`
};

std::string patched(std::string_view document, const std::vector<Op>& given) {
  std::deque<JsonPath> paths;
  std::deque<std::string> values;
  std::vector<PatchOperation> operations;
  for (const Op& op : given) {
    PatchOperation& operation = operations.emplace_back();
    operation.kind = *patch_kind(op.kind);
    EXPECT_TRUE(paths.emplace_back().parse_pointer(op.path).is_ok());
    operation.path = &paths.back();
    if (operation.kind == PatchKind::kMove || operation.kind == PatchKind::kCopy) {
      EXPECT_TRUE(paths.emplace_back().parse_pointer(op.value).is_ok());
      operation.from = &paths.back();
    } else if (op.value != nullptr) {
      operation.value = values.emplace_back(from_json(op.value));
    }
  }
  std::string out;
  const Status status = patch_json(from_json(document), operations, &out);
  if (!status.is_ok()) return std::string(code_name(status.code()));
  EXPECT_TRUE(ValueView(out).validate().is_ok());
  return to_json(out);
}

// RFC 6902, appendix A.
TEST(JsonPatchTest, ExamplesOfTheRfc) {
  EXPECT_EQ(patched("{'foo':'bar'}", {{"add", "/baz", "'qux'"}}), "{'foo':'bar','baz':'qux'}");
  EXPECT_EQ(patched("{'foo':['bar','baz']}", {{"add", "/foo/1", "'qux'"}}), "{'foo':['bar','qux','baz']}");
  EXPECT_EQ(patched("{'baz':'qux','foo':'bar'}", {{"remove", "/baz", nullptr}}), "{'foo':'bar'}");
  EXPECT_EQ(patched("{'foo':['bar','qux','baz']}", {{"remove", "/foo/1", nullptr}}), "{'foo':['bar','baz']}");
  EXPECT_EQ(patched("{'baz':'qux','foo':'bar'}", {{"replace", "/baz", "'boo'"}}), "{'baz':'boo','foo':'bar'}");
  EXPECT_EQ(
      patched("{'foo':{'bar':'baz','waldo':'fred'},'qux':{'corge':'grault'}}", {{"move", "/qux/thud", "/foo/waldo"}}),
      "{'foo':{'bar':'baz'},'qux':{'corge':'grault','thud':'fred'}}");
  EXPECT_EQ(patched("{'foo':['all','grass','cows','eat']}", {{"move", "/foo/3", "/foo/1"}}),
            "{'foo':['all','cows','eat','grass']}");
  EXPECT_EQ(patched("{'baz':'qux','foo':['a',2,'c']}", {{"test", "/baz", "'qux'"}, {"test", "/foo/1", "2"}}),
            "{'baz':'qux','foo':['a',2,'c']}");
  EXPECT_EQ(patched("{'baz':'qux'}", {{"test", "/baz", "'bar'"}}), "patch_test_failed");
  EXPECT_EQ(patched("{'foo':'bar'}", {{"add", "/child", "{'grandchild':{}}"}}),
            "{'foo':'bar','child':{'grandchild':{}}}");
  EXPECT_EQ(patched("{'foo':'bar'}", {{"add", "/baz/bat", "'qux'"}}), "path_conflict");
  EXPECT_EQ(patched("{'/':9,'~1':10}", {{"test", "/~01", "10"}}), "{'/':9,'~1':10}");
  EXPECT_EQ(patched("{'/':9,'~1':10}", {{"test", "/~01", "'10'"}}), "patch_test_failed");
  EXPECT_EQ(patched("{'foo':['bar']}", {{"add", "/foo/-", "['abc','def']"}}), "{'foo':['bar',['abc','def']]}");
}

TEST(JsonPatchTest, OperationsSeeWhatEarlierOnesDid) {
  EXPECT_EQ(patched("{'a':[1]}", {{"copy", "/b", "/a"}, {"add", "/b/0", "0"}, {"remove", "/a", nullptr}}),
            "{'b':[0,1]}");
  EXPECT_EQ(patched("{'a':1}", {{"add", "", "[1]"}, {"add", "/1", "2"}}), "[1,2]");
  EXPECT_EQ(patched("{'a':1}", {{"move", "/a", "/a"}}), "{'a':1}");
  EXPECT_EQ(patched("{'a':{'b':1}}", {{"move", "/a/c", "/a"}}), "path_conflict");
  EXPECT_EQ(patched("{'a':1,'ab':2}", {{"move", "/ab/c", "/a"}}), "path_conflict");
  EXPECT_EQ(patched("{'a':{'b':1}}", {{"copy", "/a/c", "/a"}}), "{'a':{'b':1,'c':{'b':1}}}");
  EXPECT_EQ(patched("{'a':{'b':1}}", {{"move", "", "/a"}}), "{'b':1}");
  EXPECT_EQ(patched("[1]", {{"remove", "", nullptr}}), "path_conflict");
}

bool equal(std::string_view a, std::string_view b) {
  return equal_json(ValueView(from_json(a)), ValueView(from_json(b)));
}

TEST(JsonEqualTest, NumbersByWhatTheyAreWorth) {
  EXPECT_TRUE(equal("1", "1.0"));
  EXPECT_TRUE(equal("0", "-0.0"));
  EXPECT_TRUE(equal("[1.0,{'a':2}]", "[1,{'a':2.0}]"));
  EXPECT_FALSE(equal("1", "1.5"));
  EXPECT_FALSE(equal("1", "true"));
  EXPECT_FALSE(equal("9007199254740993", "9007199254740992.0"));
  EXPECT_FALSE(equal("9223372036854775807", "9223372036854775808.0"));
  EXPECT_TRUE(equal("-9223372036854775808", "-9223372036854775808.0"));
  EXPECT_TRUE(equal("{'a':1,'b':2}", "{'b':2,'a':1}"));
  EXPECT_FALSE(equal("{'a':1}", "{'b':1}"));
  EXPECT_FALSE(equal("[1]", "[1,2]"));
  EXPECT_FALSE(equal("[1,2]", "[1]"));
  EXPECT_FALSE(equal("[]", "{}"));
  EXPECT_TRUE(equal("null", "null"));
}

}  // namespace
}  // namespace strata::model
