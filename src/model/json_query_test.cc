#include "model/json_query_run.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>

#include "model/json_path.h"
#include "model/json_test_support.h"

namespace strata::model {
namespace {

constexpr uint64_t kPlenty = 10'000'000;

// What a query selects, as JSON text: "[1,2]"; "invalid" or another word for an error.
std::string selected(std::string_view path_text, std::string_view document, uint64_t steps = kPlenty) {
  JsonPath path;
  const Status parsed = path.parse(path_text);
  if (!parsed.is_ok()) return parsed.code() == Code::kInvalidPath ? "invalid" : parsed.to_string();
  if (path.singular()) return "singular";
  std::string found = "[";
  JsonQueryRun run(steps);
  const Status status = run.select(path.query(), document, [&](std::string_view node) {
    if (found.size() > 1) found += ',';
    found += to_json(node);
    return true;
  });
  return status.is_ok() ? found + "]" : std::string(code_name(status.code()));
}

struct Case {
  std::string_view path;
  std::string_view expected;
};

void check(std::string_view document_text, std::initializer_list<Case> cases) {
  const std::string document = from_json(document_text);
  for (const Case& one : cases) EXPECT_EQ(selected(one.path, document), one.expected) << one.path;
}

TEST(JsonQueryTest, Wildcards) {
  check("{'a':1,'b':[2,{'c':3}],'d':{}}", {
                                              {"$.*", "[1,[2,{'c':3}],{}]"},
                                              {"$[*]", "[1,[2,{'c':3}],{}]"},
                                              {"$[ * ]", "[1,[2,{'c':3}],{}]"},
                                              {"$.*.*", "[2,{'c':3}]"},
                                              {"$.*[*].*", "[3]"},
                                              {"$.b.*", "[2,{'c':3}]"},
                                              {"$.b[*].c", "[3]"},
                                              {"$.a.*", "[]"},
                                              {"$.d.*", "[]"},
                                              {"$.none.*", "[]"},
                                              {"$.*[0]", "[2]"},
                                              {"$.*[-1]['c']", "[3]"},
                                              {"$[*,*]", "[1,[2,{'c':3}],{},1,[2,{'c':3}],{}]"},
                                          });
}

TEST(JsonQueryTest, Unions) {
  check("{'a':[0,1,2,3],'b':{'x':1,'y':2}}", {
                                                 {"$['a','b']", "[[0,1,2,3],{'x':1,'y':2}]"},
                                                 {"$['b','a'].*", "[1,2,0,1,2,3]"},
                                                 {"$.a[0,2]", "[0,2]"},
                                                 {"$.a[2,0]", "[2,0]"},
                                                 {"$.a[0,0]", "[0,0]"},
                                                 {"$.a[ 0 , -1 ]", "[0,3]"},
                                                 {"$.a[0,9,-9]", "[0]"},
                                                 {"$.b['x','none','y']", "[1,2]"},
                                                 {"$.b[\"x\",'y']", "[1,2]"},
                                                 {"$.a[0,'x',*]", "[0,0,1,2,3]"},
                                                 {"$.b[0,'x',*]", "[1,1,2]"},
                                                 {"$.a[1:3,0]", "[1,2,0]"},
                                                 {"$.a[?@>1,0]", "[2,3,0]"},
                                                 {"$['a'\n,\t'none']", "[[0,1,2,3]]"},
                                             });
}

TEST(JsonQueryTest, Slices) {
  check("[0,1,2,3,4,5]", {
                             {"$[:]", "[0,1,2,3,4,5]"},
                             {"$[::]", "[0,1,2,3,4,5]"},
                             {"$[1:]", "[1,2,3,4,5]"},
                             {"$[:2]", "[0,1]"},
                             {"$[1:3]", "[1,2]"},
                             {"$[-2:]", "[4,5]"},
                             {"$[:-4]", "[0,1]"},
                             {"$[-3:-1]", "[3,4]"},
                             {"$[4:2]", "[]"},
                             {"$[9:]", "[]"},
                             {"$[-9:2]", "[0,1]"},
                             {"$[0:9]", "[0,1,2,3,4,5]"},
                             {"$[::2]", "[0,2,4]"},
                             {"$[1::2]", "[1,3,5]"},
                             {"$[::0]", "[]"},
                             {"$[::-1]", "[5,4,3,2,1,0]"},
                             {"$[::-2]", "[5,3,1]"},
                             {"$[3::-1]", "[3,2,1,0]"},
                             {"$[:3:-1]", "[5,4]"},
                             {"$[4:1:-1]", "[4,3,2]"},
                             {"$[1:4:-1]", "[]"},
                             {"$[-2:0:-1]", "[4,3,2,1]"},
                             {"$[9:-9:-3]", "[5,2]"},
                             {"$[::9007199254740991]", "[0]"},
                             {"$[::-9007199254740991]", "[5]"},
                             {"$[ 1 : 4 : 2 ]", "[1,3]"},
                             {"$[1 :\n]", "[1,2,3,4,5]"},
                             {"$[:].x", "[]"},
                         });
  check("{'a':1}", {{"$[:]", "[]"}, {"$[0:1]", "[]"}});
  check("[]", {{"$[::-1]", "[]"}, {"$[:]", "[]"}});
}

TEST(JsonQueryTest, Descendants) {
  check("{'a':{'b':[{'a':1},2]},'c':{'a':3}}", {
                                                   {"$..a", "[{'b':[{'a':1},2]},1,3]"},
                                                   {"$..['a']", "[{'b':[{'a':1},2]},1,3]"},
                                                   {"$..[0]", "[{'a':1}]"},
                                                   {"$..[-1]", "[2]"},
                                                   {"$..*", "[{'b':[{'a':1},2]},{'a':3},[{'a':1},2],{'a':1},2,1,3]"},
                                                   {"$..[*]", "[{'b':[{'a':1},2]},{'a':3},[{'a':1},2],{'a':1},2,1,3]"},
                                                   {"$..a..a", "[1]"},
                                                   {"$..b..a", "[1]"},
                                                   {"$.c..a", "[3]"},
                                                   {"$..none", "[]"},
                                                   {"$..b[*].a", "[1]"},
                                                   {"$..[?@.a==1]", "[{'a':1}]"},
                                                   {"$..['a','c']", "[{'b':[{'a':1},2]},{'a':3},1,3]"},
                                                   {"$..[0,1]", "[{'a':1},2]"},
                                                   {"$..[1:]", "[2]"},
                                                   {"$ ..a", "[{'b':[{'a':1},2]},1,3]"},
                                               });
  check("[[[1]]]", {{"$..[0]", "[[[1]],[1],1]"}, {"$..[0]..[0]", "[[1],1,1]"}});
  check("1", {{"$..*", "[]"}, {"$.*", "[]"}, {"$[?@]", "[]"}});
}

TEST(JsonQueryTest, ExistenceAndLogic) {
  check("[{'a':1},{'b':2},{'a':null,'b':false},{}]",
        {
            {"$[?@.a]", "[{'a':1},{'a':null,'b':false}]"},
            {"$[?!@.a]", "[{'b':2},{}]"},
            {"$[?@.a && @.b]", "[{'a':null,'b':false}]"},
            {"$[?@.a || @.b]", "[{'a':1},{'b':2},{'a':null,'b':false}]"},
            {"$[?@.a||@.b&&@.none]", "[{'a':1},{'a':null,'b':false}]"},
            {"$[?(@.a||@.b)&&!@.b]", "[{'a':1}]"},
            {"$[?!(@.a||@.b)]", "[{}]"},
            {"$[?!( !@.a )]", "[{'a':1},{'a':null,'b':false}]"},
            {"$[?@.*]", "[{'a':1},{'b':2},{'a':null,'b':false}]"},
            {"$[?@..a]", "[{'a':1},{'a':null,'b':false}]"},
            {"$[?@['a','b']]", "[{'a':1},{'b':2},{'a':null,'b':false}]"},
            {"$[?@]", "[{'a':1},{'b':2},{'a':null,'b':false},{}]"},
            {"$[?$[9]]", "[]"},
            {"$[?$[0].a,0]", "[{'a':1},{'b':2},{'a':null,'b':false},{},{'a':1}]"},
            {"$[?@[?@==1]]", "[{'a':1}]"},
            {"$[?((@.a))]", "[{'a':1},{'a':null,'b':false}]"},
        });
}

TEST(JsonQueryTest, Comparisons) {
  check("[{'k':1},{'k':2},{'k':1.0},{'k':'1'},{'k':true},{'k':null},{'k':[1]},{'k':{'x':1}},{}]",
        {
            {"$[?@.k==1].k", "[1,1.000000]"},
            {"$[?@.k==1.0].k", "[1,1.000000]"},
            {"$[?@.k==1e0].k", "[1,1.000000]"},
            {"$[?1==@.k].k", "[1,1.000000]"},
            {"$[?@.k!=1].k", "[2,'1',true,null,[1],{'x':1}]"},
            {"$[?@.k<2].k", "[1,1.000000]"},
            {"$[?@.k<=2].k", "[1,2,1.000000]"},
            {"$[?@.k>1].k", "[2]"},
            {"$[?@.k>=1].k", "[1,2,1.000000]"},
            {"$[?@.k>0.5].k", "[1,2,1.000000]"},
            {"$[?@.k=='1'].k", "['1']"},
            {"$[?@.k==\"1\"].k", "['1']"},
            {"$[?@.k<'2'].k", "['1']"},
            {"$[?@.k==true].k", "[true]"},
            {"$[?@.k<=true].k", "[true]"},
            {"$[?@.k<true].k", "[]"},
            {"$[?@.k==false].k", "[]"},
            {"$[?@.k==null].k", "[null]"},
            {"$[?@.k>=null].k", "[null]"},
            {"$[?@.k==$[0].k].k", "[1,1.000000]"},
            {"$[?@.k==$[6].k].k", "[[1]]"},
            {"$[?@.k<=$[6].k].k", "[[1]]"},
            {"$[?@.k<$[6].k].k", "[]"},
            {"$[?@.k==$[7].k].k", "[{'x':1}]"},
            {"$[?@.k==@.none]", "[{}]"},
            {"$[?@.k<=@.none]", "[{}]"},
            {"$[?@.k<@.none]", "[]"},
            {"$[?@.k!=@.none].k", "[1,2,1.000000,'1',true,null,[1],{'x':1}]"},
            {"$[?@.none==@.other&&@.k==2].k", "[2]"},
            {"$[?@.k[0]==1].k", "[[1]]"},
            {"$[?@.k['x']==1].k", "[{'x':1}]"},
            {"$[?@['k']==-0]", "[]"},
            {"$[?@ .k == 1 ].k", "[1,1.000000]"},
            {"$[?1<2].k", "[1,2,1.000000,'1',true,null,[1],{'x':1}]"},
            {"$[?'a'<'b',?1>2].k", "[1,2,1.000000,'1',true,null,[1],{'x':1}]"},
        });
  check("['','a','A','b','\xC3\xA9','\xEF\xBF\xBF','\xF0\x9F\x98\x80']",
        {{"$[?@>'a']", "['b','\xC3\xA9','\xEF\xBF\xBF','\xF0\x9F\x98\x80']"},
         {"$[?@<'a']", "['','A']"},
         {"$[?@>'\\uFFFF']", "['\xF0\x9F\x98\x80']"},
         {"$[?@=='\\uD83D\\uDE00']", "['\xF0\x9F\x98\x80']"},
         {"$[?@=='\\u00e9']", "['\xC3\xA9']"}});
  check("[[1,2],[1.0,2.0],[2,1],{'a':1,'b':2},{'b':2,'a':1.0}]",
        {{"$[?@==$[0]]", "[[1,2],[1.000000,2.000000]]"}, {"$[?@==$[3]]", "[{'a':1,'b':2},{'b':2,'a':1.000000}]"}});
}

TEST(JsonQueryTest, NumbersAreExact) {
  check("[9007199254740993,9007199254740992.0,9223372036854775807,-9223372036854775808,0,-0.0]",
        {
            {"$[?@==9007199254740993]", "[9007199254740993]"},
            {"$[?@==9007199254740992]", "[9007199254740992.000000]"},
            {"$[?@>$[1]]", "[9007199254740993,9223372036854775807]"},
            {"$[?@==9223372036854775807]", "[9223372036854775807]"},
            {"$[?@<9223372036854775808 && @>9e18]", "[9223372036854775807]"},
            {"$[?@==9223372036854775808]", "[]"},
            {"$[?@>=9223372036854775808]", "[]"},
            {"$[?@==-9223372036854775808]", "[-9223372036854775808]"},
            {"$[?@<=-9223372036854775809]", "[]"},
            {"$[?@>-9223372036854775809 && @<-1]", "[-9223372036854775808]"},
            {"$[?@==0]", "[0,-0.000000]"},
            {"$[?@==-0]", "[0,-0.000000]"},
            {"$[?@==0.0e5]", "[0,-0.000000]"},
            {"$[?@==1e-999]", "[0,-0.000000]"},
            {"$[?@<0.1&&@>-1E+1]", "[0,-0.000000]"},
        });
  check("[1e30]", {{"$[?@==1000000000000000000000000000000]", "[]"},
                   {"$[?@==1000000000000000019884624838656]", "[1000000000000000019884624838656.000000]"},
                   {"$[?@>1000000000000000000000000000000]", "[1000000000000000019884624838656.000000]"},
                   {"$[?@==1e30]", "[1000000000000000019884624838656.000000]"}});
}

TEST(JsonQueryTest, BytesAndNan) {
  ValueWriter writer;
  ASSERT_TRUE(writer.begin_array() && writer.bytes("ab") && writer.string("ab") && writer.real(0.0 / 0.0) &&
              writer.bytes("ac") && writer.begin_array() && writer.real(0.0 / 0.0) && writer.end() && writer.end());
  const std::string document(writer.result());
  EXPECT_EQ(selected("$[?@==$[0]]", document), "['ab']");
  EXPECT_EQ(selected("$[?@<=$[0]]", document), "['ab']");
  EXPECT_EQ(selected("$[?@<$[3]]", document), "[]");
  EXPECT_EQ(selected("$[?@=='ab']", document), "['ab']");
  EXPECT_EQ(selected("$[?@==$[2]]", document), "[]");
  EXPECT_EQ(selected("$[?@==$[4]]", document), "[]");
  EXPECT_EQ(selected("$[?@<1 || @>=1]", document), "[]");
  EXPECT_EQ(selected("$[?length(@)==2]", document), "['ab','ab','ac']");
  EXPECT_EQ(selected("$[?match(@,'a.')]", document), "['ab']");
}

TEST(JsonQueryTest, Functions) {
  check("[{'a':'\xC3\xA9\xE6\xBC\xA2'},{'a':[1,2,3]},{'a':{'x':1}},{'a':5},{}]",
        {
            {"$[?length(@.a)==2].a", "['\xC3\xA9\xE6\xBC\xA2']"},
            {"$[?length(@.a)==3].a", "[[1,2,3]]"},
            {"$[?length(@.a)>=1].a", "['\xC3\xA9\xE6\xBC\xA2',[1,2,3],{'x':1}]"},
            {"$[?length(@.a)==length(@.none)].a", "[5]"},
            {"$[?length('abc')==3&&@.a==5].a", "[5]"},
            {"$[?length(@)==0]", "[{}]"},
            {"$[?length(value(@.*))==3].a", "[[1,2,3]]"},
            {"$[?count(@.*)==0]", "[{}]"},
            {"$[?count(@..*)==4].a", "[[1,2,3]]"},
            {"$[?count(@['a','a'])==2].a", "['\xC3\xA9\xE6\xBC\xA2',[1,2,3],{'x':1},5]"},
            {"$[?count(@.a)==1&&@.a==5].a", "[5]"},
            {"$[?count( $.* )>4&&@.a==5].a", "[5]"},
            {"$[?value(@.a)==5].a", "[5]"},
            {"$[?value(@..x)==1].a", "[{'x':1}]"},
            {"$[?value(@.*)==@.none]", "[{}]"},
            {"$[?value(@.a[*])==@.none&&@.a[1]].a", "[[1,2,3]]"},
            {"$[?length(length(@.a))==1]", "[]"},
            {"$[?length(count(@.*))==1]", "[]"},
        });
  check("['ab','abc','xab','',1,null]", {
                                            {"$[?match(@,'ab')]", "['ab']"},
                                            {"$[?match(@,'a.*')]", "['ab','abc']"},
                                            {"$[?search(@,'ab')]", "['ab','abc','xab']"},
                                            {"$[?search(@,'^ab')]", "['ab','abc']"},
                                            {"$[?!match(@,'ab')]", "['abc','xab','',1,null]"},
                                            {"$[?match(@,$[0])]", "['ab']"},
                                            {"$[?search(@,$[0])]", "['ab','abc','xab']"},
                                            {"$[?search($[1],@)]", "['ab','abc','']"},
                                            {"$[?match(@,$[4])]", "[]"},
                                            {"$[?match(@,1)]", "[]"},
                                            {"$[?match(@,'(')]", "[]"},
                                            {"$[?search(@,'\\\\d')]", "[]"},
                                            {"$[?match(@,'')]", "['']"},
                                            {"$[?match(value($[0]),'ab')&&@==1]", "[1]"},
                                            {"$[?match( @ , \"[a-c]+\" )]", "['ab','abc']"},
                                            {"$[?match(@,'ab')||match(@,'abc')]", "['ab','abc']"},
                                        });
}

TEST(JsonQueryTest, MalformedOnes) {
  for (const char* path : {"$[?]",
                           "$[?1]",
                           "$[?true]",
                           "$[?null]",
                           "$[?'a']",
                           "$[?@.a==]",
                           "$[?==1]",
                           "$[?@.a=1]",
                           "$[?@.a===1]",
                           "$[?@.a<>1]",
                           "$[?@.a&@.b]",
                           "$[?@.a|@.b]",
                           "$[?@.a&&]",
                           "$[?||@.a]",
                           "$[?@.a and @.b]",
                           "$[?(@.a]",
                           "$[?@.a)]",
                           "$[?!]",
                           "$[?!!@.a]",
                           "$[?!1]",
                           "$[?!@.a==1]",
                           "$[?!(1)]",
                           "$[?(1)]",
                           "$[?(@.a)==1]",
                           "$[?@.*==1]",
                           "$[?1==@.*]",
                           "$[?@..a==1]",
                           "$[?@[0,1]==1]",
                           "$[?@[:]==1]",
                           "$[?@[?@]==1]",
                           "$[?length(@.a)]",
                           "$[?count(@.*)]",
                           "$[?value(@.a)]",
                           "$[?length(@.*)==1]",
                           "$[?length()==1]",
                           "$[?length(@,@)==1]",
                           "$[?length(@.a==1)==1]",
                           "$[?count(1)==1]",
                           "$[?count()==1]",
                           "$[?count(@.*,1)==1]",
                           "$[?count(length(@))==1]",
                           "$[?value('a')=='a']",
                           "$[?match(@.a)]",
                           "$[?match(@.a,'b','c')]",
                           "$[?match(@.*,'a')]",
                           "$[?match(@.a,@.*)]",
                           "$[?match(@.a,'b')==true]",
                           "$[?true==match(@.a,'b')]",
                           "$[?length(match(@.a,'b'))==1]",
                           "$[?search(@.a,'b')<1]",
                           "$[?unknown(@.a)]",
                           "$[?unknown(@.a)==1]",
                           "$[?Length(@.a)==1]",
                           "$[?length (@.a)==1]",
                           "$[?length(@.a ==1]",
                           "$[?@.a==True]",
                           "$[?@.a==nul]",
                           "$[?@.a==nullx]",
                           "$[?@.a==01]",
                           "$[?@.a==-]",
                           "$[?@.a==1.]",
                           "$[?@.a==.5]",
                           "$[?@.a==1e]",
                           "$[?@.a==1e+]",
                           "$[?@.a==+1]",
                           "$[?@.a==0x1]",
                           "$[?@.a==-01]",
                           "$[?@.a==1e999]",
                           "$[?@.a=='b]",
                           "$[?@.a=='\\x']",
                           "$[?a]",
                           "$[?a.b]",
                           "$[?.a]",
                           "$[?@a]",
                           "$[?@.]",
                           "$[?@[]",
                           "$[?@.a,]",
                           "$[?@.a?@.b]",
                           "$[?@.a==[1]]",
                           "$[?@.a=={}]",
                           "$.*x",
                           "$[*",
                           "$[**]",
                           "$..*.",
                           "$.. a",
                           "$..",
                           "$[::x]",
                           "$[1:2:3:]",
                           "$[:1,]",
                           "$[1::01]",
                           "$[:-0]",
                           "$[:9007199254740992]",
                           "$.* ",
                           "$['a','b'",
                           "$['a',b]",
                           "$[?@.a\x01]",
                           "@.a",
                           "$[?@.a==1",
                           "$[? ]"}) {
    EXPECT_EQ(selected(path, from_json("[1]")), "invalid") << path;
  }
}

TEST(JsonQueryTest, NestingIsBounded) {
  const auto nested = [](std::string_view open, std::string_view inner, std::string_view close, int times) {
    std::string text;
    for (int i = 0; i < times; ++i) text += open;
    text += inner;
    for (int i = 0; i < times; ++i) text += close;
    return "$[?" + text + "]";
  };
  const std::string document = from_json("[[[1]]]");
  EXPECT_EQ(selected(nested("(", "@", ")", 60), document), "[[[1]]]");
  EXPECT_EQ(selected(nested("(", "@", ")", 70), document), "invalid");
  EXPECT_EQ(selected(nested("(", "@", ")", 30'000), document), "invalid");
  EXPECT_EQ(selected(nested("@[?", "@", "]", 2), document), "[[[1]]]");
  EXPECT_EQ(selected(nested("@[?", "@", "]", 10'000), document), "invalid");
  EXPECT_EQ(selected(nested("length(", "@", ")", 20'000), document), "invalid");
  EXPECT_EQ(selected(nested("!(", "@", ")", 60), document), "[[[1]]]");
}

std::string deep_array(int depth) {
  ValueWriter writer;
  for (int i = 0; i < depth; ++i) EXPECT_TRUE(writer.begin_array() && writer.integer(i));
  for (int i = 0; i < depth; ++i) EXPECT_TRUE(writer.end());
  return std::string(writer.result());
}

TEST(JsonQueryTest, HostileQueriesEndWithAnError) {
#ifdef __SANITIZE_THREAD__
  GTEST_SKIP() << "minutes of work in one thread";
#endif
  const std::string document = deep_array(kMaxValueNesting);
  for (const char* path :
       {"$..*..*..*..*..*..*", "$..[?@..[?@..[?@..[?@..*..*..*==1]]]]", "$..[?count(@..*..*..*..*)>1]",
        "$..[?count($..*..*..*)>1]", "$[?$..[?$..[?$..[?$..[?@=='x']]]]]"}) {
    const std::string answer = selected(path, document, 300'000);
    EXPECT_TRUE(answer == "query_too_costly" || answer == "invalid") << path << answer.substr(0, 50);
  }
  EXPECT_EQ(selected("$..[?match('" + std::string(60'000, 'a') + "','(a*)*b')]", document, 100'000),
            "query_too_costly");
  EXPECT_EQ(selected("$[?match('a','((a{100}){100}){100}')]", document), "query_too_costly");
  EXPECT_EQ(selected("$[?match($[0],'a')].*..*", deep_array(3)), "[]");
  std::string wide = "$";
  while (wide.size() < kMaxJsonPathBytes - 10) wide += "[1,1]";
  EXPECT_EQ(selected(wide, document, 300'000), "query_too_costly");
  std::string long_path = "$.*";
  while (long_path.size() < kMaxJsonPathBytes - 10) long_path += ".*";
  EXPECT_EQ(selected(long_path, document), "[]");
  std::string ors = "$[?@==0";
  while (ors.size() < kMaxJsonPathBytes - 10) ors += "||@==0";
  EXPECT_EQ(selected(ors + "]", document), "[0]");
}

TEST(JsonQueryTest, IsInterrupted) {
  JsonPath path;
  ASSERT_TRUE(path.parse("$..*..*..*..*..*").is_ok());
  const JsonQueryRun::KeepOn keep_on = [] { return false; };
  JsonQueryRun run(UINT64_MAX, &keep_on);
  const std::string document = deep_array(128);
  EXPECT_EQ(run.select(path.query(), document, [](std::string_view) { return true; }).code(), Code::kInvalidArgument);
}

TEST(JsonQueryTest, DamageIsCorruption) {
  std::string document = from_json("[[1,2,'abc'],{'a':[1,2,3],'b':'x'}]");
  JsonPath path;
  ASSERT_TRUE(path.parse("$..[?@.a[0]==1 || match(@,'a') || count(@..*)>9]").is_ok());
  for (size_t i = 0; i < document.size(); ++i) {
    for (const int flip : {1, 7, 0x80, 0xFF}) {
      std::string damaged = document;
      damaged[i] = static_cast<char>(damaged[i] ^ flip);
      JsonQueryRun run(kPlenty);
      const Status status = run.select(path.query(), damaged, [&](std::string_view node) {
        EXPECT_TRUE(node.data() >= damaged.data() && node.data() + node.size() <= damaged.data() + damaged.size());
        return true;
      });
      EXPECT_TRUE(status.is_ok() || status.code() == Code::kCorruption) << status.to_string();
    }
  }
}

TEST(JsonQueryTest, FiltersAlone) {
  const std::string document = from_json("{'age':4,'tags':['x']}");
  const auto holds = [&](std::string_view text) -> std::string {
    std::string unescaped;
    JsonFilter filter;
    if (!parse_filter(text, &unescaped, &filter).is_ok()) return "invalid";
    const auto answer = JsonQueryRun(kPlenty).holds(filter, document, document);
    return !answer.is_ok() ? "error" : *answer ? "yes" : "no";
  };
  EXPECT_EQ(holds("@.age > 3"), "yes");
  EXPECT_EQ(holds(" @.age > 4\n"), "no");
  EXPECT_EQ(holds("@.tags[?@=='x'] && @['age']==4"), "yes");
  EXPECT_EQ(holds("@"), "yes");
  for (const char* text : {"", " ", "$[?@.a]]", "@.age > 3]", "@.age", "4", "@.age >"}) {
    EXPECT_EQ(holds(text), text == std::string("@.age") ? "yes" : "invalid") << text;
  }
}

// What is left of a document once the nodes that a query selects are removed.
std::string without(std::string_view path_text, std::string_view document_text) {
  const std::string document = from_json(document_text);
  JsonPath path;
  EXPECT_TRUE(path.parse(path_text).is_ok());
  std::set<const char*> nodes;
  const Status selected = JsonQueryRun(kPlenty).select(path.query(), document, [&](std::string_view node) {
    nodes.insert(node.data());
    return true;
  });
  EXPECT_TRUE(selected.is_ok());
  ValueWriter out;
  EXPECT_TRUE(remove_nodes(document, {nodes.begin(), nodes.end()}, &out).is_ok());
  EXPECT_TRUE(ValueView(out.result()).validate().is_ok());
  return std::to_string(nodes.size()) + " " + to_json(out.result());
}

TEST(JsonQueryTest, RemovesNodes) {
  const char* document = "{'a':{'b':[{'a':1},2]},'c':{'a':3},'d':[0,1,2]}";
  EXPECT_EQ(without("$..a", document), "3 {'c':{},'d':[0,1,2]}");
  EXPECT_EQ(without("$.d[*]", document), "3 {'a':{'b':[{'a':1},2]},'c':{'a':3},'d':[]}");
  EXPECT_EQ(without("$.d[0,0,-1]", document), "2 {'a':{'b':[{'a':1},2]},'c':{'a':3},'d':[1]}");
  EXPECT_EQ(without("$..*", document), "11 {}");
  EXPECT_EQ(without("$..[?@>1]", document), "3 {'a':{'b':[{'a':1}]},'c':{},'d':[0,1]}");
  EXPECT_EQ(without("$.none.*", document), "0 {'a':{'b':[{'a':1},2]},'c':{'a':3},'d':[0,1,2]}");
  std::string large = "[";
  for (int i = 0; i < 300; ++i) large += std::string(i == 0 ? "" : ",") + "{'k':" + std::to_string(i) + "}";
  EXPECT_EQ(without("$[?@.k!=150&&@.k!=299]", large + "]"), "298 [{'k':150},{'k':299}]");
}

}  // namespace
}  // namespace strata::model
