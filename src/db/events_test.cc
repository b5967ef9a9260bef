// Events through the public API: order, types, times, the chain, and what a commit completes under its lock.
#include <gtest/gtest.h>

#include <thread>

#include "model/event_codec.h"
#include "strata/branch.h"
#include "strata/event.h"
#include "strata/kv.h"
#include "strata/space.h"

namespace strata {
namespace {

std::string payload(int64_t n, size_t filler = 0) {
  ValueWriter writer;
  EXPECT_TRUE(writer.begin_object() && writer.name("n") && writer.integer(n));
  EXPECT_TRUE(filler == 0 || (writer.name("filler") && writer.string(std::string(filler, 'x'))));
  EXPECT_TRUE(writer.end());
  return std::string(writer.result());
}

class EventsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    auto opened = Session::open_memory({});
    ASSERT_TRUE(opened.is_ok()) << opened.status().to_string();
    session_ = std::move(*opened);
  }
  static uint64_t append(Call& call, std::string_view type, int64_t n, size_t filler = 0) {
    const auto sequence = Events(call).append(type, payload(n, filler));
    EXPECT_TRUE(sequence.is_ok()) << sequence.status().to_string();
    return sequence.is_ok() ? *sequence : UINT64_MAX;
  }
  static std::vector<uint64_t> list(Call& call, const EventQuery& query) {
    EventList events;
    const Status status = Events(call).list(query, &events);
    EXPECT_TRUE(status.is_ok()) << status.to_string();
    std::vector<uint64_t> sequences;
    for (size_t i = 0; i < events.size(); ++i) sequences.push_back(events[i].sequence);
    return sequences;
  }
  // The chain as anybody can compute it from what is read.
  static void expect_chain(Call& call, AsOf as_of = std::nullopt) {
    EventList events;
    EventQuery query;
    query.as_of = as_of;
    ASSERT_TRUE(Events(call).list(query, &events).is_ok());
    base::Sha256::Digest previous = model::kNoHash;
    for (size_t i = 0; i < events.size(); ++i) {
      ASSERT_EQ(events[i].sequence, i);
      const auto hash = model::event_hash({previous.data(), previous.size()}, i, events[i].type, *events[i].timestamp,
                                          ValueView(events[i].payload));
      ASSERT_TRUE(hash.is_ok());
      ASSERT_EQ(events[i].hash, std::string_view(hash->data(), hash->size())) << i;
      previous = *hash;
    }
    const auto verdict = Events(call).verify(as_of);
    ASSERT_TRUE(verdict.is_ok()) << verdict.status().to_string();
    EXPECT_TRUE(verdict->valid);
    EXPECT_EQ(verdict->length, events.size());
    EXPECT_EQ(verdict->first_bad, std::nullopt);
  }
  static uint64_t length(Call& call, AsOf as_of = std::nullopt) {
    const auto found = Events(call).length(as_of);
    EXPECT_TRUE(found.is_ok()) << found.status().to_string();
    return found.is_ok() ? *found : UINT64_MAX;
  }
  uint64_t now() { return session_->info()->commit_timestamp; }

  std::unique_ptr<Session> session_;
};

using Sequences = std::vector<uint64_t>;

TEST_F(EventsTest, ListsByTypeLimitAndDirection) {
  Call call(*session_, Call::kWait);
  for (int i = 0; i < 9; ++i) EXPECT_EQ(append(call, i % 3 == 0 ? "a" : i % 3 == 1 ? "ab" : "b", i), uint64_t(i));
  EXPECT_EQ(list(call, {}), (Sequences{0, 1, 2, 3, 4, 5, 6, 7, 8}));
  EventQuery query;
  query.type = "a";
  EXPECT_EQ(list(call, query), (Sequences{0, 3, 6}));
  query.after = 0;
  EXPECT_EQ(list(call, query), (Sequences{3, 6}));
  query.reverse = true;
  EXPECT_EQ(list(call, query), (Sequences{6, 3}));
  query.limit = 1;
  EXPECT_EQ(list(call, query), (Sequences{6}));
  query.limit = 0;
  EXPECT_EQ(list(call, query), (Sequences{}));
  query = {};
  query.limit = 2;
  query.reverse = true;
  EXPECT_EQ(list(call, query), (Sequences{8, 7}));
  query.after = 7;
  EXPECT_EQ(list(call, query), (Sequences{8}));
  query.after = INT64_MAX;
  EXPECT_EQ(list(call, query), (Sequences{}));
  EXPECT_EQ(*Events(call).types(std::nullopt), (std::vector<std::string>{"a", "ab", "b"}));
  expect_chain(call);
}

TEST_F(EventsTest, BatchesAreOneCommitInTheirOrder) {
  Call call(*session_, Call::kWait);
  append(call, "z", 0);
  const std::string small = payload(1);
  const std::string large = payload(2, 5000);
  const std::vector<Events::Item> items = {{"b", small}, {"a", large}, {"b", large}, {"a", small}};
  EXPECT_EQ(*Events(call).append_batch(items), 1u);
  EventList events;
  ASSERT_TRUE(Events(call).list({}, &events).is_ok());
  ASSERT_EQ(events.size(), 5u);
  for (size_t i = 0; i < items.size(); ++i) {
    EXPECT_EQ(events[i + 1].type, items[i].type);
    EXPECT_EQ(events[i + 1].payload, items[i].payload);
    EXPECT_EQ(events[i + 1].timestamp, events[1].timestamp);
  }
  EventQuery query;
  query.type = "a";
  EXPECT_EQ(list(call, query), (Sequences{2, 4}));
  expect_chain(call);
  EXPECT_EQ(*Events(call).append_batch({}), 5u);
  const std::vector<Events::Item> bad = {{"b", small}, {"", small}};
  EXPECT_EQ(Events(call).append_batch(bad).status().code(), Code::kInvalidKey);
  EXPECT_EQ(length(call), 5u);
}

TEST_F(EventsTest, PayloadsAreObjects) {
  Call call(*session_, Call::kWait);
  EXPECT_EQ(Events(call).append("t", std::string_view("\x00", 1)).status().code(), Code::kInvalidType);
  EXPECT_EQ(Events(call).append("t", "").status().code(), Code::kCorruption);
  EXPECT_EQ(length(call), 0u);
}

TEST_F(EventsTest, AMomentOfThePast) {
  Call call(*session_, Call::kWait);
  std::vector<uint64_t> times;
  for (int i = 0; i < 300; ++i) {
    append(call, "t" + std::to_string(i % 7), i, i % 50 == 0 ? 3000 : 0);
    times.push_back(now());
  }
  for (const size_t i : {size_t{0}, size_t{1}, size_t{5}, size_t{150}, size_t{299}}) {
    EXPECT_EQ(length(call, times[i]), i + 1);
    EXPECT_EQ(Events(call).types(times[i])->size(), std::min<size_t>(i + 1, 7));
    EventQuery query;
    query.as_of = times[i];
    query.type = "t0";
    query.reverse = true;
    query.limit = 1;
    EXPECT_EQ(list(call, query), Sequences{i - i % 7});
    EventList events;
    EXPECT_TRUE(*Events(call).get(i, times[i], &events));
    EXPECT_FALSE(*Events(call).get(i + 1, times[i], &events));
    expect_chain(call, times[i]);
  }
  EXPECT_EQ(length(call, times[0] - 1), 0u);
  EXPECT_TRUE(Events(call).types(times[0] - 1)->empty());
}

TEST_F(EventsTest, TimesBoundAList) {
  Call call(*session_, Call::kWait);
  std::vector<uint64_t> times;
  for (int i = 0; i < 100; ++i) {
    append(call, i % 2 == 0 ? "even" : "odd", i);
    times.push_back(now());
  }
  EventQuery query;
  query.since = times[40];
  query.until = times[44];
  EXPECT_EQ(list(call, query), (Sequences{40, 41, 42, 43, 44}));
  query.type = "odd";
  EXPECT_EQ(list(call, query), (Sequences{41, 43}));
  query.reverse = true;
  query.limit = 1;
  EXPECT_EQ(list(call, query), (Sequences{43}));
  query = {};
  query.until = times[0] - 1;
  EXPECT_EQ(list(call, query), (Sequences{}));
  query.until.reset();
  query.since = times[99] + 1;
  EXPECT_EQ(list(call, query), (Sequences{}));
  query.since = times[98];
  EXPECT_EQ(list(call, query), (Sequences{98, 99}));
}

// What has no time yet is later than any.
TEST_F(EventsTest, OwnEventsHaveNeitherTimeNorHash) {
  Call call(*session_, Call::kWait);
  append(call, "a", 0);
  const uint64_t then = now();
  ASSERT_TRUE(call.begin(false, Isolation::kSerializable, std::nullopt).is_ok());
  for (int i = 1; i < 40; ++i) ASSERT_EQ(append(call, "b", i), uint64_t(i));
  EXPECT_EQ(length(call), 40u);
  EventList events;
  ASSERT_TRUE(*Events(call).get(1, std::nullopt, &events));
  EXPECT_EQ(events[0].timestamp, std::nullopt);
  EXPECT_TRUE(events[0].hash.empty());
  EXPECT_EQ(*Events(call).types(std::nullopt), (std::vector<std::string>{"a", "b"}));
  EXPECT_EQ(length(call, then), 1u);
  EventQuery query;
  query.until = then;
  EXPECT_EQ(list(call, query), Sequences{0});
  query.until.reset();
  query.since = then + 1;
  EXPECT_EQ(list(call, query).size(), 39u);
  const auto verdict = Events(call).verify(std::nullopt);
  EXPECT_TRUE(verdict->valid);
  EXPECT_EQ(verdict->length, 40u);
  const auto committed = call.commit(std::nullopt);
  ASSERT_TRUE(committed.is_ok());
  events.clear();
  ASSERT_TRUE(*Events(call).get(39, std::nullopt, &events));
  EXPECT_EQ(events[0].timestamp, *committed);
  expect_chain(call);
}

// Sealed in one commit: events between other writes, in two spaces, large and small.
TEST_F(EventsTest, ATransactionSealsEveryLog) {
  Call call(*session_, Call::kWait);
  ASSERT_TRUE(call.begin(false, Isolation::kSerializable, std::nullopt).is_ok());
  for (const char* space : {"default", "notes"}) {
    ASSERT_TRUE(call.space_use(space).is_ok());
    ASSERT_TRUE(Kv(call).put("k", payload(0)).is_ok());
    for (int i = 0; i < 5; ++i) append(call, "t", i, i == 2 ? 20'000 : 10);
    ASSERT_TRUE(Kv(call).put("zz", payload(0)).is_ok());
  }
  ASSERT_TRUE(call.commit(std::nullopt).is_ok());
  for (const char* space : {"default", "notes"}) {
    ASSERT_TRUE(call.space_use(space).is_ok());
    expect_chain(call);
    EXPECT_EQ(append(call, "t", 9), 5u);
    expect_chain(call);
  }
}

TEST_F(EventsTest, AppendsInTransactionsConflict) {
  for (const Isolation isolation : {Isolation::kSerializable, Isolation::kSnapshot}) {
    auto other = session_->session();
    Call call(*session_, Call::kWait);
    Call outside(**other, Call::kWait);
    ASSERT_TRUE(call.begin(false, isolation, std::nullopt).is_ok());
    const uint64_t sequence = append(call, "mine", 1);
    EXPECT_EQ(append(outside, "theirs", 1), sequence);  // a single append never conflicts
    const Status lost = call.commit(std::nullopt).status();
    EXPECT_EQ(lost.code(), Code::kTransactionConflict);
    const std::string shown = "\\x0" + std::to_string(sequence) + "' in space 'default'";
    EXPECT_NE(lost.message().find(shown), std::string_view::npos) << lost.message();
    EXPECT_EQ(length(call), sequence + 1);
    expect_chain(call);
  }
}

TEST_F(EventsTest, TheLengthIsARead) {
  auto other = session_->session();
  Call call(*session_, Call::kWait);
  Call outside(**other, Call::kWait);
  for (const int read : {0, 1, 2, 3}) {
    ASSERT_TRUE(call.begin(false, Isolation::kSerializable, std::nullopt).is_ok());
    EventQuery query;
    query.type = "t";
    if (read == 0) length(call);
    if (read == 1) list(call, {});
    if (read == 2) list(call, query);
    if (read == 3) {
      ASSERT_TRUE(Events(call).types(std::nullopt).is_ok());
    }
    ASSERT_TRUE(Kv(call).put("k", payload(1)).is_ok());
    append(outside, "t", 1);
    EXPECT_EQ(call.commit(std::nullopt).status().code(), Code::kTransactionConflict) << read;
  }
}

TEST_F(EventsTest, ADeletedSpaceBeginsAnew) {
  Call call(*session_, Call::kWait);
  ASSERT_TRUE(call.space_use("log").is_ok());
  for (int i = 0; i < 20; ++i) append(call, "old", i);
  const uint64_t then = now();
  ASSERT_TRUE(call.space_use("default").is_ok());
  ASSERT_TRUE(Spaces(call).remove("log", true).is_ok());
  ASSERT_TRUE(call.space_use("log").is_ok());
  EXPECT_EQ(length(call), 0u);
  EXPECT_TRUE(Events(call).types(std::nullopt)->empty());
  for (int i = 0; i < 3; ++i) EXPECT_EQ(append(call, "new", i), uint64_t(i));
  expect_chain(call);
  EXPECT_EQ(length(call, then), 20u);
  EXPECT_EQ(*Events(call).types(then), std::vector<std::string>{"old"});
  EXPECT_EQ(*Events(call).types(std::nullopt), std::vector<std::string>{"new"});
  EventQuery query;
  query.as_of = then;
  query.type = "old";
  query.limit = 2;
  query.reverse = true;
  EXPECT_EQ(list(call, query), (Sequences{19, 18}));
  expect_chain(call, then);
}

TEST_F(EventsTest, DeletedAndBegunAnewInOneTransaction) {
  Call call(*session_, Call::kWait);
  ASSERT_TRUE(call.space_use("log").is_ok());
  for (int i = 0; i < 20; ++i) append(call, "old", i);
  ASSERT_TRUE(call.begin(false, Isolation::kSerializable, std::nullopt).is_ok());
  append(call, "old", 20);
  ASSERT_TRUE(call.space_use("default").is_ok());
  ASSERT_TRUE(Spaces(call).remove("log", true).is_ok());
  ASSERT_TRUE(call.space_use("log").is_ok());
  EXPECT_EQ(length(call), 0u);
  for (int i = 0; i < 5; ++i) EXPECT_EQ(append(call, "new", i), uint64_t(i));
  EXPECT_EQ(length(call), 5u);
  EventQuery query;
  query.until = now();
  EXPECT_EQ(list(call, query), Sequences{});
  ASSERT_TRUE(call.commit(std::nullopt).is_ok());
  EXPECT_EQ(length(call), 5u);
  EXPECT_EQ(*Events(call).types(std::nullopt), std::vector<std::string>{"new"});
  expect_chain(call);
}

TEST_F(EventsTest, ForksGoOnByThemselves) {
  Call call(*session_, Call::kWait);
  for (int i = 0; i < 10; ++i) append(call, "t", i);
  const uint64_t then = now();
  append(call, "t", 10);
  ASSERT_TRUE(Branches(call).fork("default", "past", then).is_ok());
  ASSERT_TRUE(Branches(call).fork("default", "now", std::nullopt).is_ok());
  for (const char* branch : {"past", "now", "default"}) {
    ASSERT_TRUE(call.branch_use(branch).is_ok());
    const uint64_t before = std::string_view(branch) == "past" ? 10 : 11;
    EXPECT_EQ(append(call, branch, 1), before);
    EXPECT_EQ(Events(call).types(std::nullopt)->size(), 2u);
    expect_chain(call);
  }
}

TEST_F(EventsTest, EightThreadsLeaveNoGap) {
  constexpr int kThreads = 8;
  constexpr int kEach = 300;
  std::vector<std::thread> threads;
  for (int t = 0; t < kThreads; ++t) {
    threads.emplace_back([&, t] {
      auto session = session_->session();
      ASSERT_TRUE(session.is_ok());
      uint64_t last = 0;
      for (int i = 0; i < kEach; ++i) {
        Call call(**session, Call::kWait);
        const uint64_t sequence = append(call, "thread-" + std::to_string(t), i);
        ASSERT_TRUE(i == 0 || sequence > last);
        last = sequence;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  Call call(*session_, Call::kWait);
  EXPECT_EQ(length(call), uint64_t(kThreads * kEach));
  expect_chain(call);
  for (int t = 0; t < kThreads; ++t) {
    EventQuery query;
    const std::string type = "thread-" + std::to_string(t);
    query.type = type;
    EventList events;
    ASSERT_TRUE(Events(call).list(query, &events).is_ok());
    ASSERT_EQ(events.size(), size_t(kEach));
    for (int i = 0; i < kEach; ++i) EXPECT_EQ(events[size_t(i)].payload, payload(i));
  }
}

}  // namespace
}  // namespace strata
